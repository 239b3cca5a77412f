"""The invitation: the address of the camera page as a QR code, with a pairing code that opens it already paired.

The code stands behind the `#`, which browsers keep to themselves: it reaches neither a server's log nor a proxy.
"""

import asyncio
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from stream_server.settings.access import PhoneSettings

if TYPE_CHECKING:
    from stream_server.access.pairing import IssuedCode

CAMERA_PATH = "/camera"


class PairingCodes(Protocol):
    """Gives out pairing codes."""

    async def issue(self, camera_id: str, name: str) -> "IssuedCode":
        """A new code, which can be used once."""


class Invitation:
    """Shows people how a phone comes to this server."""

    def __init__(
        self,
        settings: PhoneSettings,
        *,
        codes: PairingCodes,
        say: Callable[[str], None] | None = None,
        is_terminal: bool | None = None,
    ) -> None:
        """`say` prints a text; by default to standard error, which is asked whether it is a terminal."""
        self._settings = settings
        self._codes = codes
        self.say = say or _to(sys.stderr)
        terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
        # A log is kept, and read by others: a code in it would let them in.
        self._shows_code = settings.show_code == "always" or (settings.show_code == "auto" and terminal)

    async def show(self, address: str, *notes: str) -> None:
        """Print the address, a QR code for it, and `notes` below. UnavailableError while there can be no code."""
        another = f"rollcall devices pair {self._settings.camera} --address {address}"
        lines = [f"\nPhones reach Rollcall at {address}"]
        if self._shows_code:
            issued = await self._codes.issue(self._settings.camera, self._settings.name)
            link = pairing_link(address, issued.code)
            # 40 ms for a terminal that may be slow: not on the event loop.
            lines += [await asyncio.to_thread(qr_text, link), f"  {link}"]
            lines.append(
                f"  for one phone, as camera {self._settings.camera}, until {issued.expires_at:%H:%M} UTC; "
                f"another code: {another}"
            )
        else:
            lines.append(f"  a code for a phone: {another}")
        self.say("\n".join([*lines, *(f"  {note}" for note in notes)]))


def pairing_link(address: str, code: str) -> str:
    """The camera page that is paired with the code; `address` is that of the server."""
    return f"{address.rstrip('/')}{CAMERA_PATH}#code={code}"


def qr_text(link: str) -> str:
    """A QR code of half blocks for a terminal, in colours of its own: not all readers take one light on dark."""
    import segno  # loaded where it is used: 4 MB

    text = io.StringIO()
    segno.make_qr(link, error="m").terminal(text, border=2, compact=True)
    return "".join(f"\x1b[97;40m{line}\x1b[0m\n" for line in text.getvalue().splitlines())


def _to(stream: TextIO) -> Callable[[str], None]:
    def say(text: str) -> None:
        print(text, file=stream, flush=True)

    return say
