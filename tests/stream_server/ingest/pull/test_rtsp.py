"""RTSP cameras: GStreamer's server over TCP, VLC's over UDP, killed, frozen and wrong in every way."""

import os
import signal
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.state import PullState
from stream_server.ingest.pull.trial import try_camera
from tests.partners import rtsp_cameras as partners
from tests.stream_server.ingest.pull.conftest import Pulled

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[partners.GstServer]:
    """For tests that do not harm it."""
    mounts = {
        "/ball": {"launch": partners.h264()},
        "/jpeg": {"launch": partners.jpeg()},
        "/audio": {"launch": partners.audio()},
        "/keys": {"launch": partners.h264(fps=10, keys=1)},
        "/large": {"launch": partners.h264(width=2560, height=1440, fps=2, keys=2)},
    }
    with partners.gst_server(mounts) as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[partners.GstServer]:
    with partners.gst_server({"/ball": {"launch": partners.h264()}}) as server:
        yield server


def frames(pulled: Pulled, camera_id: str) -> int:
    return pulled.hub.frames.get(camera_id, 0)


async def test_a_camera_is_read_over_tcp_at_the_pace(pulled: Pulled, server: partners.GstServer) -> None:
    pulled.pull("door", server.url("/ball"))
    await pulled.until(lambda: frames(pulled, "door") >= 3)
    before, began = frames(pulled, "door"), pulled.now()
    await pulled.until(lambda: frames(pulled, "door") >= before + 10)
    assert 10 / (pulled.now() - began) == pytest.approx(5.0, rel=0.4)
    status = pulled.supervisor.status("door")
    assert status is not None
    assert (status.via, status.codec) == ("rtsp/tcp", "h264")
    assert pulled.hub.newest["door"].shape == (480, 640, 3)


async def test_rtp_jpeg_is_handed_on_as_it_is(pulled: Pulled, server: partners.GstServer) -> None:
    pulled.pull("door", server.url("/jpeg"))
    await pulled.until(lambda: frames(pulled, "door") >= 2)
    assert pulled.hub.newest["door"][:2] == b"\xff\xd8"


async def test_larger_pictures_are_made_smaller(pulled: Pulled, server: partners.GstServer) -> None:
    pulled.pull("door", server.url("/large"), max_side_px=1280)
    await pulled.until(lambda: frames(pulled, "door") >= 1)
    assert pulled.hub.newest["door"].shape == (720, 1280, 3)


async def test_every_key_frame_is_enough_when_there_are_enough(pulled: Pulled, server: partners.GstServer) -> None:
    pulled.pull("door", server.url("/keys"))
    await pulled.until(lambda: frames(pulled, "door") >= 10)
    assert pulled.state("door") is PullState.LIVE


@pytest.mark.parametrize(
    ("path", "more", "word"),
    [
        ("/nowhere", {}, "404"),
        ("/audio", {}, "no video"),
        ("/large", {"max_pixels": 1_000_000}, "2560x1440"),
    ],
)
async def test_what_is_not_taken_is_refused_with_its_reason(
    pulled: Pulled, server: partners.GstServer, path: str, more: dict[str, int], word: str
) -> None:
    pulled.pull("door", server.url(path), **more)
    await pulled.until_state("door", PullState.REFUSED)
    assert word in pulled.reason("door")


async def test_a_wrong_password_is_refused_and_not_repeated(make_pulled: Callable[..., Pulled]) -> None:
    pulled = make_pulled()
    guarded = {"launch": partners.h264(), "user": "admin", "password": "right one"}
    with partners.gst_server({"/ball": guarded}) as server:
        pulled.pull("right", server.url("/ball"), username="admin", password="right one")
        pulled.pull("wrong", server.url("/ball"), username="admin", password="geheim")
        await pulled.until_state("right", PullState.LIVE)
        await pulled.until_state("wrong", PullState.REFUSED)
        assert "401" in pulled.reason("wrong")
        assert "geheim" not in str(pulled.told)


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://10.0.0.1/\r\n\r\n", PullState.REFUSED, "another address"),
        (b"HTTP/1.1 200 OK\r\n\r\n", PullState.REFUSED, "does not speak RTSP"),
        (b"", PullState.RECONNECTING, "without a word"),
        (b"RTSP/1.0 500 Oh\r\nCSeq: 1\r\n\r\n", PullState.RECONNECTING, ""),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 9\r\n\r\nnonsense!", PullState.RECONNECTING, ""),
    ],
)
async def test_strange_answers_are_survived(pulled: Pulled, answer: bytes, state: PullState, word: str) -> None:
    with partners.scripted_rtsp(answer) as url:
        pulled.pull("door", url)
        await pulled.until(lambda: pulled.state("door") in (state, PullState.REFUSED))
        assert word in pulled.reason("door")


async def test_a_frozen_camera_is_stalled_and_live_again_when_it_thaws(
    pulled: Pulled, own_server: partners.GstServer
) -> None:
    pulled.pull("door", own_server.url("/ball"))
    await pulled.until_state("door", PullState.LIVE)
    await pulled.until(lambda: frames(pulled, "door") >= 5)
    own_server.freeze()
    await pulled.until_state("door", PullState.STALLED)
    await pulled.until_state("door", PullState.RECONNECTING)
    own_server.thaw()
    await pulled.until_state("door", PullState.LIVE)


async def test_a_killed_camera_is_live_again_when_it_is_back_even_with_another_codec(
    pulled: Pulled, own_server: partners.GstServer
) -> None:
    pulled.pull("door", own_server.url("/ball"))
    await pulled.until_state("door", PullState.LIVE)
    own_server.kill()
    await pulled.until_state("door", PullState.RECONNECTING)
    own_server.start({"/ball": {"launch": partners.jpeg()}})
    await pulled.until_state("door", PullState.LIVE)
    await pulled.until(lambda: isinstance(pulled.hub.newest["door"], bytes))


async def test_a_stream_whose_pictures_change_their_size_goes_on(pulled: Pulled, tmp_path: Path) -> None:
    """As when somebody changes the profile of a camera: new parameters in the middle of the same stream."""
    film = tmp_path / "changing.h264"
    with film.open("wb") as out:
        for width, height in ((640, 480), (320, 240)):
            coder = av.CodecContext.create("libx264", "w")
            assert isinstance(coder, av.VideoCodecContext)
            coder.width, coder.height, coder.pix_fmt, coder.framerate = width, height, "yuv420p", Fraction(15)
            coder.time_base, coder.options = Fraction(1, 15), {"preset": "ultrafast", "tune": "zerolatency"}
            for number in range(60):
                image = np.full((height, width, 3), 4 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts = number
                out.writelines(bytes(packet) for packet in coder.encode(frame))
            out.writelines(bytes(packet) for packet in coder.encode(None))
    with partners.gst_server({"/film": {"launch": partners.repeated(film)}}) as server:
        pulled.pull("door", server.url("/film"))
        for shape in ((480, 640, 3), (240, 320, 3), (480, 640, 3)):
            await pulled.until(lambda shape=shape: getattr(pulled.hub.newest.get("door"), "shape", None) == shape)
    assert pulled.states("door") == [PullState.CONNECTING, PullState.LIVE]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_reader_that_dies_or_hangs_is_replaced(
    pulled: Pulled, server: partners.GstServer, how: signal.Signals
) -> None:
    pulled.pull("door", server.url("/ball"))
    pulled.pull("yard", server.url("/jpeg"))
    for camera in ("door", "yard"):
        await pulled.until_state(camera, PullState.LIVE)
    (pid,) = pulled.supervisor.reader_pids
    os.kill(pid, how)
    await pulled.until(lambda: pulled.supervisor.reader_pids not in ((pid,), ()))
    for camera in ("door", "yard"):
        await pulled.until_state(camera, PullState.LIVE)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).ppid() != os.getpid()


async def test_another_connection_takes_over_and_gives_back(pulled: Pulled, server: partners.GstServer) -> None:
    pulled.pull("door", server.url("/ball"))
    await pulled.until_state("door", PullState.LIVE)

    class Phone:
        ended = False

        def end(self, code: int, reason: str) -> None:
            self.ended = True

    phone = Phone()
    session = pulled.hub.attach("door", phone)
    assert pulled.state("door") is PullState.OFF
    assert "another connection" in pulled.reason("door")
    before = frames(pulled, "door")
    await pulled.until(lambda: pulled.supervisor.counts()["readers"] == 0)
    assert (phone.ended, frames(pulled, "door")) == (False, before)
    pulled.hub.detach(session, phone)
    await pulled.until_state("door", PullState.LIVE)


async def test_trying_a_camera_shows_what_comes(server: partners.GstServer) -> None:
    good = await try_camera(Order("door", 0, server.url("/ball"), allow_loopback=True))
    assert (good.ok, good.via, good.codec, good.width_px, good.height_px) == (True, "rtsp/tcp", "h264", 640, 480)
    assert good.jpeg_base64
    bad = await try_camera(Order("door", 0, server.url("/nowhere"), allow_loopback=True))
    assert not bad.ok
    assert "404" in bad.reason
    forbidden = await try_camera(Order("door", 0, server.url("/ball")))
    assert "ROLLCALL_PULL__ALLOW_LOOPBACK" in forbidden.reason


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=15, options={"g": "15", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(150):
            image = np.full((240, 320, 3), number, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))
    return path


async def test_a_camera_that_refuses_tcp_is_read_over_udp(pulled: Pulled, recording: Path) -> None:
    with partners.vlc_server(recording) as url:
        pulled.pull("door", url)
        await pulled.until_state("door", PullState.LIVE)
        status = pulled.supervisor.status("door")
        assert status is not None
        assert status.via == "rtsp/udp"
        pulled.pull("tcp", url, transport="tcp")
        await pulled.until_state("tcp", PullState.REFUSED)
        assert "TCP" in pulled.reason("tcp")


async def test_bad_cameras_do_not_harm_the_others_and_nothing_is_left_behind(
    make_pulled: Callable[..., Pulled], own_server: partners.GstServer
) -> None:
    """Ten cameras in two groups; one frozen, one killed, one wrong; then all are removed."""
    import asyncio

    me = psutil.Process()
    before = (len(asyncio.all_tasks()), me.num_fds(), len(me.children()))
    pulled = make_pulled(group_size=5, pace_fps=2.0)
    good = [f"good-{number}" for number in range(7)]
    ball = {"/ball": {"launch": partners.h264()}}
    with partners.gst_server(ball) as second, partners.gst_server(ball) as server:
        for camera in good:
            pulled.pull(camera, server.url("/ball"))
            # GStreamer's server sometimes crashes when several ask for a stream that it still prepares.
            await pulled.until_state(camera, PullState.LIVE)
        pulled.pull("frozen", own_server.url("/ball"))
        pulled.pull("killed", second.url("/ball"))
        pulled.pull("wrong", server.url("/nowhere"))
        await pulled.until(lambda: pulled.supervisor.counts()["live"] == 9)
        assert pulled.supervisor.counts()["readers"] == 2
        own_server.freeze()
        second.kill()
        await pulled.until(lambda: all(PullState.RECONNECTING in pulled.states(c) for c in ("frozen", "killed")))
        counts = {camera: frames(pulled, camera) for camera in good}
        await pulled.until(lambda: all(frames(pulled, camera) >= counts[camera] + 6 for camera in good))
        own_server.thaw()
        second.start()
        await pulled.until(lambda: pulled.supervisor.counts()["live"] == 9)
    assert [pulled.states(camera) for camera in good] == [[PullState.CONNECTING, PullState.LIVE]] * 7
    for camera in (*good, "frozen", "killed", "wrong"):
        pulled.supervisor.remove(camera)
    await pulled.until(lambda: pulled.supervisor.reader_pids == ())
    await pulled.until(lambda: not pulled.supervisor.ending)
    # The supervisor's own task runs on; the server of this test is one more child than before.
    await pulled.until(lambda: (len(asyncio.all_tasks()) - 1, me.num_fds(), len(me.children())) <= before)
