"""What must be kept secret and given out again: passwords of cameras, faces as vectors. AES-256-GCM.

Each is bound to what it belongs to (`context`), so that one cannot be moved to another row. What is sealed begins with
a version and the id of its key: several keys may be in use while one takes the place of another.
"""

import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from storage.cipher import SecretUnreadable
from stream_server.privacy.keys import KEY_BYTES, KEY_ID_BYTES, KeyRing, SecretKeyUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_BYTES", "SecretBox", "SecretKeyUnusable", "SecretUnreadable"]

_NONCE_BYTES = 12
_VERSION_WITHOUT_KEY_ID = b"\x01"
_VERSION = b"\x02"


class SecretBox:
    """Seals and opens bytes and texts; the `storage.cipher.Cipher` of the server."""

    def __init__(self, keys: KeyRing | bytes) -> None:
        """With one key of 32 bytes, or several."""
        self.keys = KeyRing([keys]) if isinstance(keys, bytes) else keys
        self._ciphers: dict[bytes, AESGCM] = {}

    @classmethod
    def from_settings(cls, key: str | None, folder: Path, old_keys: Sequence[str] = ()) -> Self:
        """With the given keys, or those in the file `secret-key` of the data folder. Raises SecretKeyUnusable."""
        return cls(KeyRing.from_settings(key, old_keys, folder))

    @property
    def current_prefix(self) -> bytes:
        """What everything that is sealed now begins with."""
        return _VERSION + self.keys.current[0]

    def subkeys(self, purpose: str) -> tuple[bytes, ...]:
        """32 bytes made of each key for one purpose, of the key in use first: whoever learns one learns nothing of
        the others or of what they are made of. A new key has another: what must outlast that is kept, sealed.
        """
        return tuple(hmac.digest(key, f"rollcall {purpose}".encode(), "sha256") for key in self.keys.all())

    def seal(self, text: str, context: str) -> bytes:
        """The text, encrypted."""
        return self.seal_bytes(text.encode(), context)

    def open(self, sealed: bytes, context: str) -> str:
        """The text again. Raises SecretUnreadable."""
        return self.open_bytes(sealed, context).decode()

    def seal_bytes(self, data: bytes, context: str) -> bytes:
        """The data, encrypted: 33 bytes more than they were."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        key_id, key = self.keys.current
        return _VERSION + key_id + nonce + self._cipher(key).encrypt(nonce, data, context.encode())

    def open_bytes(self, sealed: bytes, context: str) -> bytes:
        """The data again. Raises SecretUnreadable."""
        from cryptography.exceptions import InvalidTag

        candidates, box = self._candidates(sealed)
        for key in candidates:
            try:
                return self._cipher(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], context.encode())
            except (InvalidTag, ValueError):
                continue
        raise SecretUnreadable(
            "something that is kept encrypted cannot be read: its key is not there, or it is damaged",
            hint="give it again, or bring back the old key (ROLLCALL_SECRETS__OLD_KEYS, or the file secret-key)",
        )

    def _candidates(self, sealed: bytes) -> tuple[Sequence[bytes], bytes]:
        version, rest = sealed[:1], sealed[1:]
        if version == _VERSION:
            key = self.keys.find(rest[:KEY_ID_BYTES])
            return ([] if key is None else [key]), rest[KEY_ID_BYTES:]
        return (self.keys.all() if version == _VERSION_WITHOUT_KEY_ID else ()), rest

    def _cipher(self, key: bytes) -> "AESGCM":
        cipher = self._ciphers.get(key)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            cipher = self._ciphers[key] = AESGCM(key)
        return cipher
