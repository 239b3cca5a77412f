"""Wrong tokens: how many came, in the log, and how often the owner's token may be guessed."""

import logging
import time
from collections.abc import Callable

from stream_server.access.attempts import AttemptLimit

log = logging.getLogger("rollcall.auth")

LINE_EVERY_S = 60.0
GUESSES_IN_ALL = 10_000
GUESSES_FROM_ONE = 20


class WrongTokens:
    """Counts them, without keeping them.

    Only the owner's token may be somebody's own invention, and only guesses at it are limited: all other credentials
    are 256 random bits, and a phone whose access was ended must not shut out its whole network by trying again.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._guesses = AttemptLimit("owner token", in_all=GUESSES_IN_ALL, from_one=GUESSES_FROM_ONE)
        self._any_guess = False
        self._unsaid = 0
        self._said_at: float | None = None

    def check_guess(self, source: str, *, is_right: bool) -> None:
        """Count one attempt at the owner's token. Raises TooManyAttempts, also for a right one from such a source."""
        if is_right and not self._any_guess:
            return  # nobody has guessed yet: the usual case costs nothing
        self._any_guess = True
        self._guesses.take(source)
        if is_right:
            self._guesses.give_back(source)

    def note(self) -> None:
        """Count a request that came with a wrong token; now and then a line in the log says how many."""
        self._unsaid += 1
        now = self._now()
        if self._said_at is None or now - self._said_at >= LINE_EVERY_S:
            log.warning("%d requests came with a wrong token since this was last said", self._unsaid)
            self._unsaid, self._said_at = 0, now
