from contextlib import suppress

import pytest

from recognition.errors import RequestError, UnavailableError
from stream_server.access.attempts import AttemptLimit, TooManyAttempts, attempt, source_of


class Wrong(RequestError):
    code = "wrong"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    return clock


def let_through(limit: AttemptLimit, source: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            limit.take(source)
        except TooManyAttempts:
            continue
        count += 1
    return count


def test_one_source_is_let_through_so_often_and_no_oftener(clock: Clock) -> None:
    limit = AttemptLimit("tests", in_all=100, from_one=3)
    assert let_through(limit, "a", 50) == 3
    assert let_through(limit, "b", 50) == 3


def test_all_sources_together_have_a_limit_which_refused_attempts_do_not_use_up(clock: Clock) -> None:
    limit = AttemptLimit("tests", in_all=5, from_one=3)
    assert let_through(limit, "a", 1000) == 3
    assert sum(let_through(limit, f"source-{number}", 3) for number in range(100)) == 2


def test_it_says_when_to_try_again_and_means_it(clock: Clock) -> None:
    limit = AttemptLimit("tests", in_all=100, from_one=1)
    limit.take("a")
    clock.now += 20
    with pytest.raises(TooManyAttempts) as refused:
        limit.take("a")
    assert 39 <= refused.value.retry_after_s <= 41
    assert str(refused.value.retry_after_s) in refused.value.hint
    clock.now += refused.value.retry_after_s
    limit.take("a")


def test_an_attempt_counts_against_all_of_its_sources_or_none(clock: Clock) -> None:
    limit = AttemptLimit("tests", in_all=100, from_one=2)
    limit.take("address", "account")
    limit.take("address", "other account")
    with pytest.raises(TooManyAttempts):
        limit.take("address", "account")
    limit.take("another address", "account")
    with pytest.raises(TooManyAttempts):
        limit.take("a third address", "account")


def test_who_was_right_is_not_counted_and_the_wrong_guesses_before_stay(clock: Clock) -> None:
    limit = AttemptLimit("tests", in_all=5, from_one=3)
    for _ in range(20):
        limit.take("a")
        limit.give_back("a")
    assert let_through(limit, "a", 2) == 2
    limit.take("a")
    limit.give_back("a")
    assert let_through(limit, "a", 5) == 1


def test_an_attempt_is_counted_by_all_limits_or_by_none(clock: Clock) -> None:
    by_address, by_account = (
        AttemptLimit("tests", in_all=100, from_one=3),
        AttemptLimit("tests", in_all=100, from_one=1),
    )
    with pytest.raises(Wrong), attempt((by_address, "here"), (by_account, "ada"), wrong=Wrong):
        raise Wrong("wrong")
    for _ in range(10):
        with pytest.raises(TooManyAttempts), attempt((by_address, "here"), (by_account, "ada"), wrong=Wrong):
            raise AssertionError
    assert let_through(by_address, "here", 10) == 2


@pytest.mark.parametrize("error", [None, UnavailableError("away"), KeyError("a defect")])
def test_only_a_wrong_guess_stays_counted(clock: Clock, error: Exception | None) -> None:
    limit = AttemptLimit("tests", in_all=5, from_one=2)
    for _ in range(20):
        with suppress(UnavailableError, KeyError), attempt((limit, "here"), wrong=Wrong):
            if error is not None:
                raise error
    for _ in range(2):
        with pytest.raises(Wrong), attempt((limit, "here"), wrong=Wrong):
            raise Wrong("wrong")
    with pytest.raises(TooManyAttempts):
        limit.check("here")


def test_what_is_given_back_after_the_window_is_no_credit(clock: Clock) -> None:
    limit = AttemptLimit("tests", in_all=100, from_one=2)
    limit.take("a")
    clock.now += 61
    limit.give_back("a")
    assert let_through(limit, "a", 5) == 2


def test_a_flood_of_sources_is_not_remembered(clock: Clock) -> None:
    limit = AttemptLimit("tests", in_all=10, from_one=3)
    for number in range(5000):
        let_through(limit, f"source-{number}", 1)
    storage, _ = limit._loaded()
    for kept in ("storage", "expirations", "locks"):
        assert len(getattr(storage, kept)) <= 11, kept
    clock.now += 61
    let_through(limit, "later", 1)


@pytest.mark.parametrize(
    ("client", "source"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("::ffff:192.0.2.7", 4711), "192.0.2.7"),
        (("2001:db8:1:2:aaaa::1", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:bbbb::9", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("testclient", 1), "testclient"),
        (None, "unknown"),
    ],
)
def test_what_counts_as_one_source(client: tuple[str, int] | None, source: str) -> None:
    assert source_of(client) == source
