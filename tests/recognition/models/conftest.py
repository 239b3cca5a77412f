"""A face network with made-up weights: the real architecture, none of the real knowledge."""

import numpy as np
import pytest
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]


def layer_shapes() -> dict[str, tuple[int, int, int]]:
    """Side of the filter, channels in, channels out, by layer name."""
    shapes = {"conv32_down": (7, 3, 32)}
    into = 32
    for width, blocks in ((32, ("1", "2", "3")), (64, ("down", "1", "2", "3")), (128, ("down", "1", "2"))):
        for block in blocks:
            shapes[f"conv{width}_{block}/conv1"] = (3, into, width)
            shapes[f"conv{width}_{block}/conv2"] = (3, width, width)
            into = width
    for block in ("down", "1", "2", "down_out"):
        shapes[f"conv256_{block}/conv1"] = (3, into, 256)
        shapes[f"conv256_{block}/conv2"] = (3, 256, 256)
        into = 256
    return shapes


@pytest.fixture(scope="session")
def fake_weights() -> Weights:
    random = np.random.default_rng(7)
    weights: Weights = {"fc": random.normal(0, 1 / 16, (256, 128)).astype(np.float32)}
    for name, (side, into, out) in layer_shapes().items():
        spread = (side * side * into) ** -0.5
        weights[f"{name}/conv/filters"] = random.normal(0, spread, (side, side, into, out)).astype(np.float32)
        weights[f"{name}/conv/bias"] = random.normal(0, 0.1, out).astype(np.float32)
        weights[f"{name}/scale/weights"] = random.uniform(0.5, 1.5, out).astype(np.float32)
        weights[f"{name}/scale/biases"] = random.normal(0, 0.1, out).astype(np.float32)
    return weights


@pytest.fixture(scope="session")
def fake_chips() -> NDArray[np.uint8]:
    """Three chips with large shapes in them, so that deep layers have something to see."""
    random = np.random.default_rng(8)
    coarse = random.integers(0, 256, (3, 10, 10, 3), np.uint8)
    return coarse.repeat(15, axis=1).repeat(15, axis=2)
