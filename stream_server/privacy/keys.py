"""The keys that secrets are sealed under: one in use, and old ones that may still open what was sealed before.

A key is known by an id made from it, so that what is sealed can say which key it needs without telling anything of it.
"""

import base64
import binascii
import contextlib
import hashlib
import logging
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from recognition.errors import RequestError, UnavailableError

log = logging.getLogger("rollcall.keys")

KEY_BYTES = 32
KEY_ID_BYTES = 4
_FILE = "secret-key"


class SecretKeyUnusable(UnavailableError):
    """A key cannot be read or made."""

    code = "secret_key_unusable"


class KeysAreSet(RequestError):
    """The keys come from the environment; only who sets them there can change them."""

    code = "keys_are_set"


def key_id(key: bytes) -> bytes:
    """Four bytes that tell keys apart."""
    return hashlib.blake2b(key, digest_size=KEY_ID_BYTES, person=b"rollcall-key-id").digest()


class KeyRing:
    """The key in use and the old ones: given, or kept in the file `secret-key` of the data folder, a line each.

    The file is looked at again when it has changed, so that a running server follows `rollcall db rotate-key`.
    """

    def __init__(self, keys: Sequence[bytes], *, path: Path | None = None) -> None:
        """`keys` have 32 bytes each, the one in use first; `path` is the file that they are kept in, if any."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._path = path
        self._seen = None if path is None else _version(path)
        self._take(keys)

    @classmethod
    def from_settings(cls, key: str | None, old_keys: Sequence[str], folder: Path, *, make: bool = True) -> Self:
        """The given keys (base64 of 32 bytes), or those in the file, which may be made when it is not there.

        Raises SecretKeyUnusable.
        """
        path = folder / _FILE
        if key is None:
            kept = _read_or_make(path) if make else _read(path)
            _warn_if_open(path)
            given = _decoded(old_keys, "ROLLCALL_SECRETS__OLD_KEYS")
            return cls([*kept, *(old for old in given if old not in kept)], path=path)
        current = _decoded([key], "ROLLCALL_SECRETS__KEY")
        return cls([*current, *_decoded(old_keys, "ROLLCALL_SECRETS__OLD_KEYS")])

    @property
    def current(self) -> tuple[bytes, bytes]:
        """Id and key of the one in use. Raises SecretKeyUnusable when the file has come to hold no key: what would be
        sealed now could be lost with the next start.
        """
        self._look_again()
        return self._current

    def find(self, wanted: bytes) -> bytes | None:
        """The key with this id; None when it is not known."""
        if wanted not in self._by_id:
            self._look_again_if_usable()
        return self._by_id.get(wanted)

    def all(self) -> tuple[bytes, ...]:
        """Every key, the one in use first."""
        self._look_again_if_usable()
        return tuple(self._by_id.values())

    def problem(self) -> str:
        """What is wrong with the file that the keys are kept in; empty when nothing is. Names no path: /readyz tells
        it to everybody.
        """
        if self._path is None:
            return ""
        if _version(self._path) is None:
            return "the file secret-key is gone: bring it back before the server is started again"
        try:
            self._look_again()
        except SecretKeyUnusable:
            return "the file secret-key cannot be used as a key: nothing can be encrypted until it is mended"
        return ""

    @property
    def path(self) -> Path | None:
        """The file that the keys are kept in; None when they are given."""
        return self._path

    def written_s_ago(self, now: float) -> float:
        """How long ago, at the time `now` since the epoch, the file was written; 0 when that cannot be told."""
        seen = None if self._path is None else _version(self._path)
        return 0.0 if seen is None else max(0.0, now - seen[0] / 1e9)

    def add_new(self) -> None:
        """Make a new key and use it from now on; the others stay as old ones. Raises KeysAreSet, SecretKeyUnusable."""
        self._look_again()
        self._write([secrets.token_bytes(KEY_BYTES), *self.all()])

    def forget_old(self) -> int:
        """Keep only the key in use; returns how many are gone. Raises KeysAreSet, SecretKeyUnusable."""
        self._look_again()
        keys = self.all()
        self._write(keys[:1])
        return len(keys) - 1

    def _take(self, keys: Sequence[bytes]) -> None:
        self._by_id = {key_id(key): key for key in keys}
        self._current = key_id(keys[0]), keys[0]

    def _look_again(self) -> None:
        if self._path is None:
            return
        seen = _version(self._path)
        # A file that is away for a moment takes no key from a server that has read it.
        if seen is not None and seen != self._seen:
            kept = _read(self._path)
            self._seen = seen
            self._take([*kept, *(key for key in self._by_id.values() if key not in kept)])

    def _look_again_if_usable(self) -> None:
        # What was sealed must be opened all the same: consent that is taken back has to reach the gallery.
        with contextlib.suppress(SecretKeyUnusable):
            self._look_again()

    def _write(self, keys: Sequence[bytes]) -> None:
        if self._path is None:
            raise KeysAreSet(
                "the keys come from ROLLCALL_SECRETS__KEY and ROLLCALL_SECRETS__OLD_KEYS",
                hint="set the new key there, and the one before as an old key",
            )
        new = self._path.with_name(f"{_FILE}.new")
        try:
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.writelines(_encoded(key) + "\n" for key in keys)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise _unusable(str(self._path)) from error
        self._seen = _version(self._path)
        self._take(keys)


def _warn_if_open(path: Path) -> None:
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            log.warning("others on this machine may read the keys in %s (mode %o): chmod 600 it", path, mode)


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _read_or_make(path: Path) -> list[bytes]:
    if path.exists():
        return _read(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and linked: who comes second finds a whole key, and not a file that is still empty.
        new = path.with_name(f"{_FILE}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(_encoded(secrets.token_bytes(KEY_BYTES)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            pass
        finally:
            new.unlink()
    except OSError as error:
        raise _unusable(str(path)) from error
    return _read(path)


def _read(path: Path) -> list[bytes]:
    try:
        lines = path.read_text().split()
    except (OSError, ValueError) as error:
        raise _unusable(str(path)) from (error if isinstance(error, OSError) else None)
    keys = _decoded(lines, str(path))
    if not keys:
        raise _unusable(str(path))
    return keys


def _decoded(texts: Sequence[str], where: str) -> list[bytes]:
    try:
        keys = [base64.b64decode(text, validate=True) for text in texts]
    except (ValueError, binascii.Error):
        raise _unusable(where) from None
    if any(len(key) != KEY_BYTES for key in keys):
        raise _unusable(where)
    return keys


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _unusable(where: str) -> SecretKeyUnusable:
    return SecretKeyUnusable(
        f"the key in {where} cannot be used",
        hint="it must be 32 bytes as base64 (`openssl rand -base64 32`), in a file that the server may read",
    )
