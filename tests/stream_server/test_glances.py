import asyncio
from datetime import UTC, datetime

import numpy as np
import pytest

from recognition.errors import ImageError
from recognition.frames import decode
from recognition.types import FaceResult, FaceState, Frame, FrameResult, ImageBgr
from stream_server.demo.views import encode_jpeg
from stream_server.glances import Glances, GlancesOff, NoPicture, small_picture
from tests.stream_server.stage import NOW, Stage

GREY: ImageBgr = np.full((480, 640, 3), 90, np.uint8)
FACE = FaceResult((200.0, 100.0, 400.0, 300.0), FaceState.KNOWN, 0.9)


def frame(payload: bytes | ImageBgr, camera_id: str = "door") -> Frame:
    return Frame(camera_id, 1, payload, datetime(2026, 3, 2, tzinfo=UTC), 0.0)


def result(*faces: FaceResult) -> FrameResult:
    return FrameResult("door", 1, 640, 480, faces)


async def look(glances: Glances, *cameras: str) -> list["asyncio.Task[bytes]"]:
    """People who look, and have begun to wait."""
    tasks = [asyncio.create_task(glances.look(camera)) for camera in cameras]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize("payload", [GREY, encode_jpeg(GREY, 85)], ids=["decoded", "jpeg"])
def test_a_picture_is_made_small_with_a_box_around_each_face(payload: bytes | ImageBgr) -> None:
    jpeg = small_picture(frame(payload), result(FACE))
    assert len(jpeg) < 15_000
    image = decode(jpeg)
    assert image.shape == (240, 320, 3)
    edge, inside = image[100, 100].astype(int), image[100, 150].astype(int)
    assert edge[1] > 150 > inside[1] > 70
    assert (GREY == 90).all(), "the frame itself is drawn upon by nobody"


async def test_everybody_who_looks_gets_the_next_frame_of_their_camera() -> None:
    glances = Glances(allowed=True)
    first, second, other = await look(glances, "door", "door", "hall")
    glances.seen(frame(GREY), result())
    assert await first == await second
    assert not other.done()
    glances.seen(frame(GREY, "hall"), result())
    assert decode(await other).shape == (240, 320, 3)


async def test_nothing_is_kept_for_whoever_looks_later() -> None:
    glances = Glances(allowed=True, wait_s=0.01)
    glances.seen(frame(GREY), result())
    with pytest.raises(NoPicture):
        await glances.look("door")


async def test_one_who_leaves_takes_the_picture_from_nobody_else() -> None:
    glances = Glances(allowed=True)
    leaves, stays = await look(glances, "door", "door")
    leaves.cancel()
    await asyncio.sleep(0)
    glances.seen(frame(GREY), result())
    assert await stays
    assert leaves.cancelled()


async def test_what_is_no_picture_fails_for_whoever_looks_and_the_next_one_is_made() -> None:
    glances = Glances(allowed=True)
    (broken,) = await look(glances, "door")
    glances.seen(frame(b"no picture"), result())
    with pytest.raises(ImageError):
        await broken
    (good,) = await look(glances, "door")
    glances.seen(frame(GREY), result())
    assert await good


async def test_a_site_may_forbid_looking() -> None:
    with pytest.raises(GlancesOff):
        await Glances(allowed=False).look("door")


async def test_the_hub_says_how_many_faces_a_camera_sees_and_shows_its_frames(make_stage: "type[Stage]") -> None:
    shown: list[Frame] = []
    stage = make_stage(seen=lambda frame, _: shown.append(frame))
    stage.recogniser.answers[b"class"] = ((FACE, FACE), ())
    assert stage.hub.view("door") is None
    session, sink = stage.attach("door")
    assert stage.hub.view("door") is None
    stage.hub.offer(session, b"class")
    await sink.next()
    view = stage.hub.view("door")
    assert view is not None
    assert view[0] == 2
    assert 0 <= view[1] < 10
    assert [frame.payload for frame in shown] == [b"class"]
    assert shown[0].captured_at == NOW
    stage.hub.detach(session, sink)
    assert stage.hub.view("door") is None
