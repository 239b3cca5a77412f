"""Secrets that must be kept and given out again, such as passwords of cameras: AES-256-GCM under one key.

Each is bound to what it belongs to (`context`), so that one cannot be moved to another row.
"""

import base64
import binascii
import hmac
import os
import secrets
from pathlib import Path
from typing import Self

from recognition.errors import RequestError, UnavailableError

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class SecretKeyUnusable(UnavailableError):
    """The key cannot be read or made."""

    code = "secret_key_unusable"


class SecretUnreadable(RequestError):
    """A kept secret was sealed under another key, or is damaged."""

    code = "secret_unreadable"


class SecretBox:
    """Seals and opens texts."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes, expected {KEY_BYTES}")
        self._key = key

    @classmethod
    def from_settings(cls, key: str | None, folder: Path) -> Self:
        """With the given key (base64 of 32 bytes), or the one in the file `secret-key` of the data folder.

        The file, readable by its owner only, is made when it is not there. Raises SecretKeyUnusable.
        """
        path = folder / "secret-key"
        where = "ROLLCALL_SECRETS__KEY" if key is not None else str(path)
        try:
            text = key if key is not None else _kept(path)
            return cls(base64.b64decode(text, validate=True))
        except (OSError, ValueError, binascii.Error) as error:
            raise SecretKeyUnusable(
                f"the key in {where} cannot be used",
                hint="it must be 32 bytes as base64 (`openssl rand -base64 32`), in a file that the server may read",
            ) from (error if isinstance(error, OSError) else None)

    def subkey(self, purpose: str) -> bytes:
        """32 bytes of another key, for one purpose: whoever learns it learns nothing of this one or of others."""
        return hmac.digest(self._key, f"rollcall {purpose}".encode(), "sha256")

    def seal(self, text: str, context: str) -> bytes:
        """The text, encrypted."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._key).encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """The text again. Raises SecretUnreadable."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, box = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise ValueError
            return AESGCM(self._key).decrypt(nonce, box, context.encode()).decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable(
                "a kept password cannot be read: it was sealed under another key",
                hint="give it again, or bring back the old ROLLCALL_SECRETS__KEY or secret-key file",
            ) from None


def _kept(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process was faster
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    return text
