"""Generated requests, good and bad, against a running server: nothing may be a 500 or an answer nobody described."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream_server.child import ChildServer

MAX_TIME_S = 45
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection,allow_header_conformance,ignored_auth"
)
# An endless stream; what looks around in the network or opens a camera; bodies that are no JSON.
LEFT_OUT = r"/events$|/discover$|/cameras/.*/test$|/cameras/.*/frame$|/photographs$|^/whip/"


@pytest.mark.timeout(240)
async def test_no_request_that_the_description_allows_or_forbids_breaks_the_server(
    own_server: Any, tmp_path: Path
) -> None:
    async with own_server() as server:
        report = tmp_path / "report.json"
        # Besides those that it expects by itself: an address that is too long is refused before it is read.
        (tmp_path / "schemathesis.toml").write_text(
            "[checks.negative_data_rejection]\n"
            "expected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 428, 429]\n"
        )
        done = await asyncio.to_thread(
            subprocess.run,
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/api/v1/openapi.json",
                "-H", f"Authorization: Bearer {server.token}", "--checks", CHECKS, "--exclude-path-regex", LEFT_OUT,
                "--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--max-time", str(MAX_TIME_S),
                "--seed", "1", "--generation-database", "none", "--no-shrink", "--continue-on-failure", "--no-color",
                "--request-timeout", "30", "--warnings", "off", "--report-json-path", str(report),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        log = server.log_path.read_text()
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert json.loads(report.read_text())
    assert "Traceback" not in log, log[-3000:]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("PUT", "/api/v1/people", 405, "method_not_allowed"),
        ("GET", "/api/v1/attendance?day=0", 422, "invalid_input"),
        ("GET", "/api/v1/attendance?day=2026-02-30", 422, "invalid_input"),
        ("GET", "/api/v1/reports/attendance?from=1700000000", 422, "invalid_input"),
        ("GET", "/ws/v1/events", 404, "not_found"),
    ],
)
async def test_every_refusal_is_a_problem(
    running_server: ChildServer, method: str, path: str, status: int, code: str
) -> None:
    headers = {"Authorization": f"Bearer {running_server.token}"}
    async with httpx.AsyncClient(base_url=running_server.url, headers=headers) as http:
        response = await http.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    if status == 405:
        assert response.headers["allow"] == "GET, POST"


def test_every_list_has_pages_or_a_bound() -> None:
    description = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())
    bounded = {
        "/api/v1/tokens",
        "/api/v1/cameras",
        "/api/v1/demo",  # as many as the model package has photographs
        "/api/v1/webhooks",
        "/api/v1/settings",
        "/api/v1/consent-texts",
        "/api/v1/people/{person_id}/consents",  # as many as somebody has changed their mind
        "/api/v1/people/{person_id}/templates",
        "/api/v1/attendance/{attendance_id}/corrections",
        "/api/v1/sessions/{session_id}/punches/{person_id}",
    }
    for path, operations in description["paths"].items():
        operation = operations.get("get")
        if operation is None or not path.startswith("/api/v1") or path in bounded:
            continue
        shape = operation["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})
        name = shape.get("$ref", "").rsplit("/", 1)[-1]
        members = description["components"]["schemas"].get(name, {}).get("properties", {})
        if name.endswith("Document") or not any(member.get("type") == "array" for member in members.values()):
            continue
        if set(members) & {"next_cursor"}:
            assert {"limit", "cursor"} <= {parameter["name"] for parameter in operation["parameters"]}, path
        else:
            assert {"id"} & set(members), f"{path} gives a list without end"
