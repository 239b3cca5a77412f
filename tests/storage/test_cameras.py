import pytest

from recognition.errors import RequestError
from storage import cameras
from storage.database import Connection
from storage.errors import NotFound


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
