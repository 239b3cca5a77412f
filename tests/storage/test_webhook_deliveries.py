import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from storage import outbox, people, webhook_deliveries, webhooks
from storage.database import Connection, Database
from storage.errors import NotFound
from storage.webhook_deliveries import Attempt, Cause, Claim
from storage.webhooks import Webhook


def attempt(at: datetime, *, delivered: bool = True, number: int = 1, **more: object) -> Attempt:
    return Attempt(1, "session.opened", "msg_1", Cause.EVENT, number, delivered, at, **more)  # type: ignore[arg-type]


async def add(connection: Connection) -> Webhook:
    return await webhooks.create(
        connection,
        webhook_id=uuid4(),
        address="https://x.example",
        sealed=b"s",
        description="",
        event_types=(),
        include_names=False,
        webhooks_max=20,
    )


async def happen(connection: Connection) -> int:
    async with connection.transaction():
        return await outbox.append(connection, "session.opened", {"session_id": "s"})


@pytest.fixture
async def webhook(connection: Connection) -> Webhook:
    return await add(connection)


async def claim(connection: Connection, at: datetime, limit: int = 10) -> list[Claim]:
    return await webhook_deliveries.claim_due(connection, at=at, lease_s=60, limit=limit)


async def test_a_receiver_is_claimed_once_and_only_when_something_waits(
    connection: Connection, database: Database, webhook: Webhook, noon: datetime
) -> None:
    assert await claim(connection, noon) == []
    await happen(connection)
    (mine,) = await claim(connection, noon)
    assert mine.webhook.webhook_id == webhook.webhook_id
    async with database.acquire() as other:
        assert await claim(other, noon + timedelta(seconds=59)) == []
        # Its replica has died: somebody else goes on.
        (taken,) = await claim(other, noon + timedelta(seconds=60))
    assert taken.lease != mine.lease
    held = await webhook_deliveries.note_delivered(connection, mine, [attempt(noon)], cursor=99, until=noon)
    assert not held
    assert (await webhooks.get(connection, webhook.webhook_id)).cursor == webhook.cursor


async def test_a_turn_is_given_to_those_who_waited_longest(connection: Connection, noon: datetime) -> None:
    several = {(await add(connection)).webhook_id for _ in range(3)}
    await happen(connection)
    served = []
    for minute in range(6):
        (one,) = await claim(connection, noon + timedelta(minutes=minute), limit=1)
        await webhook_deliveries.release(connection, one)
        served.append(one.webhook.webhook_id)
    assert set(served[:3]) == several
    assert served[3:] == served[:3]


async def test_what_was_taken_moves_the_cursor_and_ends_the_failures(
    connection: Connection, webhook: Webhook, noon: datetime
) -> None:
    event_id = await happen(connection)
    (mine,) = await claim(connection, noon)
    soon = noon + timedelta(seconds=5)
    assert await webhook_deliveries.note_failed(connection, mine, attempt(noon, delivered=False), next_attempt_at=soon)
    failing = await webhooks.get(connection, webhook.webhook_id)
    assert (failing.failures, failing.failing_since, failing.next_attempt_at) == (1, noon, soon)
    assert await webhook_deliveries.next_due(connection) == soon
    assert await claim(connection, noon) == []
    (again,) = await claim(connection, soon)
    assert await webhook_deliveries.note_delivered(connection, again, [attempt(soon)], cursor=event_id, until=soon)
    fine = await webhooks.get(connection, webhook.webhook_id)
    assert (fine.failures, fine.failing_since, fine.cursor) == (0, None, event_id)
    assert await webhook_deliveries.next_due(connection) is None


async def test_switching_off_is_an_event_and_nothing_is_claimed_any_more(
    connection: Connection, webhook: Webhook, noon: datetime
) -> None:
    await happen(connection)
    (mine,) = await claim(connection, noon)
    await webhook_deliveries.note_failed(
        connection, mine, attempt(noon, delivered=False), next_attempt_at=noon, disable="gone"
    )
    off = await webhooks.get(connection, webhook.webhook_id)
    assert (off.enabled, off.disabled_reason) == (False, "gone")
    events = await outbox.read_after(connection, 0)
    assert (events[-1].type, events[-1].payload["webhook_id"]) == ("webhook.disabled", str(webhook.webhook_id))
    assert await claim(connection, noon + timedelta(days=9)) == []


async def test_deliveries_are_listed_latest_first_in_pages(
    connection: Connection, webhook: Webhook, noon: datetime
) -> None:
    for number in range(5):
        at = noon + timedelta(seconds=number)
        await webhook_deliveries.log(
            connection, webhook.webhook_id, attempt(at, number=number + 1, delivered=number > 1)
        )
    first = await webhook_deliveries.list_deliveries(connection, webhook.webhook_id, limit=3)
    rest = await webhook_deliveries.list_deliveries(connection, webhook.webhook_id, limit=3, cursor=first.next_cursor)
    assert [delivery.attempt for delivery in (*first.items, *rest.items)] == [5, 4, 3, 2, 1]
    assert rest.next_cursor is None
    failed = await webhook_deliveries.list_deliveries(connection, webhook.webhook_id, delivered=False)
    assert [delivery.attempt for delivery in failed.items] == [2, 1]
    found = await webhook_deliveries.get(connection, webhook.webhook_id, failed.items[0].delivery_id)
    assert found == failed.items[0]
    with pytest.raises(NotFound):
        await webhook_deliveries.get(connection, uuid4(), found.delivery_id)


async def test_the_answer_of_a_stranger_is_cut_and_cannot_break_the_log(
    connection: Connection, webhook: Webhook, noon: datetime
) -> None:
    logged = await webhook_deliveries.log(connection, webhook.webhook_id, attempt(noon, response="\0" + "x" * 9999))
    assert logged is not None
    assert len(logged.response) == webhook_deliveries.RESPONSE_MAX


async def test_the_log_is_bounded_by_age_and_by_number(
    connection: Connection, webhook: Webhook, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await add(connection)
    for minute in range(10):
        for one in (webhook, other):
            await webhook_deliveries.log(connection, one.webhook_id, attempt(noon + timedelta(minutes=minute)))
    assert await webhook_deliveries.prune(connection, noon + timedelta(minutes=2), 3) == 3
    assert await webhook_deliveries.prune(connection, noon + timedelta(minutes=2), 3) == 1
    monkeypatch.setattr(webhook_deliveries, "KEPT_MAX", 3)
    assert await webhook_deliveries.prune(connection, noon, 100) == 10
    left = await webhook_deliveries.list_deliveries(connection, webhook.webhook_id)
    assert [delivery.at.minute for delivery in left.items] == [9, 8, 7]


async def test_nothing_is_logged_of_a_webhook_that_was_removed(
    connection: Connection, webhook: Webhook, noon: datetime
) -> None:
    await webhook_deliveries.log(connection, webhook.webhook_id, attempt(noon))
    await webhooks.remove(connection, webhook.webhook_id)
    assert await webhook_deliveries.log(connection, webhook.webhook_id, attempt(noon)) is None
    assert await connection.fetchval("SELECT count(*) FROM webhook_deliveries") == 0


async def told_of(connection: Connection, person_id: UUID, webhook: Webhook, response: str, at: datetime) -> str:
    """What is kept of an answer to an event of somebody."""
    async with connection.transaction():
        event_id = await outbox.append(connection, "attendance.marked", {"person": {"id": str(person_id)}})
    one = Attempt(event_id, "attendance.marked", "msg", Cause.EVENT, 1, True, at, response=response)
    kept = await webhook_deliveries.log(connection, webhook.webhook_id, one)
    assert kept is not None
    return kept.response


async def test_an_answer_that_comes_when_somebody_is_erased_already_is_not_kept(
    connection: Connection, webhook: Webhook, noon: datetime
) -> None:
    zoe = await people.create(connection, name="Zoë", at=noon)
    eve = await people.create(connection, name="Eve", at=noon)
    assert await told_of(connection, zoe.person_id, webhook, "thanks for Zoë", noon) == "thanks for Zoë"
    await people.erase(connection, zoe.person_id, at=noon)
    assert await told_of(connection, zoe.person_id, webhook, "thanks for Zoë", noon) == ""
    assert await told_of(connection, eve.person_id, webhook, "thanks for Eve", noon) == "thanks for Eve"


async def test_an_answer_that_comes_while_somebody_is_erased_is_not_kept(
    database: Database, connection: Connection, webhook: Webhook, noon: datetime
) -> None:
    zoe = await people.create(connection, name="Zoë", at=noon)
    async with connection.transaction():
        event_id = await outbox.append(connection, "attendance.marked", {"person": {"id": str(zoe.person_id)}})
    thanks = Attempt(event_id, "attendance.marked", "msg", Cause.EVENT, 1, True, noon, response="thanks for Zoë")

    async def answered() -> None:
        async with database.acquire() as own:
            await webhook_deliveries.log(own, webhook.webhook_id, thanks)

    async with connection.transaction():
        await people.erase(connection, zoe.person_id, at=noon)
        answer = asyncio.create_task(answered())
        async with database.acquire() as other, asyncio.timeout(20):
            while not answer.done() and not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
    await answer
    (kept,) = (await webhook_deliveries.list_deliveries(connection, webhook.webhook_id)).items
    assert kept.response == ""


@pytest.mark.parametrize("response", ['{"marked": "Zoë"}', '{"marked": "Zo\\u00eb"}'])
async def test_a_name_in_an_answer_to_a_forgotten_event_is_found_as_receivers_write_it(
    connection: Connection, webhook: Webhook, noon: datetime, response: str
) -> None:
    zoe = await people.create(connection, name="Zoë", at=noon)
    one = Attempt(None, "attendance.marked", "msg", Cause.EVENT, 1, True, noon, response=response)
    await webhook_deliveries.log(connection, webhook.webhook_id, one)
    await people.erase(connection, zoe.person_id, at=noon)
    (kept,) = (await webhook_deliveries.list_deliveries(connection, webhook.webhook_id)).items
    assert kept.response == ""
