"""The guide for mobile teams: its curl lines run, and every snippet names endpoints and members that exist."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from stream_server.child import ChildServer

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/api-changes.md").read_text()
DESCRIPTION: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text())
# Quoted words that are no members: methods, types and headers.
OTHER_WORDS = {"GET", "POST", "Authorization", "Content-Type", "application/json", "image/jpeg"}


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    assert found, language
    return found


async def test_the_curl_lines_do_what_they_say(own_server: Any, pictures: Any, tmp_path: Path) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("curl or bash is not installed")
    (tmp_path / "ada.jpg").write_bytes(pictures.crop("sample1.jpg", 0))
    steps = blocks("sh")
    script = "set -euo pipefail\n" + "\necho; echo ----\n".join(steps)
    server: ChildServer
    async with own_server() as server, server.client() as client:
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            script,
            cwd=tmp_path,
            env={**os.environ, "API": server.url, "TOKEN": server.token},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, problems = await process.communicate()
        assert process.returncode == 0, said.decode() + problems.decode()
        answers = [part.strip() for part in said.decode().split("----")]
        assert len(answers) == len(steps)
        (person,) = (await client.call("GET", "/api/v1/people"))["people"]
    assert person["templates"] == 1
    assert json.loads(answers[1])["person_id"] == person["id"]
    assert len(json.loads(answers[2])["faces"]) == 1
    assert json.loads(answers[3])["person"]["id"] == person["id"]
    assert [record["status"] for record in json.loads(answers[4])["attendance"]] == ["present"]
    assert "Ada Lovelace" in (tmp_path / "today.csv").read_text()


def _plain(path: str) -> str:
    """A path with every interpolation (`$id`, `${id}`, `\\(person.id)`) and parameter as `{}`, without a query."""
    return re.sub(r"\$\w+|\$\{[^}]*\}|\\\([^)]*\)|\{\w+\}", "{}", path.partition("?")[0])


ENDPOINTS = {_plain(path) for path in DESCRIPTION["paths"]}
MEMBERS = {member for shape in DESCRIPTION["components"]["schemas"].values() for member in shape.get("properties", {})}
PARAMETERS = {
    parameter["name"]
    for operations in DESCRIPTION["paths"].values()
    for operation in operations.values()
    for parameter in operation.get("parameters", ())
}


@pytest.mark.parametrize("language", ["sh", "dart", "kotlin", "swift"])
def test_every_endpoint_of_a_snippet_exists(language: str) -> None:
    used = {_plain(path) for block in blocks(language) for path in re.findall(r"/api/v1/[^\s'\"`]*", block)}
    assert len(used) >= 4
    assert used <= ENDPOINTS


@pytest.mark.parametrize("language", ["dart", "kotlin", "swift"])
def test_every_member_and_parameter_of_a_snippet_exists(language: str) -> None:
    for block in blocks(language):
        quoted = set(re.findall(r"""['"]([a-zA-Z/_-]+)['"]""", block)) - OTHER_WORDS
        imports = set(re.findall(r"import ['\"]([^'\"]+)", block))
        assert quoted - imports <= MEMBERS, language
        assert set(re.findall(r"[?&](\w+)=", block)) <= PARAMETERS
    if language == "swift":  # its members are names of fields
        fields = set(re.findall(r"let (\w+): (?:UUID|String|Double|\[)", blocks("swift")[0]))
        assert fields - {"base", "token"} <= MEMBERS


def test_the_table_names_endpoints_that_exist() -> None:
    named = {(method, _plain(path)) for method, path in re.findall(r"`(GET|POST|PUT) (/api/v1/[^`]*)`", GUIDE)}
    assert len(named) >= 5
    for method, path in named:
        operations = next(found for key, found in DESCRIPTION["paths"].items() if _plain(key) == path)
        assert method.lower() in operations
