"""What storage needs in order to keep things encrypted: somebody who has the keys. Storage itself has none."""

from typing import Protocol

from recognition.errors import UnavailableError


class SecretUnreadable(UnavailableError):
    """Something kept was sealed under a key that is not there, or is damaged. No fault of who asks."""

    code = "secret_unreadable"


class Cipher(Protocol):
    """Seals and opens bytes. `context` says what they belong to: sealed for one row, they open as no other's."""

    @property
    def current_prefix(self) -> bytes:
        """What everything that is sealed now begins with; what begins otherwise is to be sealed anew."""

    def seal_bytes(self, data: bytes, context: str) -> bytes:
        """The data, encrypted."""

    def open_bytes(self, sealed: bytes, context: str) -> bytes:
        """The data again. Raises SecretUnreadable."""
