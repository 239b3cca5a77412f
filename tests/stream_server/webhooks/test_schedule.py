from datetime import UTC, datetime, timedelta

import pytest

from stream_server.webhooks.schedule import STEPS_S, next_attempt, why_disable

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_the_waits_grow_and_the_last_one_comes_again() -> None:
    waits = [(next_attempt(NOON, n, retry_after_s=None, jitter=0) - NOON).total_seconds() for n in range(1, 12)]
    assert waits == [*STEPS_S, STEPS_S[-1], STEPS_S[-1]]


def test_chance_spreads_attempts_over_a_fifth_of_the_wait() -> None:
    waits = {(next_attempt(NOON, 2, retry_after_s=None) - NOON).total_seconds() for _ in range(50)}
    assert len(waits) > 10
    assert all(300 <= wait <= 360 for wait in waits)


@pytest.mark.parametrize(("asked", "wait"), [(2.0, 5), (60.0, 60), (1e9, 86_400)])
def test_a_receiver_may_ask_for_more_time_but_not_for_ever(asked: float, wait: float) -> None:
    assert next_attempt(NOON, 1, retry_after_s=asked, jitter=0) == NOON + timedelta(seconds=wait)


def test_a_webhook_is_switched_off_after_long_failure_or_when_its_receiver_is_gone() -> None:
    long_ago = NOON - timedelta(hours=72)
    assert "72 hours" in why_disable(NOON, long_ago, 500, 72)
    assert why_disable(NOON, long_ago + timedelta(seconds=1), 500, 72) == ""
    assert why_disable(NOON, None, None, 72) == ""
    assert "410" in why_disable(NOON, None, 410, 72)
