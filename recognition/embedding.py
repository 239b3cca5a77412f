"""The face network: aligned chips to embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recognition.alignment import CHIP_SIDE_PX
from recognition.engines import OnnxRuntimeEngine
from recognition.errors import ModelError
from recognition.types import Embedding, ImageBgr

EMBEDDING_LENGTH = 128
_CHIPS_A_RUN = 4


@dataclass(frozen=True, slots=True, eq=False)
class FaceInBothRoles:
    """One face as it would be enrolled (`template`) and as it would be searched for (`probe`), each (128,).

    They differ where a pipeline takes less time over a probe than over a template.
    """

    template: Embedding
    probe: Embedding


class FaceEmbedder(Protocol):
    """Turns chips into embeddings. One object serves all threads."""

    @property
    def model_id(self) -> str:
        """The digest of the network; embeddings of different networks are never compared."""
        ...

    def embed(self, chips_bgr: Sequence[ImageBgr]) -> NDArray[np.float32]:
        """Embeddings float32 (n, 128) of n chips, each uint8 (150, 150, 3) BGR."""
        ...


class OnnxFaceEmbedder:
    """The face network on ONNX Runtime. Thread-safe: the session is shared by all worker threads."""

    def __init__(self, path: Path, *, model_id: str) -> None:
        """Load the network. Raises ModelError if the file cannot be loaded or is another kind of network."""
        self._engine = OnnxRuntimeEngine(path)
        self._model_id = model_id
        probe = self._run(np.zeros((1, CHIP_SIDE_PX, CHIP_SIDE_PX, 3), np.uint8), path.name)
        if probe.shape != (1, EMBEDDING_LENGTH):
            raise ModelError(
                f"{path.name} gives {probe.shape} where (1, {EMBEDDING_LENGTH}) is expected",
                hint="run `rollcall models build`",
            )

    @property
    def model_id(self) -> str:
        """The digest of the network."""
        return self._model_id

    def embed(self, chips_bgr: Sequence[ImageBgr]) -> NDArray[np.float32]:
        """Embeddings float32 (n, 128) of n chips, each uint8 (150, 150, 3) BGR.

        A few chips a run: four at once take an eighth less time than one after the other, and memory must not grow with
        the crowd.
        """
        embeddings = np.empty((len(chips_bgr), EMBEDDING_LENGTH), np.float32)
        for first in range(0, len(chips_bgr), _CHIPS_A_RUN):
            batch = np.stack(chips_bgr[first : first + _CHIPS_A_RUN])
            embeddings[first : first + len(batch)] = self._engine.run(batch)["embedding"]
        return embeddings

    def _run(self, chips: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
        try:
            return self._engine.run(chips)["embedding"]
        # ONNX Runtime has no common base class for a wrong input type, shape or output name.
        except Exception as error:
            raise ModelError(f"{name} is not the face network", hint="run `rollcall models build`") from error


def embed_with_mirrors(
    embedder: FaceEmbedder, chips_bgr: Sequence[ImageBgr], mirrored: Sequence[bool]
) -> NDArray[np.float32]:
    """Embeddings (n, 128); where `mirrored` is set, the mean of the chip's and its mirror image's.

    The mean of both costs twice the time and takes out a part of the noise, most of it on small faces; the figures
    are in docs/why/recognition.md. Means and single embeddings may be compared with each other.
    """
    rows: list[ImageBgr] = []
    first_rows: list[int] = []
    for chip_bgr, with_mirror in zip(chips_bgr, mirrored, strict=True):
        first_rows.append(len(rows))
        rows.append(chip_bgr)
        if with_mirror:
            rows.append(np.ascontiguousarray(chip_bgr[:, ::-1]))
    if not rows:
        return np.empty((0, EMBEDDING_LENGTH), np.float32)
    embeddings = embedder.embed(rows)
    counts = np.diff([*first_rows, len(rows)]).astype(np.float32)
    means = np.add.reduceat(embeddings, first_rows, axis=0) / counts[:, None]
    return means.astype(np.float32)
