"""What is cut out of packages: on a small tree, and that each rule still fits the packages that are locked."""

import ast
import json
import sysconfig
from pathlib import Path

import pytest

from deploy import slim
from deploy.slim import RULES, Cut, Rule

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, content in {
        "one/__init__.py": "",
        "one/stubs.pyi": "x" * 10,
        "one/tests/test_one.py": "x" * 20,
        "one/tests/data/picture.jpg": "x" * 30,
        "one/deep/test/stubs.pyi": "x" * 40,
        "two/latest.py": "tests are not named here",
        "two/script.so": "INPUT(libz.so)",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "two/link.pyi").symlink_to(tmp_path / "one/__init__.py")
    return tmp_path


def test_what_the_rules_name_is_gone_and_all_else_is_left(tree: Path) -> None:
    rules = (
        Rule(Cut.REMOVE, ("**/tests", "**/test"), "tests"),
        Rule(Cut.REMOVE, ("**/*.pyi",), "stubs"),
        Rule(Cut.STRIP, ("**/*.so",), "symbols"),
    )
    taken = slim.slim(tree, rules)
    left = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert left == {"one/__init__.py", "two/latest.py", "two/link.pyi", "two/script.so"}
    assert not (tree / "one/tests").exists()
    # A stub in a folder of tests counts once.
    assert [(one.files, one.size_bytes) for one in taken] == [(3, 90), (1, 10), (1, 0)]


def test_the_command_tells_what_it_took_and_why(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tree / "report.json"
    assert slim.main([str(tree), str(report)]) == 0
    told = capsys.readouterr()
    rows = json.loads(report.read_text())
    assert [row["why"] for row in rows] == [rule.why for rule in RULES]
    assert all(rule.why in told.out for rule in RULES)
    assert "nothing was found for: OpenCV's own FFmpeg" in told.err
    assert slim.main([]) == 2


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.why[:40])
def test_every_rule_finds_something_in_the_packages_that_are_installed(rule: Rule) -> None:
    packages = Path(sysconfig.get_path("purelib"))
    missing = [pattern for pattern in rule.patterns if "**" not in pattern and not any(packages.glob(pattern))]
    # numpy of some versions has neither of these.
    assert set(missing) <= {"numpy/distutils", "numpy/_core/lib"}, "a package has changed its layout"


def test_nothing_uses_the_parts_of_opencv_that_are_hollow() -> None:
    """Opening a video by OpenCV would end the server of the image."""
    used = set()
    for package in ("recognition", "storage", "stream_server"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cv2":
                    used.add(node.attr)
    assert "imdecode" in used
    assert {name for name in used if name.startswith(("Video", "videoio", "CAP_"))} == set()
