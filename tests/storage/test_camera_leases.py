import asyncio
from uuid import UUID

from storage import camera_leases, cameras
from storage.database import Connection, Database

ONE, OTHER = UUID(int=1), UUID(int=2)


async def test_a_camera_is_held_by_one_until_it_gives_it_back(connection: Connection) -> None:
    for camera in ("door", "yard"):
        await cameras.add(connection, camera)
    assert await camera_leases.claim(connection, ONE, ["door"], 60.0) == {"door"}
    assert await camera_leases.claim(connection, OTHER, ["door", "yard"], 60.0) == {"yard"}
    assert await camera_leases.claim(connection, ONE, ["door", "yard"], 60.0) == {"door"}
    await camera_leases.release(connection, ONE)
    assert await camera_leases.claim(connection, OTHER, ["door", "yard"], 60.0) == {"door", "yard"}
    await camera_leases.release(connection, OTHER, ["door"])
    await camera_leases.release(connection, ONE, ["yard"])  # not its own
    assert await camera_leases.claim(connection, ONE, ["door", "yard"], 60.0) == {"door"}


async def test_a_lease_that_was_not_prolonged_is_anybodys(connection: Connection) -> None:
    await cameras.add(connection, "door")
    await camera_leases.claim(connection, ONE, ["door"], -1.0)
    assert await camera_leases.claim(connection, OTHER, ["door"], 60.0) == {"door"}
    assert await camera_leases.claim(connection, ONE, ["door"], 60.0) == set()


async def test_there_is_no_lease_of_a_camera_that_is_not_there(connection: Connection) -> None:
    await cameras.add(connection, "door")
    assert await camera_leases.claim(connection, ONE, ["nowhere"], 60.0) == set()
    await camera_leases.claim(connection, ONE, ["door"], 60.0)
    await cameras.remove(connection, "door")
    assert await connection.fetchval("SELECT count(*) FROM camera_leases") == 0
    assert await camera_leases.claim(connection, ONE, ["door"], 60.0) == set()


async def test_claiming_a_camera_that_is_just_being_removed_is_no_failure(database: Database) -> None:
    """The camera is gone when its lease is to be stored, which the reference of the one to the other forbids."""
    ids = [f"room-{number}" for number in range(20)]
    claims = 0

    async def claim_for_ever() -> None:
        nonlocal claims
        async with database.acquire() as connection:
            while True:
                await camera_leases.claim(connection, ONE, ids, 60.0)
                await camera_leases.release(connection, ONE)
                claims += 1

    claiming = asyncio.create_task(claim_for_ever())
    async with database.acquire() as connection:
        for _ in range(10):
            for camera in ids:
                await cameras.add(connection, camera)
            for camera in ids:
                await cameras.remove(connection, camera)
    assert claims > 5
    assert not claiming.done()
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
