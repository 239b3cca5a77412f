"""Fixtures that every test module may use: where the models are, and where test pictures are."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.postgres"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder of built models; `make models` fills it."""
    folder = Path(os.environ.get("ROLLCALL_MODELS__DIR", ROOT / "data" / "models"))
    if not (folder / "face_recognition_int8.onnx").is_file():
        pytest.skip(f"the models are not built in {folder} (run `make models`)")
    return folder


@pytest.fixture(scope="session")
def yunet_path(models_dir: Path) -> Path:
    """The default detector; it needs the internet or a mirror folder once."""
    path = models_dir / "yunet_n_dynamic.onnx"
    if not path.is_file():
        pytest.skip("YuNet is not there (no internet and no mirror folder when the models were built)")
    return path


@pytest.fixture(scope="session")
def shared_faces() -> Path:
    """Test pictures that are never part of the project: a folder beside it."""
    folder = Path(os.environ.get("ROLLCALL_TEST_FACES", ROOT.parent / "shared" / "faces"))
    if not folder.is_dir():
        pytest.skip(f"no test pictures in {folder} (set ROLLCALL_TEST_FACES)")
    return folder
