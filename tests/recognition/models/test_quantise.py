from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from recognition.models import face_recognition, photographs, quantise
from recognition.models.store import FACE_RECOGNITION_FP32, FACE_RECOGNITION_INT8, ModelStore

Chips = NDArray[np.uint8]


@pytest.fixture(scope="module")
def model(fake_weights: dict[str, NDArray[np.float32]]) -> ModelProto:
    return face_recognition.build(fake_weights)


@pytest.fixture(scope="module")
def ranges(model: ModelProto, fake_chips: Chips) -> dict[str, quantise.Range]:
    return quantise.measure_ranges(model, fake_chips)


def embed(model: ModelProto, chips: Chips) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"input": chips})[0]


@pytest.mark.parametrize(
    ("limit", "widened"),
    [(0.0, 0.0), (1.0, 1.0), (1.01, 1.125), (-1.01, -1.125), (1.999, 2.0), (100.0, 104.0), (-0.3, -0.3125)],
)
def test_a_limit_is_widened_to_four_bits_away_from_zero(limit: float, widened: float) -> None:
    assert quantise.widen(limit) == widened


def test_the_int8_network_stays_close_to_the_float_one(
    model: ModelProto, ranges: dict[str, quantise.Range], fake_chips: Chips
) -> None:
    exact = embed(model, fake_chips)
    rounded = embed(quantise.quantise(model, ranges), fake_chips)
    error = np.linalg.norm(exact - rounded, axis=1) / np.linalg.norm(exact, axis=1)
    assert error.max() < 0.1


def test_float_noise_in_the_ranges_does_not_change_the_file(
    model: ModelProto, ranges: dict[str, quantise.Range]
) -> None:
    # A millionth is what another processor differs by; the grid must not happen to have an edge there.
    noisy = {name: (low * (1 - 1e-6), high * (1 - 1e-6)) for name, (low, high) in ranges.items()}
    first, second = (quantise.quantise(model, r).SerializeToString(deterministic=True) for r in (ranges, noisy))
    assert first == second


def test_weights_use_seven_bits_so_that_old_processors_do_not_overflow(
    model: ModelProto, ranges: dict[str, quantise.Range]
) -> None:
    constants = quantise.quantise(model, ranges).graph.initializer
    filters = [numpy_helper.to_array(c) for c in constants if c.name.endswith("filters/quantised")]
    assert len(filters) == 29
    assert all(f.dtype == np.int8 for f in filters)
    assert max(int(np.abs(f.astype(int)).max()) for f in filters) == 63


def test_a_channel_without_weights_does_not_divide_by_zero(
    fake_weights: dict[str, NDArray[np.float32]], fake_chips: Chips
) -> None:
    filters = fake_weights["conv32_1/conv1/conv/filters"].copy()
    filters[..., 0] = 0
    model = face_recognition.build({**fake_weights, "conv32_1/conv1/conv/filters": filters})
    int8 = quantise.quantise(model, quantise.measure_ranges(model, fake_chips))
    assert np.isfinite(embed(int8, fake_chips)).all()


def test_a_tensor_without_a_range_is_named(model: ModelProto, ranges: dict[str, quantise.Range]) -> None:
    name = next(iter(ranges))
    with pytest.raises(KeyError, match=name):
        quantise.quantise(model, {other: limits for other, limits in ranges.items() if other != name})


@pytest.mark.models
def test_no_calibrated_range_is_so_near_to_the_grid_that_another_processor_could_cross_it(models_dir: Path) -> None:
    model = onnx.load(models_dir / FACE_RECOGNITION_FP32)
    chips = photographs.chips(models_dir)
    ranges = quantise.measure_ranges(model, np.concatenate([chips, chips[:, :, ::-1]]))
    limits = [limit for pair in ranges.values() for limit in pair if limit]
    assert min((quantise.widen(limit) - limit) / limit for limit in limits) > 1e-3

    store = ModelStore(models_dir)
    int8 = quantise.quantise(model, ranges).SerializeToString(deterministic=True)
    assert int8 == store.path(FACE_RECOGNITION_INT8).read_bytes()
