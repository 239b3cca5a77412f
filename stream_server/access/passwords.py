"""Passwords: argon2id, one at a time in a thread of its own, so that the memory of one hash is all that is ever needed.

The defaults are the least that the OWASP Password Storage Cheat Sheet recommends for argon2id: 19 MiB, two passes, one
lane. The library is loaded with the first password.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from recognition.errors import RequestError, UnavailableError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

LENGTH_MAX = 256
WAITING_MAX = 16
# Long enough, and the first that anybody tries.
_COMMON = frozenset(
    (
        *("1234567890", "0123456789", "12345678910", "123456789012", "1q2w3e4r5t", "1qaz2wsx3edc", "qwertyuiop"),
        *("qwerty12345", "password123", "password1234", "passwordpassword", "iloveyou123", "administrator"),
        *("letmein123", "welcome123", "changeme123", "rollcall123"),
    )
)


class PasswordTooWeak(RequestError):
    """A new password would be guessed."""

    code = "password_too_weak"


class PasswordsBusy(UnavailableError):
    """More people sign in at this moment than are let wait."""

    code = "sign_in_busy"


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self, *, memory_kib: int, passes: int, length_min: int) -> None:
        self._memory_kib = memory_kib
        self._passes = passes
        self._length_min = length_min
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password")
        self._waiting = 0
        self._hasher: PasswordHasher | None = None
        self._nobodys: str | None = None

    def close(self) -> None:
        """Let the thread end when it has done what it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check_strength(self, password: str, login: str) -> None:
        """Raises PasswordTooWeak for what is too short, one of the commonest, or made of the login."""
        plain = _normal(password).casefold()
        if len(plain) < self._length_min:
            raise PasswordTooWeak(
                f"a password has at least {self._length_min} characters", hint="several words make a good one"
            )
        rest = plain.replace(login.casefold(), "") if len(login) > 2 else plain
        if plain in _COMMON or len(set(plain)) < 4 or len(rest) < self._length_min // 2:
            raise PasswordTooWeak("that password would be guessed", hint="several words make a good one")

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises PasswordsBusy."""
        return await self._run(lambda: self._argon2().hash(_normal(password)))

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one of the hash. Nobody's password (None) takes as long to be wrong.

        Raises PasswordsBusy.
        """
        return await self._run(lambda: self._matches(kept, _normal(password)))

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with other settings than those of now."""
        return self._argon2().check_needs_rehash(kept)

    def _matches(self, kept: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            # Always verified, against nobody's hash if need be: time must not tell who has an account.
            return self._argon2().verify(kept or self._nobody(), password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    def _nobody(self) -> str:
        if self._nobodys is None:
            self._nobodys = self._argon2().hash("nobody has this password")
        return self._nobodys

    def _argon2(self) -> "PasswordHasher":
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(time_cost=self._passes, memory_cost=self._memory_kib, parallelism=1)
        return self._hasher

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise PasswordsBusy("many people sign in at this moment", hint="try again in a moment")
        self._waiting += 1
        future = self._thread.submit(work)
        # A client that goes away leaves its work behind: it counts until it is done.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda done: self._done(loop, done))
        return await asyncio.wrap_future(future)

    def _done(self, loop: asyncio.AbstractEventLoop, _: "Future[T]") -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self._waiting -= 1


def _normal(password: str) -> str:
    # The same password typed on another keyboard may come as other code points (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)
