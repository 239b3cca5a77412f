"""HTTP cameras of every kind, read by a real reader process."""

import base64
import subprocess
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from stream_server.ingest.pull.state import PullState
from tests.partners import http_cameras as partners
from tests.stream_server.ingest.pull.conftest import Pulled

JPEG = partners.picture()


@pytest.mark.parametrize("lengths", [True, False])
async def test_the_pictures_of_an_mjpeg_stream_come_as_they_are(pulled: Pulled, lengths: bool) -> None:
    with partners.http_camera({"/video": partners.mjpeg(JPEG, lengths=lengths)}) as url:
        pulled.pull("door", f"{url}/video")
        await pulled.until(lambda: pulled.hub.frames.get("door", 0) >= 3)
        assert pulled.hub.newest["door"] == JPEG
        status = pulled.supervisor.status("door")
        assert status is not None
        assert (status.state, status.via, status.codec) == (PullState.LIVE, "http/mjpeg", "JPEG")
        assert status.last_frame_age_s is not None


async def test_a_snapshot_is_asked_for_again_and_again(pulled: Pulled) -> None:
    with partners.http_camera({"/snap.jpg": partners.snapshot(JPEG)}) as url:
        pulled.pull("door", f"{url}/snap.jpg")
        await pulled.until(lambda: pulled.hub.frames.get("door", 0) >= 3)
        assert pulled.hub.newest["door"] == JPEG


@pytest.mark.parametrize("kind", ["basic", "digest"])
async def test_credentials_are_given_as_the_camera_asks_for_them(pulled: Pulled, kind: str) -> None:
    then = partners.snapshot(JPEG)
    guarded = (
        partners.basic(base64.b64encode(b"user:pass").decode(), then)
        if kind == "basic"
        else partners.digest("user", "pass", then)
    )
    with partners.http_camera({"/snap": guarded}) as url:
        pulled.pull("right", f"{url}/snap", username="user", password="pass")
        pulled.pull("wrong", f"{url}/snap", username="user", password="geheim")
        pulled.pull("none", f"{url}/snap")
        await pulled.until_state("right", PullState.LIVE)
        for camera in ("wrong", "none"):
            await pulled.until_state(camera, PullState.REFUSED)
            assert "401" in pulled.reason(camera)
            assert "geheim" not in pulled.reason(camera)


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (partners.status(403), PullState.REFUSED, "403"),
        (partners.status(404), PullState.REFUSED, "404"),
        (partners.status(500), PullState.RECONNECTING, "500"),
        (partners.endless_header, PullState.RECONNECTING, "never ends"),
        (partners.silence, PullState.RECONNECTING, "in time"),
        (partners.status(302, Location="http://10.0.0.1/"), PullState.REFUSED, "private network"),
        (partners.status(302, Location="http://169.254.169.254/latest"), PullState.REFUSED, "secrets"),
        (partners.status(302, Location="file:///etc/passwd"), PullState.REFUSED, "files are not opened"),
        (partners.status(302, Location="rtsp://8.8.8.8/"), PullState.REFUSED, "not HTTP"),
        (partners.status(302, Location="/x"), PullState.REFUSED, "from one address to the next"),
        (partners.status(200, Content_Type="text/html"), PullState.REFUSED, "text/html"),
        (partners.snapshot(partners.picture(1, 7680, 4320)), PullState.REFUSED, "7680x4320"),
        (partners.snapshot(b"\xff" * (2**20 + 1)), PullState.REFUSED, "longer"),
        (partners.snapshot(b"no picture"), PullState.RECONNECTING, "no JPEG"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_says_why(
    pulled: Pulled, answer: partners.Answer, state: PullState, word: str
) -> None:
    with partners.http_camera({"/x": answer}) as url:
        pulled.pull("door", f"{url}/x")
        await pulled.until_state("door", state)
        assert word in pulled.reason("door")
        assert pulled.hub.frames == {}


async def test_a_password_does_not_follow_a_redirect_to_another_machine(pulled: Pulled) -> None:
    seen: list[str | None] = []

    def note(handler: partners.Handler) -> None:
        seen.append(handler.headers.get("Authorization"))
        handler.say(401, WWW_Authenticate='Basic realm="x"')

    with (
        partners.http_camera({"/": note}) as other,
        partners.http_camera({"/": partners.status(302, Location=f"{other}/")}) as url,
    ):
        pulled.pull("door", f"{url}/", username="user", password="pass")
        await pulled.until_state("door", PullState.REFUSED)
        assert seen == [None]


async def test_a_camera_that_falls_silent_is_stalled_then_opened_anew(pulled: Pulled) -> None:
    pause = threading.Event()
    with partners.http_camera({"/video": partners.mjpeg(JPEG, pause=pause)}) as url:
        pulled.pull("door", f"{url}/video")
        await pulled.until_state("door", PullState.LIVE)
        pause.set()
        await pulled.until_state("door", PullState.RECONNECTING)
        pause.clear()
        await pulled.until_state("door", PullState.LIVE)
        assert pulled.states("door") == [
            PullState.CONNECTING,
            PullState.LIVE,
            PullState.STALLED,
            PullState.RECONNECTING,
            PullState.LIVE,
        ]


def make_hls(folder: Path) -> None:
    """A playlist of two segments of H.264 in MPEG-TS."""
    with av.open(str(folder / "live.m3u8"), "w", format="hls", options={"hls_time": "1", "hls_list_size": "0"}) as out:
        stream = out.add_stream("libx264", rate=10, options={"g": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(40):
            image = np.full((240, 320, 3), number * 6, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))


async def test_hls_is_played_in_real_time(pulled: Pulled, tmp_path: Path) -> None:
    make_hls(tmp_path)
    answers = {f"/{path.name}": partners.file(path) for path in tmp_path.iterdir()}
    answers["/live.m3u8"] = partners.file(tmp_path / "live.m3u8", "application/vnd.apple.mpegurl")
    with partners.http_camera(answers) as url:
        pulled.pull("door", f"{url}/live.m3u8")
        await pulled.until(lambda: pulled.hub.frames.get("door", 0) >= 8)
        assert pulled.hub.newest["door"].shape == (240, 320, 3)
        status = pulled.supervisor.status("door")
        assert status is not None
        assert (status.via, status.codec) == ("http/hls", "h264")


async def test_the_parts_of_an_hls_stream_may_not_lead_elsewhere(pulled: Pulled) -> None:
    for number, part in enumerate(("http://10.0.0.1/x.ts", "file:///etc/passwd", "crypto+http://10.0.0.1/x.ts")):
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{part}\n#EXT-X-ENDLIST\n".encode()

        def answer(handler: partners.Handler, playlist: bytes = playlist) -> None:
            handler.say(200, playlist, Content_Type="application/x-mpegurl")

        with partners.http_camera({"/x.m3u8": answer}) as url:
            camera = f"door-{number}"
            pulled.pull(camera, f"{url}/x.m3u8")
            await pulled.until_state(camera, PullState.REFUSED, PullState.RECONNECTING)
            assert pulled.hub.frames == {}


async def test_recordings_and_folders_are_played_over_and_over(pulled: Pulled, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(partners.picture(number))
    with av.open(str(tmp_path / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(8):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="bgr24")))
        out.mux(stream.encode(None))
    for camera, url in (("pictures", "file:pictures"), ("clip", "file:clip.mp4")):
        pulled.pull(camera, url, replay_dir=str(tmp_path))
    pulled.pull("missing", "file:missing.mp4", replay_dir=str(tmp_path))
    await pulled.until(lambda: all(pulled.hub.frames.get(camera, 0) >= 6 for camera in ("pictures", "clip")))
    await pulled.until_state("missing", PullState.REFUSED)
    assert pulled.state("clip") is PullState.LIVE


def test_a_reader_imports_little() -> None:
    """It is one more process on a machine with little memory."""
    program = "import sys, stream_server.ingest.pull.reader; print(*sys.modules)"
    import sys

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"av", "httpx", "fastapi", "pydantic", "cv2", "onnxruntime", "asyncio"})
