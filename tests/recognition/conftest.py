"""Pictures and stand-ins for the tests of the recognition core; none of them needs a model or a file."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from recognition.types import Detection, Embedding, ImageBgr


def make_detection(x: float, y: float, side: float = 100.0, score: float = 0.9) -> Detection:
    """A frontal face with its top left corner at (x, y)."""
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return Detection(
        np.array([x, y, x + side, y + side], np.float32), (points * side + [x, y]).astype(np.float32), score
    )


def make_embedding(*leading: float) -> Embedding:
    """An embedding whose first values are given and whose others are 0; distances are then easy to see."""
    embedding = np.zeros(128, np.float32)
    embedding[: len(leading)] = leading
    return embedding


@dataclass
class ScriptedDetector:
    """Gives the faces it was told to, whatever the picture."""

    faces: list[Detection] = field(default_factory=list)

    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        return list(self.faces)


@dataclass
class ScriptedEmbedder:
    """Gives the embedding it was told to for every chip, and counts the chips."""

    answer: Callable[[ImageBgr], Embedding]
    model_id: str = "model"
    embedded: int = 0

    def embed(self, chips_bgr: Sequence[ImageBgr]) -> np.ndarray:
        self.embedded += len(chips_bgr)
        return np.stack([self.answer(chip) for chip in chips_bgr])


@pytest.fixture
def texture_bgr() -> ImageBgr:
    """A picture full of detail, 640 x 480: no chip of it counts as blurred."""
    return np.random.default_rng(7).integers(0, 255, (480, 640, 3), dtype=np.uint8)


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Encodes an RGB array with Pillow: `encode(array, "JPEG", quality=90)`."""

    def encoded(array: np.ndarray, image_format: str, **options: object) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, image_format, **options)
        return stream.getvalue()

    return encoded


@pytest.fixture
def detection() -> Callable[..., Detection]:
    return make_detection


@pytest.fixture
def embedding() -> Callable[..., Embedding]:
    return make_embedding


@pytest.fixture
def scripted_detector() -> type[ScriptedDetector]:
    return ScriptedDetector


@pytest.fixture
def scripted_embedder() -> type[ScriptedEmbedder]:
    return ScriptedEmbedder
