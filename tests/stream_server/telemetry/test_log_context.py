import asyncio

from stream_server.telemetry.log_context import about, current


def test_outside_nothing_is_known() -> None:
    assert current() == {}


def test_what_is_given_is_known_in_the_block_and_forgotten_behind_it() -> None:
    with about(request_id="r1"):
        with about(camera_id="door"):
            assert current() == {"request_id": "r1", "camera": "door"}
        assert current() == {"request_id": "r1"}
    assert current() == {}


async def test_tasks_take_along_what_was_known_where_they_were_started() -> None:
    async def look() -> dict[str, str]:
        return current()

    with about(camera_id="door"):
        inside = asyncio.create_task(look())
    outside = asyncio.create_task(look())
    assert await inside == {"camera": "door"}
    assert await outside == {}
