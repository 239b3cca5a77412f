"""Reports of a running server, over HTTP and from the command line."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo

PATH = "/api/v1/reports/attendance"


@pytest_asyncio.fixture
async def ada(client: ServerClient) -> str:
    person_id = await client.add_person("=Ada <b>Lovelace</b>", consent=False)
    await client.call("POST", "/api/v1/attendance", body={"person_id": str(person_id)})
    return str(person_id)


async def get(server: ChildServer, **params: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}) as http:
        return await http.get(PATH, params=params)


@pytest.mark.parametrize(
    ("format_", "kind", "begins"),
    [
        ("json", "application/json", b"{"),
        ("csv", "text/csv; charset=utf-8", b"day,"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
    ],
)
async def test_each_format_comes_with_its_type_and_can_do_no_harm_in_a_browser(
    running_server: ChildServer, ada: str, format_: str, kind: str, begins: bytes
) -> None:
    response = await get(running_server, person=ada, format=format_)
    assert response.status_code == 200
    assert response.headers["content-type"] == kind
    assert response.content.startswith(begins)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"].endswith(f'filename="attendance.{format_}"')
    assert b"<b>" not in response.content or format_ != "html"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, "period_invalid"),
        ({"from": "0001-01-01"}, "day_invalid"),
        ({"from": "yesterday"}, "invalid_input"),
        ({"format": "pdf"}, "invalid_input"),
        ({"layout": "cats"}, "invalid_input"),
        ({"person": "Ada"}, "invalid_input"),
    ],
)
async def test_what_cannot_be_reported_is_refused_as_a_problem(
    running_server: ChildServer, params: dict[str, str], code: str
) -> None:
    response = await get(running_server, **params)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code


async def test_the_command_writes_a_file_whole_or_not_at_all(
    running_server: ChildServer, ada: str, tmp_path: Path
) -> None:
    path = tmp_path / "today.csv"

    async def command(*arguments: str) -> Any:
        return await asyncio.to_thread(running_server.run_command, "report", *arguments, "--server", running_server.url)

    done = await command("--person", ada, "--output", str(path))
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(path.read_text()))
    assert row["person_name"] == "'=Ada <b>Lovelace</b>"
    printed = await command("--person", ada, "--format", "json", "--layout", "people")
    assert json.loads(printed.stdout)["rows"][0]["present"] == 1
    refused = await command("--from", "2026-03-02", "--to", "2026-03-01", "--output", str(path))
    assert refused.returncode == 1
    assert "has no day" in refused.stderr
    assert "Ada" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


async def test_a_client_that_asks_for_a_stream_is_told_of_errors_as_by_any_other_call(client: ServerClient) -> None:
    with pytest.raises(ServerSaidNo) as error:
        async for _ in client.download(PATH, {"from": "2026-03-02", "to": "2026-03-01"}):
            pass
    assert error.value.code == "period_invalid"
