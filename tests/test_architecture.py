"""The import rule and the few other rules that keep the parts apart, read from the source."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("recognition", "storage", "stream_server")
LINES_MAX = 400
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
# What makes recognition depend on time, network or a database. Fetching the model files is its one exception.
IMPURE = {
    "aiortc", "asyncio", "asyncpg", "fastapi", "http", "httpx", "requests", "socket", "sqlalchemy", "ssl", "starlette",
    "urllib.request", "websockets",
}  # fmt: skip
FETCHES = {"recognition.models.fetch"}
READS_ENVIRONMENT = {
    "stream_server.settings",
    # These hand it on to the programs that they start:
    "storage.postmaster",
    "stream_server.child",
}
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(CREATE|DROP|ALTER)\s+(TABLE|DATABASE|INDEX))\b",
    re.DOTALL,
)


def modules(*packages: str) -> list[str]:
    """The names of all modules of the packages (default: of all), as they are imported."""
    found = []
    for package in packages or PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    assert len(found) > 5
    return found


@cache
def path_of(module: str) -> Path:
    path = ROOT / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text())


def imports(module: str) -> Iterator[str]:
    """Everything that a module imports, wherever in it: of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively; the whole name is easier to find"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def package_of(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("module", modules("recognition"))
def test_recognition_knows_neither_storage_nor_the_server(module: str) -> None:
    assert {package_of(name) for name in imports(module)}.isdisjoint({"storage", "stream_server"})


@pytest.mark.parametrize("module", modules("recognition"))
def test_recognition_is_pure(module: str) -> None:
    if module not in FETCHES:
        impure = {name for name in imports(module) if name in IMPURE or package_of(name) in IMPURE}
        assert not impure


@pytest.mark.parametrize("module", modules("storage"))
def test_storage_knows_of_recognition_only_its_types_and_errors(module: str) -> None:
    ours = {name for name in imports(module) if package_of(name) in PACKAGES and package_of(name) != "storage"}
    assert all(name.startswith(("recognition.types", "recognition.errors")) for name in ours), ours


@pytest.mark.parametrize("module", modules("recognition", "storage"))
def test_nothing_below_imports_the_server(module: str) -> None:
    assert "stream_server" not in {package_of(name) for name in imports(module)}


@pytest.mark.parametrize("module", modules())
def test_only_the_settings_read_the_environment(module: str) -> None:
    if module not in READS_ENVIRONMENT:
        reads = [
            ast.unparse(node)
            for node in ast.walk(tree_of(module))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb")
        ]
        assert not reads
        assert {"os.environ", "os.getenv"}.isdisjoint(imports(module))


def strings(module: str) -> Iterator[str]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("module", modules("recognition", "stream_server"))
def test_only_storage_speaks_sql(module: str) -> None:
    assert not [text for text in strings(module) if SQL.search(text)]
    assert {"asyncpg", "sqlalchemy", "alembic"}.isdisjoint({package_of(name) for name in imports(module)})


def test_the_pattern_of_sql_finds_sql() -> None:
    assert any(SQL.search(text) for text in strings("storage.outbox"))


@pytest.mark.parametrize("module", modules())
def test_modules_are_small_enough_to_read(module: str) -> None:
    assert len(path_of(module).read_text().splitlines()) <= LINES_MAX


@pytest.mark.parametrize("module", modules())
def test_modules_are_named_for_what_they_do(module: str) -> None:
    assert VAGUE_NAMES.isdisjoint(re.split(r"[._]", module))


@pytest.mark.parametrize("module", modules())
def test_modules_say_what_they_are_for(module: str) -> None:
    assert ast.get_docstring(tree_of(module))
