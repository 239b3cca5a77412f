"""How many connections there may be: in all, from one client, and of requests from one visitor of the tunnel."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from recognition.errors import UnavailableError
from stream_server.access.attempts import source_of

# Of all connections, these are kept for this machine: its operator gets in while others take what they can.
_RESERVED = 16
# Connections that are only told that there is no room; more are cut without a word.
TURNED_AWAY_MAX = 64


class TooManyConnections(UnavailableError):
    """No room for one more connection."""

    code = "too_many_connections"


class Places:
    """So many places for each name at one time. Holds no more names than places are taken."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Take a place; False when all of this name's are taken."""
        taken = self._taken.get(name, 0)
        if taken >= self._each:
            return False
        self._taken[name] = taken + 1
        return True

    def give_back(self, name: str) -> None:
        """Give back a place that was taken."""
        left = self._taken[name] - 1
        if left:
            self._taken[name] = left
        else:
            del self._taken[name]


@dataclass(slots=True)
class Admission:
    """Decides on a new connection. `turned_away` are those that are being told so."""

    in_all: int
    from_one: int
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    turned_away: set[object] = field(default_factory=set)

    def refusal(
        self, client: tuple[str, int] | None, connections: Iterable[Any], *, by_tunnel: bool
    ) -> TooManyConnections | None:
        """Why there is no room, if there is none. `connections` are those there are, each with its `client`.

        All that comes by the tunnel is from this machine, and all that comes by a proxy from there: their visitors are
        told apart by what they ask, not here.
        """
        clients = [connection.client for connection in connections]
        reserved = 0 if by_tunnel or _is_here(client) else min(_RESERVED, self.in_all // 8)
        if len(clients) >= self.in_all - reserved:
            return TooManyConnections(
                f"{len(clients)} connections are open already",
                hint="try again in a moment, or raise ROLLCALL_HTTP__MAX_CONNECTIONS",
            )
        if not by_tunnel and client is not None and not is_within(client, self.proxies):
            source = _source(client[0])
            if sum(other is not None and _source(other[0]) == source for other in clients) >= self.from_one:
                return from_one_client(self.from_one)
        return None


def is_within(client: tuple[str, int] | None, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether a client's address is one of these networks."""
    if not networks or client is None:
        return False
    try:
        address = ip_address(client[0].partition("%")[0])
    except ValueError:  # a Unix socket has no address
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def from_one_client(places: int) -> TooManyConnections:
    """The error for a client that has them all."""
    return TooManyConnections(
        f"this address has {places} connections already",
        hint="close some, or raise ROLLCALL_HTTP__MAX_CONNECTIONS_PER_CLIENT",
    )


@lru_cache(maxsize=1024)
def _source(host: str) -> str:
    return source_of((host, 0))


def _is_here(client: tuple[str, int] | None) -> bool:
    if client is None:
        return True
    try:
        return ip_address(client[0].partition("%")[0]).is_loopback
    except ValueError:
        return False
