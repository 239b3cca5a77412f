"""Which addresses a camera may have, and where a connection may lead (protection against request forgery, SSRF).

A name is resolved here and not by whoever connects: every address it stands for is checked, and the connection is made
to the address that was checked.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from recognition.errors import RequestError

ADDRESS_MAX = 2000
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

# Where clouds tell a machine its secrets: AWS (also for IPv6), Alibaba, Azure, Oracle, Google over IPv6. Those that
# are link-local too are named all the same, so that no other rule has to hold for them.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd00:ec2::23", "100.100.100.200", "168.63.129.16",
        "192.0.0.192", "fd20:ce::254",
    )
)  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
# Some cameras want the password in the path: rtsp://10.0.0.7/user=admin&password=x&channel=1.
_SECRET = re.compile(r"(?i)((?:^|[?&/;_])(?:pass|passwd|password|pwd|token|secret|key|auth)=)([^&/;]+)")

_RESTART = "set it for the server and start it again"


class AddressInvalid(RequestError):
    """That is no address of a camera."""

    code = "address_invalid"


class AddressNotAllowed(RequestError):
    """The address is one that may not be connected to."""

    code = "address_not_allowed"


class NameUnknown(RequestError):
    """A name cannot be resolved."""

    code = "name_unknown"


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What the site allows. `group` begins the names of the settings that say so."""

    allow_private: bool = False
    allow_loopback: bool = False
    replay_dir: Path | None = None
    group: str = "ROLLCALL_PULL"


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """A parsed address without user and password. `url` is the whole of it; for files it is `file:` and a path."""

    scheme: str
    host: str
    port: int
    url: str

    @property
    def is_file(self) -> bool:
        """Whether it names a file or folder below the replay folder."""
        return self.scheme == "file"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Whom credentials belong to."""
        return self.scheme, self.host, self.port

    def at_ip(self, ip: str, username: str = "", password: str = "") -> str:
        """The address with the host replaced by an IP, and the credentials in it. Secret: only for who connects."""
        parts = urlsplit(self.url)
        login = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username or password else ""
        host = f"[{ip}]" if ":" in ip else ip
        return urlunsplit((parts.scheme, f"{login}{host}:{self.port}", parts.path, parts.query, ""))


def parse(text: str, rules: AddressRules) -> tuple[CameraAddress, str | None, str | None]:
    """An address, and the user and password that stood in it. Raises AddressInvalid and AddressNotAllowed.

    No error repeats the address: it may hold a password.
    """
    if not text or len(text) > ADDRESS_MAX:
        raise AddressInvalid(f"an address has 1 to {ADDRESS_MAX} characters", hint="like rtsp://10.0.0.7/stream2")
    if _UNPRINTABLE.search(text):
        raise AddressInvalid(
            "the address holds a space, a line break, a backslash or another character that no address has",
            hint="percent-encode it (a space is %20)",
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        username, password = parts.username, parts.password
    except ValueError as error:
        raise AddressInvalid("the address cannot be understood", hint="like rtsp://10.0.0.7/stream2") from error
    if parts.scheme == "file":
        _below(parts.path, rules)
        return CameraAddress("file", "", 0, f"file:{parts.path}"), None, None
    if parts.scheme not in DEFAULT_PORTS:
        raise AddressNotAllowed(
            "only rtsp, rtsps, http and https addresses are opened", hint="see docs/how-to/ip-cameras.md"
        )
    if not host or port == 0 or "%" in host:
        raise AddressInvalid("the address names no host and port", hint="like rtsp://10.0.0.7:554/stream2")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise AddressInvalid("the name in the address cannot be one", hint="give the camera's IP") from error
    ip = _literal(host)
    if ip is not None:
        check_ip(ip, rules)
    number = port or DEFAULT_PORTS[parts.scheme]
    netloc = f"[{host}]" if ":" in host else host
    netloc += f":{port}" if port else ""
    url = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
    return (
        CameraAddress(parts.scheme, host, number, url),
        None if username is None else unquote(username),
        None if password is None else unquote(password),
    )


def shown(url: str) -> str:
    """The address as people may see it: passwords in its path or query are replaced by `***`."""
    return _SECRET.sub(r"\1***", url)


def resolve(address: CameraAddress, rules: AddressRules, resolver: Resolver | None = None) -> list[str]:
    """The IPs that the host stands for, all of them allowed. Blocks. Raises AddressNotAllowed, NameUnknown.

    One address that is not allowed refuses the name: who answers so is not to be trusted with the others.
    """
    ip = _literal(address.host)
    try:
        found = [str(ip)] if ip is not None else (resolver or _resolve)(address.host, address.port)
    except OSError as error:
        raise NameUnknown(f"the name {address.host[:80]} cannot be resolved", hint="is it spelled right?") from error
    if not found:
        raise NameUnknown(f"the name {address.host[:80]} has no address", hint="is it spelled right?")
    for text in found:
        check_ip(ipaddress.ip_address(text.partition("%")[0]), rules)
    return found


def check_ip(ip: Ip, rules: AddressRules) -> None:
    """Raises AddressNotAllowed with the reason, and the setting that would allow it if there is one."""
    for inner in _meanings(ip):
        _check(inner, rules)


def file_path(address: CameraAddress, rules: AddressRules) -> Path:
    """The file or folder that a `file:` address names; below the replay folder also after symbolic links."""
    return _below(urlsplit(address.url).path, rules)


def _check(ip: Ip, rules: AddressRules) -> None:
    # Metadata first: some of these are private addresses too.
    if ip in METADATA:
        _refuse("is where a cloud keeps its secrets")
    if ip.is_unspecified or ip.is_multicast or ip in _THIS_NETWORK:
        _refuse("stands for no single machine")
    if ip.is_loopback:
        if not rules.allow_loopback:
            _refuse("is this machine itself", f"{rules.group}__ALLOW_LOOPBACK=true allows it, for tests; {_RESTART}")
        return
    if ip.is_link_local:
        _refuse("is link-local")
    if ip.is_reserved:  # the broadcast address is one of these
        _refuse("is reserved")
    if not ip.is_global and not rules.allow_private:
        _refuse("is in a private network", f"{rules.group}__ALLOW_PRIVATE=true allows the own network; {_RESTART}")


def _refuse(what: str, hint: str = "give another address") -> None:
    raise AddressNotAllowed(f"the address {what}", hint=hint)


def _meanings(ip: Ip) -> list[Ip]:
    """The address itself, and the IPv4 address that an IPv6 address stands for."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if ip.sixtofour is not None:
        return [ip, ip.sixtofour]
    if ip in _NAT64:
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    return [ip]


def _literal(host: str) -> Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(str(error)) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _below(path: str, rules: AddressRules) -> Path:
    if rules.replay_dir is None:
        raise AddressNotAllowed(
            "files are not opened",
            hint="ROLLCALL_PULL__REPLAY_DIR names the folder that recordings may be played from; "
            "set it for the server and start it again",
        )
    root = rules.replay_dir.resolve()
    wanted = (root / unquote(path)).resolve()
    if not wanted.is_relative_to(root):
        raise AddressNotAllowed("the file is not below the replay folder", hint="write file:name.mp4")
    return wanted
