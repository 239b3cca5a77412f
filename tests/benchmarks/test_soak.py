from typing import Any

import pytest

from benchmarks.soak import Fault, Soak, Watched

HELD = {"tasks": 19.0, "open_files": 27.0, "memory_mb": 200.0}


def answer(received: int, *, state: str | None = "live", connected: bool = True, **counts: int) -> dict[str, Any]:
    """A camera as the server tells of it."""
    kinds = {"processed": received, "failed": 0, "dropped": 0, "dropped_paced": 0} | counts
    pull = None if state is None else {"state": state, "connects": 1}
    return {"connected": connected, "pull": pull, "frames": {"received": received, **kinds}}


def watched(*answers: dict[str, Any], good: bool = True, **more: Any) -> Watched:
    camera = Watched("door", good, marked=1, **more)
    for second, seen in enumerate(answers):
        camera.see(float(second), seen)
    return camera


def soak(*cameras: Watched, faults: list[Fault] | None = None, after: dict[str, float] | None = None) -> Soak:
    made = [Fault("yard", "killed", 0.2, 1.0)] if faults is None else faults
    return Soak(60.0, 2.0, list(cameras), made, 3, HELD, after or HELD, 210.0)


def test_a_camera_that_goes_on_loses_nothing() -> None:
    whole = watched(answer(5), answer(10), answer(10), answer(15, processed=9, dropped=4))
    assert whole.lost(2.0) == []
    assert soak(whole).failures == []


@pytest.mark.parametrize(
    ("camera", "word"),
    [
        (watched(answer(5), answer(5), answer(5), answer(5)), "no frame for 3.0 s longer than the pace asks"),
        (watched(answer(5), answer(6, state="stalled"), answer(7)), "not live 1 times"),
        (watched(answer(5), answer(6, state=None, connected=False)), "not live 1 times"),
        (watched({**answer(5), "pull": {"state": "live", "connects": 3}}), "opened again 2 times"),
        (watched(answer(9, processed=5)), "4 frames are in no count"),
        (watched(answer(9, processed=12)), "-3 frames are in no count"),
        (watched(answer(9), sent=12, sent_slack=2), "sent 12 frames of which 9 were received"),
        (watched(answer(9), missing=2), "2 of 3 times"),
        (watched(answer(9), problems=["its connection ended"]), "its connection ended"),
    ],
)
def test_whatever_a_camera_loses_is_said(camera: Watched, word: str) -> None:
    (lost,) = camera.lost(2.0)
    assert word in lost
    assert soak(camera).failures == [f"door: {lost}"]
    camera.good = False  # one of those that are broken on purpose
    assert soak(camera).failures == []


@pytest.mark.parametrize(
    ("came", "word"),
    [
        (soak(faults=[]), "too short"),
        (soak(faults=[Fault("yard", "frozen", None, 1.0)]), "frozen and not noticed"),
        (soak(faults=[Fault("yard", "frozen", 1.0, None)]), "frozen and not back"),
        (soak(after=HELD | {"tasks": 20.0}), "left behind: tasks 19 before and 20 after"),
        (soak(after=HELD | {"memory_mb": 213.0}), "memory_mb"),
        (soak(after=HELD | {"open_files": 31.0}), "open_files"),
    ],
)
def test_faults_without_consequence_and_what_is_left_behind_are_failures(came: Soak, word: str) -> None:
    (failure,) = came.failures
    assert word in failure


def test_a_little_memory_and_the_pool_of_connections_are_no_failure() -> None:
    assert soak(after=HELD | {"memory_mb": 211.0, "open_files": 30.0}).failures == []


def test_a_gap_that_the_pace_asks_for_is_none() -> None:
    camera = Watched("door", True)
    for second in range(4):
        camera.see(float(second), answer(5), period_s=2.0)
    assert (camera.longest_gap_s, camera.most_overdue_s) == (3.0, 1.0)
