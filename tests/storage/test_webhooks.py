from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from recognition.errors import RequestError
from storage import outbox, webhooks
from storage.database import Connection
from storage.errors import Conflict, NotFound
from storage.webhooks import Skip, Webhook

Make = Callable[..., Awaitable[Webhook]]


async def happen(connection: Connection, type_: str = "session.opened") -> int:
    async with connection.transaction():
        return await outbox.append(connection, type_, {"session_id": "s"})


@pytest.fixture
def make(connection: Connection) -> Make:
    async def make(*event_types: str, webhooks_max: int = 20) -> Webhook:
        return await webhooks.create(
            connection,
            webhook_id=uuid4(),
            address="https://school.example/…",
            sealed=b"sealed",
            description="app",
            event_types=event_types,
            include_names=False,
            webhooks_max=webhooks_max,
        )

    return make


async def test_a_webhook_begins_with_what_happens_after_it_was_added(connection: Connection, make: Make) -> None:
    last = await happen(connection)
    webhook = await make("attendance.*")
    assert webhook.cursor == last
    assert webhook.enabled
    assert await webhooks.get(connection, webhook.webhook_id) == webhook
    assert await webhooks.list_webhooks(connection) == [webhook]
    assert "sealed" not in repr(webhook)


async def test_there_are_only_so_many(make: Make) -> None:
    await make(webhooks_max=1)
    with pytest.raises(Conflict) as error:
        await make(webhooks_max=1)
    assert error.value.code == "too_many_webhooks"


async def test_what_is_not_given_stays_and_switching_on_forgets_failures(connection: Connection, make: Make) -> None:
    webhook = await make("attendance.*")
    await connection.execute(
        "UPDATE webhooks SET enabled = false, disabled_reason = 'x', failures = 9, failing_since = now(), "
        "next_attempt_at = now(), lease = gen_random_uuid(), leased_until = now()"
    )
    off = await webhooks.update(connection, webhook.webhook_id, description="other")
    assert (off.description, off.event_types, off.enabled, off.failures) == ("other", ("attendance.*",), False, 9)
    on = await webhooks.update(connection, webhook.webhook_id, enabled=True, event_types=())
    assert (on.enabled, on.failures, on.next_attempt_at, on.disabled_reason) == (True, 0, None, "")
    assert on.event_types == ()
    assert await connection.fetchval("SELECT lease FROM webhooks") is None


@pytest.mark.parametrize(("skip", "left"), [(Skip.NONE, 3), (Skip.ONE, 2), (Skip.ALL, 0)])
async def test_events_that_wait_can_be_skipped(connection: Connection, make: Make, skip: Skip, left: int) -> None:
    webhook = await make("session.*")
    for type_ in ("camera.state", "session.opened", "session.opened", "camera.state", "session.opened"):
        await happen(connection, type_)
    after = await webhooks.update(connection, webhook.webhook_id, skip=skip)
    waiting = await outbox.read_matching(connection, after.cursor, after.event_types)
    assert len(waiting.events) == left


async def test_skipping_one_where_nothing_waits_changes_nothing(connection: Connection, make: Make) -> None:
    webhook = await make("session.*")
    await happen(connection, "camera.state")
    after = await webhooks.update(connection, webhook.webhook_id, skip=Skip.ONE)
    await happen(connection)
    assert len((await outbox.read_matching(connection, after.cursor, after.event_types)).events) == 1


async def test_of_two_who_change_a_secret_at_once_one_is_told(
    connection: Connection, make: Make, noon: datetime
) -> None:
    webhook = await make()
    changed = await webhooks.replace_secrets(
        connection, webhook.webhook_id, sealed=b"new", was=b"sealed", old_secret_until=noon
    )
    assert (changed.sealed, changed.old_secret_until) == (b"new", noon)
    with pytest.raises(Conflict):
        await webhooks.replace_secrets(
            connection, webhook.webhook_id, sealed=b"newer", was=b"sealed", old_secret_until=None
        )


async def test_one_that_is_not_there_is_told_everywhere(connection: Connection) -> None:
    nobody = UUID(int=1)
    for call in (
        webhooks.get(connection, nobody),
        webhooks.remove(connection, nobody),
        webhooks.update(connection, nobody, enabled=True),
        webhooks.replace_secrets(connection, nobody, sealed=b"", was=b"", old_secret_until=None),
    ):
        with pytest.raises(NotFound) as error:
            await call
        assert error.value.code == "webhook_not_found"


async def test_a_filter_that_nothing_passes_changes_nothing(connection: Connection, make: Make) -> None:
    webhook = await make("attendance.*")
    with pytest.raises(RequestError):
        await webhooks.update(connection, webhook.webhook_id, description="x", event_types=["nope"])
    assert await webhooks.get(connection, webhook.webhook_id) == webhook
