"""PINs and personal QR codes: made at random, kept as keyed digests, and told once.

There are so few PINs that any digest without a key could be tried out; the key is not in the database. A QR code is a
random token with a signature, so that a code of any other kind is turned away without asking the database.
"""

import base64
import hmac
import secrets

from stream_server.secrets import SecretBox

PIN_DIGITS = 6
MANY_PINS = 1000
"""With more people than this PINs get two digits more, so that a guess stays as unlikely."""

_PREFIX = "ROLLCALL1."
_TOKEN_BYTES = 16
_SIGNATURE_BYTES = 10


class CredentialMaker:
    """Makes PINs and codes, and their digests."""

    def __init__(self, box: SecretBox) -> None:
        self._key = box.subkey("credentials")

    def new_pin(self, people: int) -> str:
        """A random PIN for a site where so many people have one."""
        digits = PIN_DIGITS if people < MANY_PINS else PIN_DIGITS + 2
        return f"{secrets.randbelow(10**digits):0{digits}d}"

    def new_code(self) -> str:
        """The text of a new QR code: only signs of the dense alphanumeric mode."""
        token = secrets.token_bytes(_TOKEN_BYTES)
        return _PREFIX + base64.b32encode(token + self._signature(token)).decode().rstrip("=")

    def digest_of_pin(self, pin: str) -> bytes:
        """32 bytes by which a PIN is found again."""
        return self.digest("pin", pin)

    def digest_of_code(self, text: str) -> bytes | None:
        """The same for the text of a QR code; None when it is none of ours."""
        if not text.startswith(_PREFIX) or len(text) > 100:
            return None
        body = text.removeprefix(_PREFIX)
        try:
            data = base64.b32decode(body + "=" * (-len(body) % 8))
        except ValueError:
            return None
        token, signature = data[:_TOKEN_BYTES], data[_TOKEN_BYTES:]
        if not hmac.compare_digest(signature, self._signature(token)):
            return None
        return self.digest("qr", token.hex())

    def digest(self, purpose: str, text: str) -> bytes:
        """32 bytes that say nothing of the text to whoever has not the key."""
        return hmac.digest(self._key, f"{purpose}\0{text}".encode(), "sha256")

    def _signature(self, token: bytes) -> bytes:
        return hmac.digest(self._key, b"signature\0" + token, "sha256")[:_SIGNATURE_BYTES]
