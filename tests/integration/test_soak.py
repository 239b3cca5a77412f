"""A short soak of a few cameras; `python -m benchmarks soak` runs ten for ten minutes."""

from pathlib import Path

import pytest

from benchmarks.soak import soak
from tests.partners.webrtc_client import needs_address

pytestmark = [needs_address, pytest.mark.timeout(300)]


async def test_cameras_of_every_kind_lose_nothing_while_others_break_and_nothing_is_left_of_them(
    models_dir: Path,
) -> None:
    came = await soak(
        models_dir,
        minutes=0.4,
        good=("rtsp-tcp", "mjpeg", "websocket", "webrtc"),
        bad=("rtsp-tcp", "mjpeg"),
        gap_max_s=10.0,  # other tests use the machine too
    )
    assert came.failures == []
    assert {fault.how for fault in came.faults} >= {"killed", "silent"}
    assert sum(camera.marked for camera in came.cameras) >= 4
