from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pytest

from recognition.errors import UnavailableError
from stream_server.access.pairing import IssuedCode
from stream_server.access.phones import Invitation, pairing_link, qr_text
from stream_server.settings.access import PhoneSettings

ADDRESS = "https://example.ngrok-free.app"
COLOURS, PLAIN = "\x1b[97;40m", "\x1b[0m"
LINK = f"{ADDRESS}/camera#code=7KQ2-M9XD"


class Codes:
    """Gives out one code."""

    def __init__(self) -> None:
        self.issued: list[tuple[str, str]] = []
        self.error: Exception | None = None

    async def issue(self, camera_id: str, name: str) -> IssuedCode:
        self.issued.append((camera_id, name))
        if self.error is not None:
            raise self.error
        return IssuedCode(UUID(int=1), "7KQ2-M9XD", datetime(2026, 11, 23, 9, 30, tzinfo=UTC))


async def shown(codes: Codes, *notes: str, terminal: bool = True, **settings: Any) -> str:
    said: list[str] = []
    invitation = Invitation(PhoneSettings(**settings), codes=codes, say=said.append, is_terminal=terminal)
    await invitation.show(ADDRESS, *notes)
    return "\n".join(said)


def read_qr(text: str) -> str:
    """What a phone's camera reads from the blocks on a terminal."""
    lines = [line[len(COLOURS) : -len(PLAIN)] for line in text.splitlines() if line.startswith(COLOURS)]
    assert all(line for line in lines if line and set(line) <= set(" ▀▄█"))
    rows = []
    for line in lines:
        # Light ink on dark ground: a full block is two light modules.
        rows.append([char in "█▀" for char in line])
        rows.append([char in "█▄" for char in line])
    picture = np.where(np.array(rows), 255, 0).astype(np.uint8)
    picture = cv2.copyMakeBorder(cv2.resize(picture, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST),
                                 24, 24, 24, 24, cv2.BORDER_CONSTANT, value=255)  # fmt: skip
    return str(cv2.QRCodeDetector().detectAndDecode(picture)[0])


def test_the_qr_code_can_be_read() -> None:
    text = qr_text(LINK)
    assert read_qr(text) == LINK
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= 60 + len(COLOURS + PLAIN)  # fits any terminal
    # White on black, whatever the terminal's colours are: turned round, many phones do not read it.
    assert all(line.startswith(COLOURS) and line.endswith(PLAIN) for line in lines)


@pytest.mark.parametrize("address", [ADDRESS, ADDRESS + "/"])
def test_a_link_is_the_camera_page_with_the_code_where_no_server_sees_it(address: str) -> None:
    assert pairing_link(address, "7KQ2-M9XD") == LINK


async def test_on_a_terminal_the_code_is_shown_and_opens_the_camera_page_paired() -> None:
    codes = Codes()
    text = await shown(codes, "used: nothing", camera="phone-1", name="Room 5")
    assert codes.issued == [("phone-1", "Room 5")]
    assert read_qr(text) == LINK
    assert f"  {LINK}\n" in text
    assert "until 09:30 UTC" in text
    assert text.endswith("  used: nothing")


@pytest.mark.parametrize(("terminal", "show_code"), [(False, "auto"), (True, "never")])
async def test_in_a_log_stands_the_address_and_no_code(terminal: bool, show_code: str) -> None:
    codes = Codes()
    text = await shown(codes, terminal=terminal, show_code=show_code)
    assert ADDRESS in text
    assert "7KQ2" not in text
    assert codes.issued == []
    assert "rollcall devices pair" in text


async def test_whoever_reads_the_log_by_themselves_may_have_the_code_there() -> None:
    assert LINK in await shown(Codes(), terminal=False, show_code="always")


async def test_that_there_can_be_no_code_now_is_the_callers_to_say() -> None:
    codes = Codes()
    codes.error = UnavailableError("the database is away")
    with pytest.raises(UnavailableError):
        await shown(codes)
