"""The documents say what the code does: settings, endpoints, messages, commands, error codes, links."""

import ast
import json
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts

from docs.generate import pages
from recognition.enrolment import EnrolmentRefusal
from stream_server.app import create_app
from stream_server.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
GENERATED = (
    "docs/openapi.json",
    "docs/messages.schema.json",
    "docs/reference/settings.md",
    "docs/reference/commands.md",
    "docs/reference/websocket.md",
    "docs/reference/reports.md",
)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_documents_are_those_of_this_code(name: str) -> None:
    assert (ROOT / name).read_text() == pages()[ROOT / name], "run `make docs`"


def test_every_generated_document_is_looked_at() -> None:
    assert {str(path.relative_to(ROOT)) for path in pages()} == set(GENERATED)


def test_no_text_tells_to_install_us_by_name() -> None:
    """The name on the public index is not ours: whoever follows such a text runs the code of strangers."""
    named = re.compile(r"(?:pip|uv|pipx)\S* (?:install|add)\b[^\n`;]*?(?<![\w./-])rollcall(?![\w/.-])")
    suffixes = {".md", ".py", ".toml", ".ts", ".html", ".json", ".txt", ".yml", ".yaml", ".svg", ".sh", ""}
    own = ("docs", "recognition", "storage", "stream_server", "benchmarks", "tests", "web_client/src", "requirements")
    paths = [path for path in ROOT.iterdir() if path.is_file()]
    paths += [path for folder in own for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = [path for path in paths if path.suffix in suffixes and "__pycache__" not in path.parts]
    assert {"README.md", "Makefile", "onvif.py", "mobile.md"} <= {path.name for path in texts}
    assert named.search("hint: pip install 'rollcall[tunnel]'")
    others = [path for path in texts if path != Path(__file__).resolve()]  # which holds the example above
    assert [str(path.relative_to(ROOT)) for path in others if named.search(path.read_text())] == []


def test_every_endpoint_and_socket_is_in_the_reference(tmp_path: Path) -> None:
    app = create_app(Settings(_env_file=None, data_dir=tmp_path))
    described = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    api = (ROOT / "docs/reference/api.md").read_text()
    sockets = (ROOT / "docs/reference/websocket.md").read_text()
    endpoints = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert len(endpoints) > 15
    for method, path in endpoints:
        assert (
            f"`{method} {path.replace('_id}', '}').replace('{person}', '{id}')}`" in api or f"`{method} {path}`" in api
        ), (
            method,
            path,
        )
    seen = 0
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIWebSocketRoute):
            assert re.sub(r"\{\w+\}", "{id}", str(route.path)) in sockets
        elif isinstance(route.original_route, APIRoute):
            assert route.path in described
            seen += route.original_route.include_in_schema
    assert seen == len(endpoints)


def _codes() -> set[str]:
    """Every error code that the three packages can give: class members and arguments called `code`."""
    codes: set[str] = {refusal.value for refusal in EnrolmentRefusal}
    for package in ("recognition", "storage", "stream_server"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                value: ast.expr | None = None
                if (isinstance(node, ast.keyword) and node.arg == "code") or (
                    isinstance(node, ast.Assign)
                    and any(isinstance(t, ast.Name) and t.id == "code" for t in node.targets)
                ):
                    value = node.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    codes.add(value.value)
    return codes


def test_every_error_code_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/reference/errors.md").read_text(), flags=re.MULTILINE))
    codes = _codes()
    assert len(codes) > 30
    assert codes - explained == set(), "explain these in docs/reference/errors.md"


def test_links_between_documents_lead_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert used
    assert used <= targets


def test_every_rollcall_command_of_the_documents_exists() -> None:
    commands = set(
        re.findall(r"^## (rollcall [a-z ]+)$", (ROOT / "docs/reference/commands.md").read_text(), flags=re.MULTILINE)
    )
    known = {command.split()[1] for command in commands}
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for used in re.findall(r"rollcall ((?:[a-z]+))(?= |`|$)", document.read_text(), flags=re.MULTILINE):
            assert used in known | {"listens"}, f"{document.relative_to(ROOT)} names `rollcall {used}`"


def test_every_package_of_the_server_is_on_the_map() -> None:
    map_ = (ROOT / "docs/why/architecture.md").read_text()
    packages = {path.parent.name for path in (ROOT / "stream_server").glob("*/__init__.py")}
    assert packages
    assert {name for name in packages if f"`{name}/`" not in map_} == set()
