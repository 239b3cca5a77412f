import logging

import pytest

from stream_server.access.attempts import TooManyAttempts
from stream_server.access.wrong_tokens import GUESSES_FROM_ONE, LINE_EVERY_S, WrongTokens


def test_guesses_are_limited_by_source_also_when_one_is_right_at_last() -> None:
    wrong = WrongTokens()
    wrong.check_guess("a", is_right=True)
    for _ in range(GUESSES_FROM_ONE):
        wrong.check_guess("a", is_right=False)
    for is_right in (False, True):
        with pytest.raises(TooManyAttempts):
            wrong.check_guess("a", is_right=is_right)
    for _ in range(GUESSES_FROM_ONE * 3):
        wrong.check_guess("b", is_right=True)


def test_wrong_tokens_are_one_line_a_minute_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    wrong = WrongTokens(now=lambda: now)
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            wrong.note()
        now += LINE_EVERY_S
        wrong.note()
    assert [record.getMessage().split()[0] for record in caplog.records] == ["1", "50"]
