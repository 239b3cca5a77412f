import asyncio
import sys

import pytest

from benchmarks.peers import transport
from benchmarks.peers.process import PeerFailed, PeerProcess, runner
from benchmarks.peers.transport import Load, Passage, figures, measured


def receiver(script: str) -> PeerProcess:
    return PeerProcess(script, [sys.executable, str(runner(script))])


@pytest.mark.integration
@pytest.mark.parametrize("script", ["websockets_peer.py", "rollcall_receiver.py"])
def test_a_receiver_takes_all_frames_and_tells_its_processor_time(script: str) -> None:
    with receiver(script) as process:
        passages = measured(process, int(process.hear()["port"]), bytes(60_000), Load(30, 3, 1))
        assert process.ask(do="tell")["frames"] == 33 * transport.CAMERAS
    assert passages["flood"].fps > passages["paced"].fps > 10
    assert all(passage.cpu_ms > 0 for passage in passages.values())


@pytest.mark.integration
def test_frames_that_are_lost_on_the_way_are_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async def half(port: int, jpeg: bytes, frames: int, fps: float | None) -> float:
        await asyncio.sleep(0)
        return 1.0

    monkeypatch.setattr(transport, "_send", half)
    with receiver("websockets_peer.py") as process, pytest.raises(PeerFailed, match="received 0 frames of 8"):
        measured(process, int(process.hear()["port"]), b"x", Load(2, 1, 1))


def test_the_ratio_is_to_the_base_in_the_same_round() -> None:
    base = [{name: Passage(100.0, cpu) for name in ("flood", "paced")} for cpu in (1.0, 3.0)]
    own = [{name: Passage(200.0, cpu) for name in ("flood", "paced")} for cpu in (0.5, 1.5)]
    assert figures(own, base)["flood"] == {"fps": 200.0, "cpu_ms_per_frame": 1.0, "cpu_ratio": 0.5}
