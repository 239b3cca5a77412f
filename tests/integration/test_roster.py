"""Rosters and photographs through the command line and a running server."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from stream_server.child import ChildServer
from stream_server.client import ServerClient


def run(server: ChildServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"ROLLCALL_AUTH__TOKEN": server.token, "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-m", "stream_server", *arguments, "--server", server.url]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)


async def test_a_class_is_imported_and_enrolled_from_the_command_line(
    running_server: ChildServer, client: ServerClient, pictures: Any, tmp_path: Path, blank_jpeg: bytes
) -> None:
    key = uuid4().hex[:8]
    table = tmp_path / "pupils.csv"
    table.write_text(
        f"external_id,name,groups,consent\n{key}-1,Pupil One,{key},yes\n{key}-2,Pupil Two,{key},no\n,X,,\n"
    )
    dry = run(running_server, "roster", "import", str(table))
    assert (dry.returncode, "nothing was stored" in dry.stderr) == (1, True), dry.stderr
    assert "row 4" in dry.stdout
    assert not (await client.call("GET", "/api/v1/people", params={"external_id": f"{key}-1"}))["people"]
    applied = json.loads(run(running_server, "roster", "import", str(table), "--apply", "--json").stdout)
    assert (applied["applied"], applied["counts"]["created"], applied["counts"]["refused"]) == (True, 5, 1)

    photographs = {
        f"{key}-1.jpg": pictures.crop("sample1.jpg", 0),
        f"{key}-1_2.jpg": blank_jpeg,
        f"{key}-2.jpg": pictures.crop("sample1.jpg", 1),
        "stranger.jpg": pictures.crop("sample1.jpg", 1),
    }
    folder = tmp_path / "photos"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name, photo in photographs.items():
            (folder / name).write_bytes(photo)
            archive.writestr(name, photo)
    expected = {f"{key}-1_2.jpg": "no_face", f"{key}-2.jpg": "consent_missing", "stranger.jpg": "person_not_found"}
    for source in (folder, tmp_path / "photos.zip"):
        done = run(running_server, "people", "enrol-photos", str(source), "--json")
        report = json.loads(done.stdout)
        assert done.returncode == 1
        assert report["enrolled"] == 1
        assert {one["photograph"]: one["code"] for one in report["refused"]} == expected
    over_rest = await client.call("POST", "/api/v1/roster/photographs", photo=(tmp_path / "photos.zip").read_bytes())
    assert (over_rest["enrolled"], over_rest["refused"]) == (1, 3)
    assert {one["file"]: one["code"] for one in over_rest["photographs"] if not one["enrolled"]} == expected
    found = (await client.call("GET", "/api/v1/people", params={"external_id": f"{key}-1"}))["people"][0]
    assert found["templates"] == 3
    await client.call("DELETE", f"/api/v1/people/{found['id']}")


def test_a_file_that_is_no_roster_is_told_in_two_lines(running_server: ChildServer, tmp_path: Path) -> None:
    (tmp_path / "no.csv").write_text("a,b\n1,2\n")
    done = run(running_server, "roster", "import", str(tmp_path / "no.csv"))
    assert done.returncode == 1
    assert "no column external_id" in done.stderr
    assert "Traceback" not in done.stderr
