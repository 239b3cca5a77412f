import numpy as np
import pytest

from recognition.engines import EngineKind, make_engine
from recognition.errors import ModelError


@pytest.mark.parametrize("kind", EngineKind)
@pytest.mark.parametrize("content", [b"", b"no network at all", None])
def test_a_missing_or_damaged_file_is_a_clear_error(tmp_path, kind, content, capfd):
    path = tmp_path / "detector.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        make_engine(path, kind)
    assert caught.value.detail.startswith("detector.onnx cannot be loaded")
    assert "\n" not in caught.value.detail
    assert "rollcall models build" in caught.value.hint


@pytest.mark.models
def test_both_engines_give_the_same_numbers(yunet_path):
    blob = np.random.default_rng(4).uniform(0, 255, (1, 3, 128, 160)).astype(np.float32)
    one, other = (make_engine(yunet_path, kind).run(blob) for kind in EngineKind)
    assert set(one) == set(other)
    assert len(one) == 12
    for name in one:
        assert np.allclose(one[name], other[name], atol=1e-3)


@pytest.mark.models
@pytest.mark.parametrize("kind", EngineKind)
def test_an_engine_takes_pictures_of_changing_size(yunet_path, kind):
    engine = make_engine(yunet_path, kind)
    for height, width in ((64, 64), (128, 96), (64, 64)):
        outputs = engine.run(np.zeros((1, 3, height, width), np.float32))
        assert outputs["cls_8"].shape[1] == height * width // 64
