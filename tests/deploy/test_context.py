"""What a builder gets to see."""

from pathlib import Path

import pytest

from deploy.proof.context import Context

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("ignore", "path", "held"),
    [
        ("", "a/b.py", True),
        ("a", "a/b.py", False),
        ("*", "a/b.py", False),
        ("*\n!a", "a/b.py", True),
        ("*\n!a\na/c", "a/c/d.py", False),
        ("*\n!a/*.py", "a/b.py", True),
        ("*\n!a/*.py", "a/b/c.py", False),
        ("**/*.pyc", "a/b/c.pyc", False),
        ("**/*.pyc", "c.pyc", False),
        ("# a\n/a/\n", "a/b", False),
        ("a.b", "axb", True),
        ("**/__pycache__", "a/__pycache__/b", False),
    ],
)
def test_the_last_pattern_that_fits_decides(ignore: str, path: str, held: bool) -> None:
    assert Context(ROOT, ignore).holds(path) is held


@pytest.mark.parametrize(
    "path",
    [
        ".env", "data/token", "data/secret-key", "data/postgres/data/PG_VERSION", ".git/config", ".venv/bin/python",
        "web_client/node_modules/a/b.js", "tests/conftest.py", "data/models/face_recognition_int8.onnx",
        "recognition/__pycache__/frames.cpython-311.pyc", "deploy/koyeb.sh",
    ],
)  # fmt: skip
def test_neither_secrets_nor_what_is_made_anew_goes_to_the_builder(path: str) -> None:
    assert not Context(ROOT, (ROOT / ".dockerignore").read_text()).holds(path)


def test_a_folder_is_copied_with_the_paths_in_it_and_a_file_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("a/b/c.py", "a/d.py", "a/e.pyc"):
        (tmp_path / name).write_text("")
    context = Context(tmp_path, "**/*.pyc")
    assert [below for _, below in context.files("a/")] == ["b/c.py", "d.py"]
    assert [below for _, below in context.files("a/d.py")] == ["d.py"]
    assert list(context.files("a/e.pyc")) == []
