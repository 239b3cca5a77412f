from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from recognition.errors import RequestError
from recognition.types import Sighting
from storage import attendance, cameras, outbox, people
from storage.database import Connection
from storage.errors import Conflict, NotFound


async def test_a_camera_is_made_once_and_can_be_renamed(connection: Connection) -> None:
    await cameras.ensure(connection, "door")
    await cameras.ensure(connection, "door")
    assert (await cameras.get(connection, "door")).name == "door"
    await cameras.ensure(connection, "door", "Main door")
    await cameras.ensure(connection, "door")
    assert [(camera.camera_id, camera.name) for camera in await cameras.list_cameras(connection)] == [
        ("door", "Main door")
    ]


@pytest.mark.parametrize("camera_id", ["", "-a", "A", "a b", "a" * 65, "a\n", "é"])
async def test_a_camera_id_that_is_none_is_refused(connection: Connection, camera_id: str) -> None:
    with pytest.raises(RequestError) as refused:
        await cameras.ensure(connection, camera_id)
    assert refused.value.code == "camera_id_invalid"


async def test_an_unknown_camera_is_not_found(connection: Connection) -> None:
    with pytest.raises(NotFound):
        await cameras.get(connection, "nowhere")


async def test_a_camera_that_must_be_new_is_refused_when_the_id_is_taken(connection: Connection) -> None:
    await cameras.add(connection, "door", "Door", must_be_new=True)
    await cameras.add(connection, "door", None)
    with pytest.raises(Conflict) as refused:
        await cameras.add(connection, "door", "Other", must_be_new=True)
    assert refused.value.code == "camera_exists"
    assert (await cameras.get(connection, "door")).name == "Door"


async def test_where_a_camera_is_opened_is_kept_and_its_secret_is_not_shown(connection: Connection) -> None:
    await cameras.add(connection, "door")
    await cameras.set_source(
        connection, "door", address="rtsp://door/", sealed=b"geheim", transport="udp", enabled=False
    )
    camera = await cameras.get(connection, "door")
    assert (camera.address, camera.sealed, camera.transport, camera.enabled) == (
        "rtsp://door/",
        b"geheim",
        "udp",
        False,
    )
    assert "geheim" not in repr(camera)
    assert [(event.type, event.payload) for event in await outbox.read_after(connection, 0)] == [
        ("camera.changed", {"camera": "door"})
    ]
    with pytest.raises(NotFound):
        await cameras.set_source(connection, "nowhere", address=None, sealed=None, transport="auto", enabled=True)


async def test_a_change_of_state_is_stored_with_its_event(connection: Connection, noon: datetime) -> None:
    await cameras.add(connection, "door")
    await cameras.set_state(connection, "door", "refused", "401", noon)
    await cameras.set_state(connection, "nowhere", "live", "", noon)
    camera = await cameras.get(connection, "door")
    assert (camera.state, camera.state_reason, camera.state_at) == ("refused", "401", noon)
    assert [(event.type, event.payload) for event in await outbox.read_after(connection, 0)] == [
        ("camera.state", {"camera": "door", "state": "refused", "reason": "401"})
    ]


async def test_a_camera_that_nothing_points_to_is_deleted(connection: Connection) -> None:
    await cameras.add(connection, "door")
    await cameras.remove(connection, "door")
    assert await connection.fetchval("SELECT count(*) FROM cameras") == 0
    assert [(event.type, event.payload) for event in await outbox.read_after(connection, 0)] == [
        ("camera.removed", {"camera": "door"})
    ]
    with pytest.raises(NotFound):
        await cameras.remove(connection, "door")


async def test_a_camera_that_records_name_loses_all_but_its_name_and_may_come_back(
    connection: Connection, ada: people.Person, make_sighting: Callable[..., Sighting]
) -> None:
    await attendance.record_sighting(connection, make_sighting(ada.person_id), ZoneInfo("UTC"))
    await cameras.set_source(connection, "door", address="rtsp://door/", sealed=b"x", transport="udp", enabled=False)
    await cameras.remove(connection, "door")
    assert await cameras.list_cameras(connection) == []
    assert await connection.fetchval("SELECT sealed IS NULL FROM cameras WHERE id = 'door'")
    await attendance.record_sighting(connection, make_sighting(ada.person_id), ZoneInfo("UTC"))  # one that was late
    assert await cameras.list_cameras(connection) == []
    await cameras.add(connection, "door", must_be_new=True)
    back = await cameras.get(connection, "door")
    assert (back.address, back.transport, back.enabled) == (None, "auto", True)
