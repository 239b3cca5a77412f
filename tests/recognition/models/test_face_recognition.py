import numpy as np
import onnxruntime
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recognition.models import face_recognition

Weights = dict[str, NDArray[np.float32]]
Array = NDArray[np.float64]


def run(model: bytes, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"input": chips})[0]


class Reference:
    """The network as dlib describes it, unfolded, on one RGB picture in (height, width, channel)."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def embed(self, chip_bgr: NDArray[np.uint8]) -> Array:
        x = (chip_bgr[:, :, ::-1] - np.array([122.782, 117.001, 104.298])) / 256
        x = np.maximum(self.convolve("conv32_down", x, stride=2), 0)
        x = sliding_window_view(x, (3, 3), axis=(0, 1))[::2, ::2].max(axis=(3, 4))
        for width, blocks in ((32, "123"), (64, "d123"), (128, "d12"), (256, "d12o")):
            for block in blocks:
                suffix = {"d": "down", "o": "down_out"}.get(block, block)
                x = (self.down if block in "do" else self.plain)(f"conv{width}_{suffix}", x)
        return x.mean(axis=(0, 1)) @ self.weights["fc"]

    def plain(self, name: str, x: Array) -> Array:
        y = np.maximum(self.convolve(f"{name}/conv1", x, pad=1), 0)
        return np.maximum(self.convolve(f"{name}/conv2", y, pad=1) + x, 0)

    def down(self, name: str, x: Array) -> Array:
        y = np.maximum(self.convolve(f"{name}/conv1", x, stride=2), 0)
        y = self.convolve(f"{name}/conv2", y, pad=1)
        shortcut = sliding_window_view(x, (2, 2), axis=(0, 1))[::2, ::2].mean(axis=(3, 4))
        joined = np.zeros((*shortcut.shape[:2], y.shape[2]))
        joined[:, :, : shortcut.shape[2]] += shortcut
        joined[: y.shape[0], : y.shape[1]] += y
        return np.maximum(joined, 0)

    def convolve(self, name: str, x: Array, *, stride: int = 1, pad: int = 0) -> Array:
        filters = self.weights[f"{name}/conv/filters"]
        x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
        windows = sliding_window_view(x, filters.shape[:2], axis=(0, 1))[::stride, ::stride]
        y = np.einsum("hwcij,ijco->hwo", windows, filters, optimize=True) + self.weights[f"{name}/conv/bias"]
        return y * self.weights[f"{name}/scale/weights"] + self.weights[f"{name}/scale/biases"]


def test_the_graph_computes_what_dlib_describes(fake_weights: Weights, fake_chips: NDArray[np.uint8]) -> None:
    embedding = run(face_recognition.build(fake_weights).SerializeToString(), fake_chips[:1])[0]
    expected = Reference(fake_weights).embed(fake_chips[0])
    assert embedding == pytest.approx(expected, rel=1e-3, abs=1e-3 * np.abs(expected).max())


def test_chips_in_a_batch_do_not_disturb_each_other(fake_weights: Weights, fake_chips: NDArray[np.uint8]) -> None:
    model = face_recognition.build(fake_weights).SerializeToString()
    together = run(model, fake_chips)
    assert together.shape == (3, 128)
    alone = np.concatenate([run(model, chip[None]) for chip in fake_chips])
    assert together == pytest.approx(alone, rel=1e-4, abs=1e-4)


def test_the_same_weights_give_the_same_bytes(fake_weights: Weights) -> None:
    first, second = (face_recognition.build(fake_weights).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_a_missing_weight_is_named(fake_weights: Weights) -> None:
    weights = {name: values for name, values in fake_weights.items() if name != "fc"}
    with pytest.raises(KeyError, match="fc"):
        face_recognition.build(weights)
