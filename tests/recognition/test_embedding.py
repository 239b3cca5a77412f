import numpy as np
import pytest

from recognition.embedding import OnnxFaceEmbedder, embed_with_mirrors
from recognition.errors import ModelError


def brightness_of_the_left(chip, embedding):
    return embedding(float(chip[:, :75].mean()))


@pytest.fixture
def left_bright_chip():
    chip = np.zeros((150, 150, 3), np.uint8)
    chip[:, :75] = 200
    return chip


def test_a_mirrored_chip_gives_the_mean_of_both(scripted_embedder, embedding, left_bright_chip):
    embedder = scripted_embedder(lambda chip: brightness_of_the_left(chip, embedding))
    embeddings = embed_with_mirrors(embedder, [left_bright_chip] * 3, [False, True, False])
    assert embeddings[:, 0].tolist() == [200, 100, 200]
    assert embeddings.dtype == np.float32
    assert embedder.embedded == 4


def test_no_chips_give_no_embeddings_and_the_network_is_not_run(scripted_embedder):
    embedder = scripted_embedder(lambda chip: chip)
    assert embed_with_mirrors(embedder, [], []).shape == (0, 128)
    assert embedder.embedded == 0


def test_a_file_that_is_no_network_is_a_clear_error(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ModelError) as caught:
        OnnxFaceEmbedder(broken, model_id="x")
    assert "broken.onnx" in caught.value.detail
    assert "rollcall models build" in caught.value.hint


@pytest.mark.models
def test_another_network_is_a_clear_error(models_dir):
    with pytest.raises(ModelError, match="not the face network"):
        OnnxFaceEmbedder(models_dir / "blazeface_256.onnx", model_id="x")


@pytest.mark.models
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_several_chips_give_what_each_gives_alone(models_dir, precision):
    embedder = OnnxFaceEmbedder(models_dir / f"face_recognition_{precision}.onnx", model_id="digest")
    chips = list(np.random.default_rng(2).integers(0, 255, (3, 150, 150, 3), dtype=np.uint8))
    together = embedder.embed(chips)
    assert together.shape == (3, 128)
    assert together.dtype == np.float32
    assert embedder.model_id == "digest"
    assert np.allclose(together[1], embedder.embed([chips[1]])[0], atol=1e-4)
    assert embedder.embed([]).shape == (0, 128)
