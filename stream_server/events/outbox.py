"""The event bus's view of the outbox table."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from storage import event_audiences, outbox
from storage.database import Database
from storage.visibility import Audience
from stream_server.messages.wire import Event


class OutboxListening:
    """A connection that hears of new rows."""

    def __init__(self) -> None:
        self.lost = False
        self.listener: outbox.Listener | None = None

    async def check(self) -> None:
        """Ask the server something; StorageUnavailable when the line is dead."""
        if self.listener is not None:
            await self.listener.check()


class OutboxSource:
    """Reads events with the pool and hears of new ones on a connection of its own."""

    def __init__(self, database: Database, dsn: str) -> None:
        self._database = database
        self._dsn = dsn

    async def latest_id(self) -> int:
        """The newest id, 0 when there is none."""
        async with self._database.acquire() as connection:
            return await outbox.latest_id(connection)

    async def oldest_id(self) -> int:
        """The oldest id still kept, 0 when there is none."""
        async with self._database.acquire() as connection:
            return await outbox.oldest_id(connection)

    async def read_after(self, last_id: int, limit: int) -> Sequence[Event]:
        """The next events behind `last_id`, in order."""
        async with self._database.acquire() as connection:
            rows = await outbox.read_after(connection, last_id, limit)
        return [Event(id=row.event_id, type=row.type, at=row.created_at, data=row.payload) for row in rows]

    async def audiences(self, events: Sequence[Event]) -> Sequence[Audience]:
        """Who hears of each event."""
        async with self._database.acquire() as connection:
            return await event_audiences.audiences(connection, [(event.type, event.data) for event in events])

    @asynccontextmanager
    async def listening(self, wake: Callable[[], None]) -> AsyncIterator[OutboxListening]:
        """Call `wake` for new rows, and once when the connection is lost."""
        state = OutboxListening()

        def on_lost() -> None:
            state.lost = True
            wake()

        async with outbox.listen(self._dsn, lambda _: wake(), on_lost) as listener:
            state.listener = listener
            yield state
