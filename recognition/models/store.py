"""The model folder as the server sees it: a name in, a verified file out.

A file is handed out only when its size and sha256 are the pinned ones of `packs.toml`, or those that a
build on this machine tested and wrote down (see `accept`). Light on purpose: the server imports nothing
else of this package.
"""

import hashlib
import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from recognition.errors import ModelError
from recognition.types import LandmarkLayout

YUNET = "yunet_n_dynamic.onnx"
BLAZEFACE = "blazeface_256.onnx"
FACE_RECOGNITION_FP32 = "face_recognition_fp32.onnx"
FACE_RECOGNITION_INT8 = "face_recognition_int8.onnx"

_ACCEPTED = "accepted.json"
_OWN_KEYS = {"sha256", "size_bytes", "instead_of"}
_BUILD_HINT = "Run `rollcall models build`."


class Role(StrEnum):
    """What a file is for."""

    DETECTOR = "detector"
    EMBEDDER = "embedder"
    PHOTOGRAPH = "photograph"


class Recipe(StrEnum):
    """How a file is made; `recognition.models.build` follows it."""

    DOWNLOAD = "download"
    COPY = "copy"
    BLAZEFACE = "blazeface"
    FACE_RECOGNITION_FP32 = "face_recognition_fp32"
    FACE_RECOGNITION_INT8 = "face_recognition_int8"


class FileState(StrEnum):
    """What is found in the folder under a file's name."""

    OK = "ok"
    MISSING = "missing"
    TRUNCATED = "truncated"
    WRONG_DIGEST = "wrong digest"


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package, pinned. `integrity` is `sha512-` and the base64 digest of the archive."""

    name: str
    version: str
    integrity: str
    licence: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of the model folder. `size_bytes` and `sha256` are those of the finished file.

    It comes from `members` of `package`, or from `url`. An `optional` file may be absent.
    """

    name: str
    title: str
    role: Role
    recipe: Recipe
    licence: str
    size_bytes: int
    sha256: str
    package: Package | None = None
    members: tuple[str, ...] = ()
    url: str | None = None
    optional: bool = False
    input: str | None = None
    output: str | None = None
    metric: str | None = None
    landmarks: LandmarkLayout | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Where it comes from, for people to read."""
        return self.url or f"{self.package}: {', '.join(self.members)}"


@dataclass(frozen=True, slots=True)
class Pack:
    """All files by name, in the order in which they are built."""

    files: Mapping[str, ModelFile]


@cache
def load_pack() -> Pack:
    """The pack described by `packs.toml`."""
    return parse_pack(files(__package__).joinpath("packs.toml").read_text("utf-8"))


def parse_pack(text: str) -> Pack:
    """A pack from TOML; KeyError, TypeError or ValueError when the text is not a pack."""
    document = tomllib.loads(text)
    packages = {key: Package(**entry) for key, entry in document.get("packages", {}).items()}
    return Pack({name: _model_file(name, entry, packages) for name, entry in document["files"].items()})


def _model_file(name: str, entry: dict[str, Any], packages: Mapping[str, Package]) -> ModelFile:
    converted = {
        "role": Role(entry["role"]),
        "recipe": Recipe(entry["recipe"]),
        "package": packages[entry["package"]] if "package" in entry else None,
        "members": tuple(entry.get("members", ())),
        "landmarks": LandmarkLayout(entry["landmarks"]) if "landmarks" in entry else None,
    }
    return ModelFile(name=name, **{**entry, **converted})


class ModelStore:
    """The model folder. Files are hashed when first asked for, and again when they change. Thread-safe."""

    def __init__(self, folder: Path, pack: Pack | None = None) -> None:
        self.folder = folder
        self.pack = pack or load_pack()
        # By name: what the file system said of the file when it was hashed, and the digest.
        self._hashed: dict[str, tuple[tuple[int, int], str]] = {}

    def path(self, name: str) -> Path:
        """The path of a verified file.

        ModelError `model_missing`, `model_truncated`, `model_wrong_digest`, `model_unreadable`, or `model_unknown` for
        a name that is in no pack.
        """
        self._require(name)
        return self.folder / name

    def digest(self, name: str) -> str:
        """The sha256 of a verified file, in hexadecimal: the id of the model. Errors as for `path`."""
        return self._require(name)

    def state(self, name: str) -> FileState:
        """What is in the folder under this name. ModelError `model_unknown` for a name that is in no pack."""
        return self._look(name)[0]

    def best_detector(self) -> str:
        """The name of the detector to use: YuNet, or BlazeFace where there is no YuNet.

        A damaged YuNet is not passed over in silence: `path` refuses it.
        """
        return BLAZEFACE if self.state(YUNET) is FileState.MISSING else YUNET

    def file(self, name: str) -> ModelFile:
        """What is known of a file. ModelError `model_unknown` for a name that is in no pack."""
        try:
            return self.pack.files[name]
        except KeyError:
            raise ModelError(
                f"There is no model file called {name}.",
                hint="`rollcall models list` shows all of them.",
                code="model_unknown",
            ) from None

    def write(self, name: str, content: bytes) -> None:
        """Put a file into the folder, whole or not at all. ModelError `model_folder_unwritable`."""
        self._write(self.folder / name, content)

    def accept(self, name: str, digest: str, size_bytes: int) -> None:
        """Write down that a file made here passed its self-test, though its digest is not the pinned one.

        It counts for as long as the pin stays the same. ModelError `model_folder_unwritable`.
        """
        accepted = self._accepted() | {
            name: {"sha256": digest, "size_bytes": size_bytes, "instead_of": self.file(name).sha256}
        }
        self._write(self.folder / _ACCEPTED, json.dumps(accepted, indent=2).encode())

    def _require(self, name: str) -> str:
        state, digest = self._look(name)
        match state:
            case FileState.OK:
                return digest
            case FileState.MISSING:
                raise ModelError(
                    f"The model file {name} is not in {self.folder}.", hint=_BUILD_HINT, code="model_missing"
                )
            case FileState.TRUNCATED:
                raise ModelError(
                    f"The model file {name} is cut short: {(self.folder / name).stat().st_size} bytes "
                    f"instead of {self.file(name).size_bytes}.",
                    hint=f"{_BUILD_HINT} It replaces the file.",
                    code="model_truncated",
                )
            case FileState.WRONG_DIGEST:
                raise ModelError(
                    f"The model file {name} is not the pinned one: its sha256 is {digest} "
                    f"instead of {self.file(name).sha256}.",
                    hint=f"{_BUILD_HINT} It replaces the file.",
                    code="model_wrong_digest",
                )

    def _look(self, name: str) -> tuple[FileState, str]:
        expected = self.file(name)
        path = self.folder / name
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return FileState.MISSING, ""
        own = self._accepted().get(name)
        if own and own["instead_of"] == expected.sha256 and own["size_bytes"] == found.st_size:
            digests = {expected.sha256, own["sha256"]}
        elif found.st_size < expected.size_bytes:
            return FileState.TRUNCATED, ""
        else:
            digests = {expected.sha256}
        digest = self._hash(name, path, (found.st_mtime_ns, found.st_size))
        return (FileState.OK if digest in digests else FileState.WRONG_DIGEST), digest

    def _hash(self, name: str, path: Path, stamp: tuple[int, int]) -> str:
        if name in self._hashed and self._hashed[name][0] == stamp:
            return self._hashed[name][1]
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(
                f"The model file {name} cannot be read: {error.strerror}.",
                hint=f"Let the server's user read {self.folder}.",
                code="model_unreadable",
            ) from error
        self._hashed[name] = (stamp, digest)
        return digest

    def _accepted(self) -> dict[str, Any]:
        try:
            accepted = json.loads((self.folder / _ACCEPTED).read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(accepted, dict):
            return {}
        return {
            name: entry for name, entry in accepted.items() if isinstance(entry, dict) and entry.keys() >= _OWN_KEYS
        }

    def _write(self, path: Path, content: bytes) -> None:
        try:
            _write_atomically(path, content)
        except OSError as error:
            raise ModelError(
                f"{path} cannot be written: {error.strerror}.",
                hint="Make room and make the folder writable, or name another one by ROLLCALL_MODELS__DIR.",
                code="model_folder_unwritable",
            ) from error


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp lets nobody but its owner read; a model is no secret, and a server may run as another
        # user.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
