"""The names and addresses by which others in the network may reach this machine."""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

IpAddress = IPv4Address | IPv6Address

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PRIVATE_NETWORKS = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
                 "fc00::/7", "::1/128")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """`names` are DNS names and `addresses` IP addresses, the ones to tell people first."""

    names: tuple[str, ...]
    addresses: tuple[IpAddress, ...]


def this_machine(more_names: tuple[str, ...] = ()) -> Machine:
    """What the system says of itself, and `more_names`."""
    return Machine(names=names_of(socket.gethostname(), more_names), addresses=local_addresses())


def names_of(host: str, more_names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """`room5`, `room5.local` (which phones resolve by mDNS), and localhost. A name that is none in DNS is left out."""
    whole = host.lower().rstrip(".")
    first = whole.partition(".")[0]
    wanted = (*more_names, f"{first}.local", first, whole, "localhost")
    return tuple(dict.fromkeys(name for name in wanted if is_dns_name(name)))


def is_dns_name(name: str) -> bool:
    """Whether a certificate can be for that name."""
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))


def local_addresses() -> tuple[IpAddress, ...]:
    """Addresses of the network cards, the one that leads out first, loopback last.

    Addresses for one link only, and public IPv6 addresses, which change by the day, are left out.
    """
    import ifaddr

    found: dict[IpAddress, None] = {}
    outward = _outward()
    if outward is not None:
        found[outward] = None
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if not address.is_link_local and (address.version == 4 or is_private(address)):
                found[address] = None
    return tuple(sorted(found, key=lambda address: (address.is_loopback, address != outward, address.version)))


def is_private(address: IpAddress) -> bool:
    """Whether it lies in a network that anybody may use at home."""
    return any(address in network for network in PRIVATE_NETWORKS if network.version == address.version)


def _outward() -> IpAddress | None:
    """The address that packets to elsewhere would carry. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of the range for documents: it is nobody's
        except OSError:
            return None
        address = ip_address(probe.getsockname()[0])
    return None if address.is_unspecified or address.is_loopback else address
