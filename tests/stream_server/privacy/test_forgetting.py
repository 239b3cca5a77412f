import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from recognition.errors import UnavailableError
from recognition.types import Sighting
from storage import people
from storage.database import Database
from storage.spool import Spool
from stream_server.messages.wire import Event
from stream_server.privacy.forgetting import Forgetter
from stream_server.recorder import Recorder


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[tuple[Spool, Spool]]:
    with ExitStack() as stack:
        yield stack.enter_context(Spool(tmp_path / "spool")), stack.enter_context(Spool(tmp_path / "refused"))


async def away(_: Sighting) -> bool:
    raise UnavailableError("the database is away")


async def add(database: Database, noon: datetime, *, consent: people.Consent) -> UUID:
    async with database.acquire() as connection:
        return (await people.create(connection, name="Somebody", at=noon, consent=consent)).person_id


async def test_sightings_of_who_took_consent_back_leave_the_disk_and_others_stay(
    database: Database, spools: tuple[Spool, Spool], make_sighting: Callable[..., Sighting], noon: datetime
) -> None:
    spool, refused = spools
    ada = await add(database, noon, consent=people.Consent.GRANTED)
    eve = await add(database, noon, consent=people.Consent.GRANTED)
    for kept in (spool, refused):
        for person_id in (ada, eve):
            kept.append(make_sighting(person_id=person_id))
    forgetter = Forgetter(database, Recorder(away, spool, refused))
    assert await forgetter.forget() == 0
    async with database.acquire() as connection:
        await people.update(connection, ada, at=noon, consent=people.Consent.REVOKED)

    running = asyncio.create_task(forgetter.run())
    forgetter.on_event(Event(id=1, type="attendance.marked", at=noon, data={}))
    forgetter.on_event(Event(id=2, type="gallery.changed", at=noon, data={"person_id": str(ada)}))
    async with asyncio.timeout(10):
        while refused.pending > 1:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert spool.people() == refused.people() == {eve}
    for path in (*spool.folder.glob("*.jsonl"), *refused.folder.glob("*.jsonl")):
        assert str(ada) not in path.read_text()


async def test_what_happened_while_the_line_was_down_is_made_up_for(
    database: Database, spools: tuple[Spool, Spool], make_sighting: Callable[..., Sighting], noon: datetime
) -> None:
    spool, refused = spools
    refused.append(make_sighting(person_id=await add(database, noon, consent=people.Consent.NONE)))
    forgetter = Forgetter(database, Recorder(away, spool, refused))
    running = asyncio.create_task(forgetter.run())
    forgetter.look_again()
    async with asyncio.timeout(10):
        while refused.pending:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
