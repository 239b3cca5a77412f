import asyncio
import hashlib
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from storage import cameras, devices, outbox
from storage.database import Connection, Database
from storage.errors import NotFound

MINUTE = timedelta(minutes=1)


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def add_code(connection: Connection, code: str, now: datetime, minutes: int = 10) -> UUID:
    await cameras.add(connection, "phone-1")
    return await devices.add_code(
        connection,
        sha256(code),
        name="Phone of room 5",
        camera_id="phone-1",
        created_by="owner-token",
        now=now,
        expires_at=now + minutes * MINUTE,
    )


async def redeem(connection: Connection, code: str, token: str, now: datetime) -> devices.Device | None:
    return await devices.redeem_code(
        connection, sha256(code), token_sha256=sha256(token), device_name="Pixel 6", now=now
    )


async def test_a_code_makes_one_device_with_its_event(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "code", noon)
    device = await redeem(connection, "code", "token", noon)
    assert device is not None
    assert (device.name, device.device_name, device.camera_id) == ("Phone of room 5", "Pixel 6", "phone-1")
    assert await redeem(connection, "code", "another", noon) is None
    assert await devices.find(connection, sha256("token"), noon) == device
    assert await devices.find(connection, sha256("another"), noon) is None
    assert (await devices.list_devices(connection)).items == (device,)
    (event,) = await outbox.read_after(connection, 0)
    assert (event.type, event.payload["device_id"]) == ("device.paired", str(device.device_id))


async def test_neither_code_nor_token_is_kept(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "the-code", noon)
    await add_code(connection, "other-code", noon)
    await redeem(connection, "the-code", "the-token", noon)
    for table in ("pairing_codes", "devices", "outbox"):
        kept = await connection.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert "code" not in kept.replace("pairing_code", ""), table
        assert "the-token" not in kept, table


async def test_a_code_that_has_expired_is_worth_nothing_and_goes(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "code", noon)
    assert await redeem(connection, "code", "token", noon + 10 * MINUTE) is None
    await add_code(connection, "second", noon)
    await add_code(connection, "third", noon + 20 * MINUTE)
    assert await connection.fetchval("SELECT count(*) FROM pairing_codes") == 1


async def test_codes_are_bounded_in_number_until_they_expire(connection: Connection, noon: datetime) -> None:
    for number in range(devices.CODES_MAX):
        await add_code(connection, f"code-{number}", noon)
    with pytest.raises(devices.TooManyPairings):
        await add_code(connection, "one more", noon)
    await add_code(connection, "later", noon + 10 * MINUTE)


async def test_codes_that_wait_are_listed_without_themselves(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "soon over", noon, minutes=1)
    code_id = await add_code(connection, "code", noon)
    await add_code(connection, "used", noon)
    await redeem(connection, "used", "token", noon)
    later = noon + MINUTE
    (code,) = (await devices.list_codes(connection, later)).items
    assert code == devices.OpenCode(code_id, "Phone of room 5", "phone-1", "owner-token", noon, noon + 10 * MINUTE)
    assert sha256("code") not in [getattr(code, name) for name in code.__slots__]


async def test_a_list_of_codes_goes_on_where_it_ended(connection: Connection, noon: datetime) -> None:
    made = {await add_code(connection, f"code-{number}", noon) for number in range(5)}
    found, cursor = [], None
    for _ in range(3):
        page = await devices.list_codes(connection, noon, limit=2, cursor=cursor)
        found += [code.code_id for code in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert (len(found), set(found)) == (5, made)


async def test_a_withdrawn_code_pairs_nothing_and_leaves_the_others(connection: Connection, noon: datetime) -> None:
    code_id = await add_code(connection, "code", noon)
    await add_code(connection, "other", noon)
    assert (await devices.withdraw_code(connection, code_id, noon)).camera_id == "phone-1"
    assert await redeem(connection, "code", "token", noon) is None
    assert await redeem(connection, "other", "token", noon) is not None


async def test_what_can_be_used_no_more_cannot_be_withdrawn(connection: Connection, noon: datetime) -> None:
    expired = await add_code(connection, "expired", noon)
    for unknown in (expired, uuid4()):
        with pytest.raises(NotFound) as refused:
            await devices.withdraw_code(connection, unknown, noon + 10 * MINUTE)
        assert refused.value.code == "pairing_not_found"


async def test_of_using_a_code_and_withdrawing_it_at_once_one_happens(database: Database, noon: datetime) -> None:
    async with database.acquire() as first, database.acquire() as second:
        code_id = await add_code(first, "code", noon)
        async with first.transaction():
            assert await redeem(first, "code", "token", noon) is not None
            withdrawing = asyncio.create_task(devices.withdraw_code(second, code_id, noon))
            await asyncio.sleep(0)
        with pytest.raises(NotFound):
            await withdrawing


async def test_of_two_that_use_a_code_at_once_one_gets_it(database: Database, noon: datetime) -> None:
    async with database.acquire() as first, database.acquire() as second:
        await add_code(first, "code", noon)
        async with first.transaction():
            assert await redeem(first, "code", "one", noon) is not None
            await second.execute("SET lock_timeout = '20s'")
            waiting = asyncio.create_task(redeem(second, "code", "two", noon))
            await asyncio.sleep(0)
        assert await waiting is None


async def test_a_revoked_device_is_nobody_and_that_is_an_event(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "code", noon)
    device = await redeem(connection, "code", "token", noon)
    assert device is not None
    await devices.revoke(connection, device.device_id, noon)
    assert await devices.find(connection, sha256("token"), noon) is None
    assert (await devices.list_devices(connection)).items == ()
    last = (await outbox.read_after(connection, 0))[-1]
    assert (last.type, last.payload) == ("access.changed", {"kind": "device", "id": str(device.device_id)})
    for unknown in (device.device_id, uuid4()):
        with pytest.raises(NotFound) as refused:
            await devices.revoke(connection, unknown, noon)
        assert refused.value.code == "device_not_found"


async def test_the_devices_and_codes_of_a_camera_go_with_it(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "code", noon)
    await add_code(connection, "unused", noon)
    device = await redeem(connection, "code", "token", noon)
    assert device is not None
    async with connection.transaction():
        assert await devices.revoke_of_camera(connection, "another") == []
        assert await devices.revoke_of_camera(connection, "phone-1") == [device.device_id]
    assert await devices.find(connection, sha256("token"), noon) is None
    assert await redeem(connection, "unused", "token-2", noon) is None
    changed = [event.payload["id"] for event in await outbox.read_after(connection, 0) if event.type != "device.paired"]
    assert changed == [str(device.device_id)]


async def test_a_code_for_a_camera_that_is_gone_pairs_nothing(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "code", noon)
    await cameras.remove(connection, "phone-1")
    assert await redeem(connection, "code", "token", noon) is None


async def test_when_a_device_was_seen_is_noted_now_and_then(connection: Connection, noon: datetime) -> None:
    await add_code(connection, "code", noon)
    await redeem(connection, "code", "token", noon)
    for minutes, seen in ((1, 0), (4, 0), (6, 6), (9, 6), (12, 12)):
        await devices.find(connection, sha256("token"), noon + minutes * MINUTE)
        (device,) = (await devices.list_devices(connection)).items
        assert device.last_seen_at == noon + seen * MINUTE, minutes
