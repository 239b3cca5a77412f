import pytest

from stream_server.ingest.pull.life import Patience, PullLife, Todo
from stream_server.ingest.pull.state import PullState

PATIENCE = Patience(stall_after_s=3.0, retry_first_s=0.5, retry_max_s=2.0, refused_retry_s=30.0, hung_after_s=20.0)


@pytest.fixture
def changes() -> list[tuple[PullState, str]]:
    return []


@pytest.fixture
def life(changes: list[tuple[PullState, str]]) -> PullLife:
    return PullLife(PATIENCE, lambda: 1.0, lambda state, reason: changes.append((state, reason)))


def live(life: PullLife, at: float = 0.0) -> PullLife:
    life.start(at)
    life.opening(at)
    life.on_frame(at)
    return life


def test_a_camera_that_is_switched_on_is_opened_at_once(life: PullLife) -> None:
    assert life.look(0.0) is Todo.NOTHING
    life.start(0.0)
    assert (life.state, life.look(0.0)) == (PullState.CONNECTING, Todo.OPEN)
    assert life.opening(0.0) == 1
    assert life.look(1.0) is Todo.NOTHING
    life.on_frame(1.0)
    assert (life.state, life.connects, life.frames) == (PullState.LIVE, 1, 1)


def test_a_camera_is_stalled_when_nothing_comes_and_live_when_something_does(life: PullLife) -> None:
    live(life)
    assert life.look(2.9) is Todo.NOTHING
    assert life.state is PullState.LIVE
    life.look(3.1)
    assert (life.state, life.reason) == (PullState.STALLED, "nothing has come for 3.1 s")
    life.on_frame(4.0)
    assert (life.state, life.reason, life.connects) == (PullState.LIVE, "", 1)


def test_packets_without_pictures_that_are_wanted_keep_a_camera_live(life: PullLife) -> None:
    live(life)
    for at in range(1, 30):
        life.on_word(float(at), silent_s=0.1, progress=True)
        life.look(float(at))
    assert life.state is PullState.LIVE


def test_a_camera_that_was_lost_is_tried_again_ever_less_often(life: PullLife) -> None:
    live(life)
    waits, now = [], 10.0
    for _ in range(5):
        life.on_end(now, "cut", refused=False)
        assert life.retry_mono is not None
        waits.append(life.retry_mono - now)
        assert life.look(life.retry_mono - 0.01) is Todo.NOTHING
        now = life.retry_mono
        assert life.look(now) is Todo.OPEN
        life.opening(now)
    assert waits == [0.5, 1.0, 2.0, 2.0, 2.0]
    life.on_frame(now)
    life.on_end(now, "cut", refused=False)
    assert life.retry_mono == now + 0.5


def test_the_dice_take_up_to_half_of_a_wait() -> None:
    assert [PATIENCE.wait_s(2, dice) for dice in (0.0, 0.5, 1.0)] == [0.5, 0.75, 1.0]
    assert PATIENCE.wait_s(10_000, 1.0) == 2.0


def test_a_refusal_is_tried_again_slowly_and_told_once(life: PullLife, changes: list[tuple[PullState, str]]) -> None:
    life.start(0.0)
    for at in (0.0, 30.0, 60.0):
        assert life.look(at) is Todo.OPEN
        life.opening(at)
        life.on_end(at, "401", refused=True)
        assert life.look(at + 29.0) is Todo.NOTHING
    assert changes == [(PullState.CONNECTING, ""), (PullState.REFUSED, "401")]


def test_a_camera_that_cannot_be_opened_as_it_is_is_not_tried(life: PullLife) -> None:
    life.refuse("its password cannot be read")
    assert life.state is PullState.REFUSED
    assert life.look(1e9) is Todo.NOTHING


def test_a_reader_that_is_stuck_is_to_be_killed(life: PullLife) -> None:
    live(life)
    for at in range(1, 20):
        life.on_word(float(at), silent_s=float(at), progress=False)
        assert life.look(float(at)) is Todo.NOTHING
    life.on_word(20.5, silent_s=20.5, progress=False)
    assert life.look(20.5) is Todo.KILL


def test_a_camera_that_is_switched_off_stays_off(life: PullLife, changes: list[tuple[PullState, str]]) -> None:
    live(life)
    life.stop("another")
    life.stop("")
    assert life.look(1e9) is Todo.NOTHING
    assert [state for state, _ in changes] == [PullState.CONNECTING, PullState.LIVE, PullState.OFF]
    life.start(5.0)
    assert life.look(5.0) is Todo.OPEN


def test_the_time_in_which_nobody_listened_does_not_count(life: PullLife) -> None:
    live(life)
    life.excuse(25.0, 24.0)
    assert (life.look(25.0), life.state) == (Todo.NOTHING, PullState.LIVE)
    life.look(27.1)
    assert life.state is PullState.STALLED
    assert life.look(44.1) is Todo.KILL


def test_what_was_heard_meanwhile_is_not_put_into_the_future(life: PullLife) -> None:
    live(life)
    life.on_frame(24.9)
    life.excuse(25.0, 24.0)
    life.look(28.1)
    assert life.state is PullState.STALLED
