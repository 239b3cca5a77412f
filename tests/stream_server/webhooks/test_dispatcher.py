"""Events from a real outbox to real receivers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook as Verifier

from storage import outbox, people, webhook_deliveries, webhooks
from storage.database import Database
from storage.webhook_deliveries import Cause, Delivery
from stream_server.privacy.auditing import command_auditor
from stream_server.privacy.secrets import SecretBox
from stream_server.settings.webhooks import WebhookSettings
from stream_server.webhooks import dispatcher as dispatcher_module
from stream_server.webhooks.dispatcher import Dispatcher
from stream_server.webhooks.register import EventForgotten, WebhookRegister, WebhooksBusy
from stream_server.webhooks.sender import Sender
from tests.stream_server.webhooks import receiver as receivers
from tests.stream_server.webhooks.receiver import answer, receiver

OPEN = WebhookSettings(allow_http=True, allow_loopback=True, concurrency=2, timeout_s=20)

AUDIT = command_auditor()


class World:
    """A database, a clock that is moved by hand, and as many replicas as a test starts."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.box = SecretBox(b"k" * 32)
        self.at = datetime.now(UTC)
        self.replicas: list[Dispatcher] = []
        self.register = self.make_register()

    def now(self) -> datetime:
        self.at += timedelta(microseconds=1)  # no two attempts are at the same time
        return self.at

    def make_register(self, settings: WebhookSettings = OPEN) -> WebhookRegister:
        sender = Sender(settings)
        return WebhookRegister(self.database, settings, self.box, sender, now=self.now, changed=self.look)

    def look(self) -> None:
        for replica in self.replicas:
            replica.look()

    @asynccontextmanager
    async def replica(self, settings: WebhookSettings = OPEN) -> AsyncIterator[Dispatcher]:
        made = Dispatcher(self.database, settings, self.box, Sender(settings), now=self.now)
        self.replicas.append(made)
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.replicas.remove(made)

    async def add(self, url: str, *types: str, names: bool = False) -> tuple[UUID, str]:
        webhook, secret = await self.register.add(
            url, description="", event_types=types, include_names=names, audit=AUDIT
        )
        return webhook.webhook_id, secret

    async def happen(self, type_: str = "session.opened", **payload: Any) -> int:
        async with self.database.acquire() as connection, connection.transaction():
            event_id = await outbox.append(connection, type_, payload or {"session_id": "s"})
        self.look()
        return event_id

    async def get(self, webhook_id: UUID) -> webhooks.Webhook:
        async with self.database.acquire() as connection:
            return await webhooks.get(connection, webhook_id)

    async def deliveries(self, webhook_id: UUID) -> list[Delivery]:
        async with self.database.acquire() as connection:
            page = await webhook_deliveries.list_deliveries(connection, webhook_id, limit=200)
        return list(reversed(page.items))

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(30):
            while not await holds():
                await asyncio.sleep(0.02)

    async def until_failures(self, webhook_id: UUID, count: int) -> None:
        async def failed() -> bool:
            return (await self.get(webhook_id)).failures >= count

        await self.until(failed)

    async def until_at(self, webhook_id: UUID, cursor: int) -> None:
        async def taken() -> bool:
            return (await self.get(webhook_id)).cursor >= cursor

        await self.until(taken)


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(dispatcher_module, "LOOK_EVERY_S", 0.2)
    return World(database)


async def test_events_arrive_signed_and_in_order(world: World) -> None:
    async with receiver() as hook, world.replica():
        webhook_id, secret = await world.add(hook.url)
        ids = [await world.happen(session_id=str(number)) for number in range(30)]
        got = await hook.until(30)
        await world.until_at(webhook_id, ids[-1])
    assert [message.data["session_id"] for message in got] == [str(number) for number in range(30)]
    assert Verifier(secret).verify(got[0].body, got[0].headers)["type"] == "session.opened"
    assert len({message.headers["webhook-id"] for message in got}) == 30
    logged = await world.deliveries(webhook_id)
    assert [delivery.event_id for delivery in logged] == ids
    assert all(delivery.status == 200 and delivery.latency_ms is not None for delivery in logged)


async def test_only_what_passes_the_filter_is_sent_and_the_rest_does_not_wait(world: World) -> None:
    async with receiver() as hook, world.replica():
        webhook_id, _ = await world.add(hook.url, "attendance.*")
        await world.happen("camera.state", camera="door")
        await world.happen("attendance.marked", attendance_id="a")
        last = await world.happen("gallery.changed", person_id="p")
        await world.until_at(webhook_id, last)
        assert [message.type for message in hook.got] == ["attendance.marked"]


async def test_after_a_failure_the_same_message_comes_again_before_any_later_one(world: World) -> None:
    async with receiver(answers=[answer(500, b"oops"), receivers.hang_up]) as hook, world.replica():
        webhook_id, _ = await world.add(hook.url)
        await world.happen(session_id="1")
        await world.happen(session_id="2")
        await world.until_failures(webhook_id, 1)
        assert len(hook.got) == 1
        world.at += timedelta(seconds=7)
        await world.until_failures(webhook_id, 2)
        world.at += timedelta(minutes=7)
        await hook.until(4)
    assert [message.data["session_id"] for message in hook.got] == ["1", "1", "1", "2"]
    assert len({message.headers["webhook-id"] for message in hook.got[:3]}) == 1
    logged = await world.deliveries(webhook_id)
    assert [(one.attempt, one.status) for one in logged[:2]] == [(1, 500), (2, None)]
    assert logged[0].response == "oops"


async def test_a_receiver_that_hangs_harms_nobody_else(world: World) -> None:
    async with receiver(receivers.silence) as dead, receiver() as fine, world.replica():
        await world.add(dead.url)
        await world.add(fine.url)
        for number in range(10):
            await world.happen(session_id=str(number))
        await fine.until(10)
        assert len(dead.got) == 1


async def test_with_all_places_taken_by_the_dead_the_others_get_their_turn_after_the_time_limit(world: World) -> None:
    short = OPEN.model_copy(update={"timeout_s": 0.5})
    async with receiver(receivers.silence) as dead, receiver() as fine:
        for _ in range(4):
            await world.add(dead.url)
        await world.add(fine.url)
        await world.happen()
        async with world.replica(short):
            await fine.until(1)


async def test_who_comes_back_goes_on_where_it_was(world: World) -> None:
    async with receiver() as hook:
        webhook_id, _ = await world.add(hook.url)
        async with world.replica():
            await world.until_at(webhook_id, await world.happen(session_id="1"))
        await world.happen(session_id="2")
        async with world.replica():
            await hook.until(2)
    assert [message.data["session_id"] for message in hook.got] == ["1", "2"]


async def test_a_server_that_stops_in_the_middle_leaves_the_message_to_the_next(world: World) -> None:
    async with receiver(answers=[receivers.silence]) as hook:
        webhook_id, _ = await world.add(hook.url)
        async with world.replica():
            await world.happen(session_id="1")
            await hook.until(1)
        async with world.replica():  # without waiting for the end of a lease
            await world.until_at(webhook_id, 1)
    assert [message.data["session_id"] for message in hook.got] == ["1", "1"]


async def test_two_replicas_send_every_event_once(world: World) -> None:
    async with receiver() as hook, world.replica(), world.replica():
        webhook_id, _ = await world.add(hook.url)
        for number in range(40):
            last = await world.happen(session_id=str(number))
        await world.until_at(webhook_id, last)
    assert [message.data["session_id"] for message in hook.got] == [str(number) for number in range(40)]


async def test_after_long_failure_a_webhook_is_switched_off_with_an_event_and_can_be_switched_on_again(
    world: World,
) -> None:
    async with receiver(answer(500)) as hook, world.replica():
        webhook_id, _ = await world.add(hook.url, "session.*")
        first = await world.happen()
        await world.until_failures(webhook_id, 1)
        world.at += timedelta(hours=73)
        await world.until_failures(webhook_id, 2)
        off = await world.get(webhook_id)
        assert not off.enabled
        assert "72 hours" in off.disabled_reason
        async with world.database.acquire() as connection:
            events = await outbox.read_after(connection, first)
        assert [event.type for event in events] == ["webhook.disabled"]
        hook.then = answer()
        on = await world.register.change(
            webhook_id,
            description=None,
            event_types=None,
            include_names=None,
            enabled=True,
            skip=webhooks.Skip.NONE,
            audit=AUDIT,
        )
        assert on.enabled
        await world.until_at(webhook_id, first)
    assert len(hook.got) == 3


async def test_a_receiver_that_says_it_is_gone_is_believed(world: World) -> None:
    async with receiver(answer(410)) as hook, world.replica():
        webhook_id, _ = await world.add(hook.url)
        await world.happen()
        await world.until_failures(webhook_id, 1)
        assert "410" in (await world.get(webhook_id)).disabled_reason


async def test_events_that_were_forgotten_before_they_were_taken_are_told_of_in_the_log(world: World) -> None:
    async with receiver(answers=[answer(500)]) as hook, world.replica():
        webhook_id, _ = await world.add(hook.url)
        await world.happen(session_id="1")
        await world.until_failures(webhook_id, 1)
        last = await world.happen(session_id="2")
        async with world.database.acquire() as connection:
            assert await outbox.prune(connection, datetime.now(UTC) + timedelta(days=1)) == 1
        world.at += timedelta(minutes=1)
        await world.until_at(webhook_id, last)
    causes = [(delivery.cause, delivery.delivered) for delivery in await world.deliveries(webhook_id)]
    assert causes == [(Cause.EVENT, False), (Cause.GAP, False), (Cause.EVENT, True)]


async def test_names_are_those_of_the_moment_of_sending(world: World) -> None:
    """Somebody who was erased while a message waited is not named by it."""
    async with receiver() as hook:
        webhook_id, _ = await world.add(hook.url, "attendance.*", names=True)
        async with world.database.acquire() as connection:
            ada = await people.create(connection, name="Ada Lovelace", at=world.at)
        person = {"id": str(ada.person_id), "name": "Ada Lovelace"}
        last = await world.happen("attendance.marked", attendance_id="a", person=person)
        async with world.database.acquire() as connection:
            await people.erase(connection, ada.person_id, at=world.at)
        async with world.replica():
            await world.until_at(webhook_id, last)
    assert hook.got[0].data["person_name"] == "erased"
    assert b"Ada" not in hook.got[0].body


async def test_a_new_secret_takes_over_while_the_old_one_still_signs(world: World) -> None:
    async with receiver() as hook, world.replica():
        webhook_id, old = await world.add(hook.url)
        _, new = await world.register.rotate(webhook_id, overlap_s=3600, audit=AUDIT)
        await world.until_at(webhook_id, await world.happen())
        world.at += timedelta(hours=2)
        await world.until_at(webhook_id, await world.happen())
    during, after = hook.got
    for secret in (old, new):
        assert Verifier(secret).verify(during.body, during.headers)
    assert len(after.headers["webhook-signature"].split()) == 1


async def test_a_secret_that_leaked_is_no_longer_used_at_all(world: World) -> None:
    async with receiver() as hook:
        webhook_id, old = await world.add(hook.url)
        _, new = await world.register.rotate(webhook_id, overlap_s=0, audit=AUDIT)
        delivery = await world.register.test(webhook_id)
    assert delivery.delivered
    assert new != old
    assert Verifier(new).verify(hook.got[0].body, hook.got[0].headers)
    assert len(hook.got[0].headers["webhook-signature"].split()) == 1


async def test_under_another_key_the_log_says_what_to_do(world: World) -> None:
    async with receiver() as hook:
        webhook_id, _ = await world.add(hook.url)
        world.box = SecretBox(b"x" * 32)
        async with world.replica():
            await world.happen()
            await world.until_failures(webhook_id, 1)
    assert hook.got == []
    assert "another key" in (await world.deliveries(webhook_id))[0].problem


async def test_an_event_is_sent_again_on_demand_under_the_same_message_id(world: World) -> None:
    async with receiver(answers=[answer(500)]) as hook, world.replica():
        webhook_id, _ = await world.add(hook.url)
        await world.happen()
        await world.until_failures(webhook_id, 1)
        (failed,) = await world.deliveries(webhook_id)
        again = await world.register.redeliver(webhook_id, failed.delivery_id)
        assert again.delivered
        assert again.cause is Cause.REDELIVERY
        assert again.message_id == failed.message_id
        test = await world.register.test(webhook_id)
        with pytest.raises(EventForgotten):
            await world.register.redeliver(webhook_id, test.delivery_id)


async def test_sending_by_hand_is_bounded(world: World) -> None:
    async with receiver(receivers.silence) as hook:
        webhook_id, _ = await world.add(hook.url)
        waiting = [asyncio.create_task(world.register.test(webhook_id)) for _ in range(4)]
        await hook.until(4)
        with pytest.raises(WebhooksBusy):
            await world.register.test(webhook_id)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
