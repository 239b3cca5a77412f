"""How often a secret may be guessed: in all, and from one source. Kept in memory, by each server for itself."""

import math
import time
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from recognition.errors import RequestError

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter

# The prefix that one household or phone has.
_IPV6_SITE_BITS = 64


class TooManyAttempts(RequestError):
    """It was tried too often; `retry_after_s` says when to try again."""

    code = "too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("this was tried too often", hint=f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class AttemptLimit:
    """Lets so many attempts through in any `window_s`, from all sources together and from one.

    Sources are remembered only for attempts that the limit over all lets through: it bounds the memory, too.
    """

    def __init__(self, *, in_all: int, from_one: int, window_s: int = 60) -> None:
        self._in_all = in_all
        self._from_one = from_one
        self._window_s = window_s
        self._limiter: MovingWindowRateLimiter | None = None

    def take(self, *sources: str) -> None:
        """Count one attempt. Raises TooManyAttempts, and then counts nothing."""
        from limits import RateLimitItemPerSecond

        limiter = self._strategy()
        whole = RateLimitItemPerSecond(self._in_all, self._window_s)
        part = RateLimitItemPerSecond(self._from_one, self._window_s)
        for item, key in ((whole, ""), *((part, source) for source in sources)):
            if not limiter.test(item, key):
                raise TooManyAttempts(max(1, math.ceil(limiter.get_window_stats(item, key).reset_time - time.time())))
        limiter.hit(whole, "")
        for source in sources:
            limiter.hit(part, source)

    def forgive(self, source: str) -> None:
        """Forget the attempts of a source that has shown to be the right one."""
        from limits import RateLimitItemPerSecond

        self._strategy().clear(RateLimitItemPerSecond(self._from_one, self._window_s), source)

    def _strategy(self) -> "MovingWindowRateLimiter":
        if self._limiter is None:
            from limits.storage import MemoryStorage
            from limits.strategies import MovingWindowRateLimiter

            self._limiter = MovingWindowRateLimiter(MemoryStorage())
        return self._limiter


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
