"""PINs and personal QR codes: made at random, kept as keyed digests, and told once.

There are so few PINs that any digest without a key could be tried out; the key is in the database only as sealed as a
template is. It stays when the key that it is sealed under is changed: nobody gets a new PIN or prints cards anew. A QR
code is a random token with a signature, so that a code of any other kind is turned away without asking the database.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence

from storage import credential_keys
from storage.database import Database
from stream_server.privacy.secrets import SecretBox

PIN_DIGITS = 6
MANY_PINS = 1000
"""With more people than this PINs get two digits more, so that a guess stays as unlikely."""

_PREFIX = "ROLLCALL1."
_TOKEN_BYTES = 16
_SIGNATURE_BYTES = 10


async def load_keys(database: Database, box: SecretBox) -> tuple[bytes, ...]:
    """The keys of PINs and codes, the one in use first. Raises StorageUnavailable.

    There is one, made at the first start or upgrade; one more for each time that nobody could open those that there
    were. Before they were kept they were made of the key then in use: call this before that is changed.
    """
    async with database.acquire() as connection:
        return await credential_keys.load_or_add(connection, box, box.subkeys("credentials"))


class CredentialMaker:
    """Makes PINs and codes, and their digests."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys` as `load_keys` gives them: 32 bytes each, the one in use first."""
        self._keys = tuple(keys)

    def new_pin(self, people: int) -> str:
        """A random PIN for a site where so many people have one."""
        digits = PIN_DIGITS if people < MANY_PINS else PIN_DIGITS + 2
        return f"{secrets.randbelow(10**digits):0{digits}d}"

    def new_code(self) -> str:
        """The text of a new QR code: only signs of the dense alphanumeric mode."""
        token = secrets.token_bytes(_TOKEN_BYTES)
        return _PREFIX + base64.b32encode(token + _signature(self._keys[0], token)).decode().rstrip("=")

    def digests_of_pin(self, pin: str) -> list[bytes]:
        """32 bytes by which a PIN is kept, and then those by which it may have been kept before."""
        return [_digest(key, "pin", pin) for key in self._keys]

    def digest_of_code(self, text: str) -> bytes | None:
        """32 bytes by which the text of a QR code is kept; None when it is none of ours."""
        if not text.startswith(_PREFIX) or len(text) > 100:
            return None
        body = text.removeprefix(_PREFIX)
        try:
            data = base64.b32decode(body + "=" * (-len(body) % 8))
        except ValueError:
            return None
        token, signature = data[:_TOKEN_BYTES], data[_TOKEN_BYTES:]
        for key in self._keys:
            if hmac.compare_digest(signature, _signature(key, token)):
                return _digest(key, "qr", token.hex())
        return None

    def digest(self, purpose: str, text: str) -> bytes:
        """32 bytes that say nothing of the text to whoever has not the key."""
        return _digest(self._keys[0], purpose, text)


def _digest(key: bytes, purpose: str, text: str) -> bytes:
    return hmac.digest(key, f"{purpose}\0{text}".encode(), "sha256")


def _signature(key: bytes, token: bytes) -> bytes:
    return hmac.digest(key, b"signature\0" + token, "sha256")[:_SIGNATURE_BYTES]
