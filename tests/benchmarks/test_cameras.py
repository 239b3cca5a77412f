import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cameras
from benchmarks.cameras import measure, receiver
from tests.partners import rtsp_cameras


@pytest.mark.integration
async def test_the_receiver_takes_a_camera_and_tells_what_became_of_it() -> None:
    with rtsp_cameras.gst_server({"/cam": {"launch": rtsp_cameras.h264()}}) as server:
        async with receiver() as there:
            await there.do(do="pull", camera="door", url=server.url("/cam"))
            await there.hear(camera="door", state="live")
            told = await there.tell()
            while told["frames"]["processed"] < 5:
                told = await there.tell()
            assert told["live"] == 1
            assert told["rss_mb"] > 10
            assert len(told["readers"]) == 1
            assert (await there.cores(0.2) or 0.0) >= 0.0


def test_what_is_not_installed_is_left_out_and_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def missing(_: Any) -> Iterator[None]:
        raise rtsp_cameras.PartnerMissing("GStreamer is not installed")
        yield

    async def no_webrtc(*_: Any) -> list[Any]:
        raise unittest.SkipTest("no address")

    monkeypatch.setattr(rtsp_cameras, "gst_server", missing)
    monkeypatch.setattr(cameras, "_webrtc", no_webrtc)
    done: list[float] = []
    assert measure(Path(), quick=True, advance=done.append) == []
    said = capsys.readouterr().err
    assert "RTSP is left out: GStreamer is not installed" in said
    assert "WebRTC is left out: no address" in said
    assert done == [0.5, 1.0]
