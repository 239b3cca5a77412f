"""A file that only a passphrase opens: the container of a gallery's backup.

    magic (16 bytes) | length of the head (4, big endian) | head (JSON) | pieces

The key comes from the passphrase by scrypt (RFC 7914), with the salt and cost of the head. Each piece is its length
(4, big endian) and AES-256-GCM of up to 64 KiB. The nonce is a random prefix (7 bytes), the number of the piece (4) and
one byte that is 1 for the last: pieces cannot be swapped, left out or cut off unnoticed (the STREAM construction, Hoang
et al., 2015, as age and Tink use it). The head is authenticated with every piece.
"""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from recognition.errors import RequestError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"rollcall-gallery"
VERSION = 1
PIECE_BYTES = 64 * 1024
PASSPHRASE_MIN = 12
# 64 MB and about 0.2 s; OWASP's recommendation for scrypt is twice that cost, half of it is its older minimum.
SCRYPT_COST = {"n": 2**16, "r": 8, "p": 1}
_SCRYPT_MAX = {"n": 2**20, "r": 16, "p": 4}
_SCRYPT_MEMORY_MAX = 64 * 2**20
_HEAD_MAX_BYTES = 4096
_TAG_BYTES = 16


class BackupUnusable(RequestError):
    """A backup cannot be read: another kind of file, another passphrase, or damaged."""

    code = "backup_unusable"


class PassphraseUnusable(RequestError):
    """A passphrase that protects nothing."""

    code = "passphrase_unusable"


@dataclass(frozen=True, slots=True)
class _Head:
    salt: bytes
    nonce_prefix: bytes
    cost: dict[str, int]

    @classmethod
    def new(cls) -> Self:
        return cls(secrets.token_bytes(16), secrets.token_bytes(7), dict(SCRYPT_COST))

    def encoded(self) -> bytes:
        content = {
            "version": VERSION,
            "kdf": "scrypt",
            "cipher": "AES-256-GCM",
            "salt": base64.b64encode(self.salt).decode(),
            "nonce_prefix": base64.b64encode(self.nonce_prefix).decode(),
            **self.cost,
        }
        return json.dumps(content).encode()

    @classmethod
    def decoded(cls, text: bytes) -> Self:
        try:
            content: dict[str, Any] = json.loads(text)
            if content["version"] != VERSION:
                raise BackupUnusable(
                    f"the backup has the version {content['version']!r}, this Rollcall reads {VERSION}",
                    hint="read it with the Rollcall that wrote it, or a newer one",
                )
            cost = {name: int(content[name]) for name in SCRYPT_COST}
            # Whoever made the file chooses the cost: it must not use up this machine.
            if content["kdf"] != "scrypt" or any(not 1 <= cost[name] <= _SCRYPT_MAX[name] for name in cost):
                raise _damaged()
            if 128 * cost["n"] * cost["r"] > _SCRYPT_MEMORY_MAX:
                raise _damaged()
            head = cls(base64.b64decode(content["salt"]), base64.b64decode(content["nonce_prefix"]), cost)
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged() from error
        if len(head.nonce_prefix) != 7 or cost["n"] & (cost["n"] - 1) or cost["n"] < 2:
            raise _damaged()
        return head

    def cipher(self, passphrase: str) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        return AESGCM(Scrypt(salt=self.salt, length=32, **self.cost).derive(passphrase.encode()))

    def nonce(self, number: int, *, last: bool) -> bytes:
        return self.nonce_prefix + number.to_bytes(4, "big") + bytes([last])


def checked_passphrase(text: str) -> str:
    """The passphrase without a line break at its end. Raises PassphraseUnusable."""
    passphrase = text.rstrip("\r\n")
    if len(passphrase) < PASSPHRASE_MIN:
        raise PassphraseUnusable(
            f"the passphrase has fewer than {PASSPHRASE_MIN} characters", hint="for example: openssl rand -base64 24"
        )
    return passphrase


class SealedWriter:
    """Writes lines into such a file. `close` ends it; without that it can never be read."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        self._file = file
        self._head = _Head.new()
        self._cipher = self._head.cipher(passphrase)
        self._aad = self._head.encoded()
        self._number = 0
        self._waiting = bytearray()
        file.write(MAGIC + len(self._aad).to_bytes(4, "big") + self._aad)

    def line(self, content: dict[str, Any]) -> None:
        """Add one JSON object."""
        self._waiting += json.dumps(content, ensure_ascii=False).encode() + b"\n"
        while len(self._waiting) > PIECE_BYTES:  # not >=: the last piece must hold something
            self._write(bytes(self._waiting[:PIECE_BYTES]), last=False)
            del self._waiting[:PIECE_BYTES]

    def close(self) -> None:
        """Write what is left, as the last piece."""
        self._write(bytes(self._waiting), last=True)

    def _write(self, piece: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(self._head.nonce(self._number, last=last), piece, self._aad)
        self._file.write(len(sealed).to_bytes(4, "big") + sealed)
        self._number += 1


def sealed_lines(file: BinaryIO, passphrase: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of such a file. Raises BackupUnusable, at the latest at the end: believe nothing before."""
    if file.read(len(MAGIC)) != MAGIC:
        raise BackupUnusable("this is no backup of a gallery", hint="`rollcall gallery export` writes one")
    aad = _exactly(file, _length(file, _HEAD_MAX_BYTES))
    head = _Head.decoded(aad)
    cipher = head.cipher(passphrase)
    rest, number = b"", 0
    while True:
        sealed = _exactly(file, _length(file, PIECE_BYTES + _TAG_BYTES))
        last = _at_end(file)
        *lines, rest = (rest + _opened(cipher, head.nonce(number, last=last), sealed, aad, number)).split(b"\n")
        number += 1
        yield from map(_object, lines)
        if last:
            break
    if rest:
        raise _damaged()


def _opened(cipher: "AESGCM", nonce: bytes, sealed: bytes, aad: bytes, number: int) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, sealed, aad)
    except InvalidTag:
        if number == 0:
            raise BackupUnusable(
                "the backup cannot be opened", hint="another passphrase, or the file is damaged"
            ) from None
        raise _damaged() from None


def _object(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise _damaged() from error
    if not isinstance(content, dict):
        raise _damaged()
    return content


def _length(file: BinaryIO, most: int) -> int:
    length = int.from_bytes(_exactly(file, 4), "big")
    if not 0 < length <= most:
        raise _damaged()
    return length


def _exactly(file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) != count:
        raise _damaged()
    return content


def _at_end(file: BinaryIO) -> bool:
    if file.read(1):
        file.seek(-1, 1)
        return False
    return True


def _damaged() -> BackupUnusable:
    return BackupUnusable("the backup is cut short or damaged", hint="use another copy; nothing was changed")
