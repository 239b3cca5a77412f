"""The way back to a camera, whatever transport it comes by."""

from typing import Protocol

from stream_server.messages.wire import AttendanceNotice, ErrorNotice, Faces, Pace


class CameraSink(Protocol):
    """The way back to a camera. No method may block."""

    @property
    def dropped(self) -> int:
        """Messages that were not sent because the camera reads too slowly."""

    def show(self, faces: Faces) -> None:
        """Show the faces of a frame; only the newest matter."""

    def tell(self, message: Pace | AttendanceNotice | ErrorNotice) -> None:
        """Send a message that should not be lost."""

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""
