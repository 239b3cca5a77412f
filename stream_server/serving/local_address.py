"""Where the server of a data folder is to be found: the file `address`, which it keeps there while it runs.

The first line is the server's own address on this machine, the second, if there is one, that for phones in the network.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from stream_server.settings import Settings

FILE = "address"


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """Base URLs such as `https://127.0.0.1:8000`; `phones` is None where phones are given no address of their own."""

    local: str
    phones: str | None = None


class AddressFile:
    """Says where this server is, for the commands of the same data folder."""

    def __init__(self, data_dir: Path, address: LocalAddress) -> None:
        self._path = data_dir / FILE
        self._text = f"{address.local}\n{address.phones or ''}".rstrip("\n") + "\n"

    def write(self) -> None:
        """Write it, at once and as a whole. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f"{FILE}.{os.getpid()}")
        part.write_text(self._text)
        part.replace(self._path)

    def remove(self) -> None:
        """Take it away, unless another server has written its own since."""
        try:
            if self._path.read_text() == self._text:
                self._path.unlink()
        except (OSError, UnicodeDecodeError):
            return  # a command that finds an old address says that nobody answers there

    def written_before(
        self, then: Callable[[], Awaitable[None]], warn: Callable[[str], None]
    ) -> Callable[[], Awaitable[None]]:
        """Something that writes it and then does `then`; `warn` hears why it cannot be written."""

        async def write_first() -> None:
            try:
                self.write()
            except OSError as error:  # the server is of use without it
                warn(f"commands must be given --server: {self._path} cannot be written: {error.strerror}")
            await then()

        return write_first


def address_of(settings: Settings) -> LocalAddress:
    """That of the running server of this data folder; without one, where the settings would have it listen."""
    try:
        lines = (settings.data_dir / FILE).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    if lines and lines[0].startswith(("http://", "https://")):
        return LocalAddress(lines[0], lines[1] if len(lines) > 1 and lines[1] else None)
    scheme = "http" if settings.https.cert is None else "https"
    return LocalAddress(f"{scheme}://127.0.0.1:{settings.http.port or 8000}")
