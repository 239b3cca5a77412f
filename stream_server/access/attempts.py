"""How often a secret may be guessed: in all, and from one source. Kept in memory, by each server for itself;
`shared_attempts` adds what all servers on a database count.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from recognition.errors import RequestError

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter

# The prefix that one household or phone has.
_IPV6_SITE_BITS = 64


class TooManyAttempts(RequestError):
    """It was tried too often; `retry_after_s` says when to try again."""

    code = "too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("this was tried too often", hint=f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class AttemptLimit:
    """Lets so many wrong guesses through in `window_s`, from all sources together and from one.

    An attempt counts when it is made, so that many at once are no way around, and is given back when it turns out to
    be right: a school whose teachers all sign in at eight, from one address, is no attack. Sources are remembered only
    for attempts that the limit over all lets through: it bounds the memory, too.
    """

    def __init__(self, name: str, *, in_all: int, from_one: int, window_s: int = 60) -> None:
        """`name` is the same on all servers, and no other limit's."""
        self.name = name
        self.in_all = in_all
        self.from_one = from_one
        self.window_s = window_s
        self._kept: tuple[MemoryStorage, FixedWindowRateLimiter] | None = None

    def check(self, *sources: str) -> None:
        """Raises TooManyAttempts where `take` would; counts nothing."""
        _, limiter = self._loaded()
        for item, key in self._counted(sources):
            if not limiter.test(item, key):
                raise TooManyAttempts(max(1, math.ceil(limiter.get_window_stats(item, key).reset_time - time.time())))

    def take(self, *sources: str) -> None:
        """Count one attempt. Raises TooManyAttempts, and then counts nothing."""
        self.check(*sources)
        _, limiter = self._loaded()
        for item, key in self._counted(sources):
            limiter.hit(item, key)

    def give_back(self, *sources: str) -> None:
        """Take one attempt back: it was no guess."""
        storage, _ = self._loaded()
        for item, key in self._counted(sources):
            if storage.get(item.key_for(key)):  # the window may be over
                storage.decr(item.key_for(key))

    def _counted(self, sources: tuple[str, ...]) -> list[tuple["RateLimitItem", str]]:
        from limits import RateLimitItemPerSecond

        whole = RateLimitItemPerSecond(self.in_all, self.window_s, namespace="in all")
        part = RateLimitItemPerSecond(self.from_one, self.window_s, namespace="from one")
        return [(whole, ""), *((part, source) for source in sources)]

    def _loaded(self) -> tuple["MemoryStorage", "FixedWindowRateLimiter"]:
        if self._kept is None:
            from limits.storage import MemoryStorage
            from limits.strategies import FixedWindowRateLimiter

            storage = MemoryStorage()
            self._kept = storage, FixedWindowRateLimiter(storage)
        return self._kept


@contextmanager
def attempt(*limits: tuple[AttemptLimit, str], wrong: type[RequestError]) -> Iterator[None]:
    """One attempt: counted by every limit, each for its source, or by none; only a `wrong` one stays counted.

    What fails for another reason, such as a database that is away, was no guess. Raises TooManyAttempts.
    """
    for limit, source in limits:
        limit.check(source)
    for limit, source in limits:
        limit.take(source)
    try:
        yield
    except wrong:
        raise
    except Exception:
        _give_back(limits)
        raise
    else:
        _give_back(limits)


def _give_back(limits: tuple[tuple[AttemptLimit, str], ...]) -> None:
    for limit, source in limits:
        limit.give_back(source)


def source_of(client: tuple[str, int] | None) -> str:
    """What counts as one source: the address, or the network of an IPv6 address."""
    if client is None:
        return "unknown"
    try:
        address = ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0][:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> (128 - _IPV6_SITE_BITS) << (128 - _IPV6_SITE_BITS))}/{_IPV6_SITE_BITS}"
    return str(address)
