from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from recognition.models import face_recognition, selftest
from recognition.models.store import BLAZEFACE, FACE_RECOGNITION_FP32, FACE_RECOGNITION_INT8, YUNET

CONVERTED = [BLAZEFACE, FACE_RECOGNITION_FP32, FACE_RECOGNITION_INT8]


def test_what_is_not_converted_here_has_no_self_test() -> None:
    assert selftest.test_of(YUNET) is None
    assert selftest.test_of("photographs/sample1.jpg") is None


@pytest.mark.models
@pytest.mark.parametrize("name", CONVERTED)
def test_the_built_networks_pass(models_dir: Path, name: str) -> None:
    test = selftest.test_of(name)
    assert test is not None
    assert test(models_dir, (models_dir / name).read_bytes()) is None


@pytest.mark.models
@pytest.mark.parametrize("name", [FACE_RECOGNITION_FP32, FACE_RECOGNITION_INT8])
def test_a_network_that_knows_nothing_fails(
    models_dir: Path, fake_weights: dict[str, NDArray[np.float32]], name: str
) -> None:
    test = selftest.test_of(name)
    assert test is not None
    assert test(models_dir, face_recognition.build(fake_weights).SerializeToString()) is not None


@pytest.mark.models
def test_a_detector_with_one_damaged_layer_fails(models_dir: Path) -> None:
    model = onnx.load(models_dir / BLAZEFACE)
    first = model.graph.initializer[0]
    first.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(first)), first.name))
    test = selftest.test_of(BLAZEFACE)
    assert test is not None
    assert test(models_dir, model.SerializeToString()) is not None
