"""Rosters, photographs and lessons through the command line and a running server."""

import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
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


async def test_lessons_are_planned_listed_and_removed_from_the_command_line(
    running_server: ChildServer, client: ServerClient
) -> None:
    key = uuid4().hex[:8]
    group = await client.call("POST", "/api/v1/groups", body={"name": f"Class {key}", "external_id": f"c-{key}"})
    room = await client.call("POST", "/api/v1/rooms", body={"name": f"Room {key}"})
    today = datetime.now(UTC).date()
    first = (today + timedelta(days=7)).isoformat()
    times = ("--day", first, "--from", "08:00", "--to", "08:45")

    said = run(running_server, "lessons", "add", "Once", *times, "--group", f"class {key}", "--room", f"Room {key}")
    assert said.returncode == 0, said.stderr
    once = re.search(r"[0-9a-f-]{36}", said.stdout)
    assert once is not None
    planned = await client.call("GET", "/api/v1/sessions", params={"group_id": group["id"], "state": "planned"})
    assert [(one["title"], one["room_id"]) for one in planned["sessions"]] == [("Once", room["id"])]

    last = (today + timedelta(days=35)).isoformat()
    without = (today + timedelta(days=21)).isoformat()
    weekly = ("--weekly", "--every", "1", "--until", last, "--except", without)
    made = run(running_server, "lessons", "add", "Weekly", *times, "--group", f"c-{key}", *weekly, "--json")
    lesson = json.loads(made.stdout)
    assert (lesson["group_id"], lesson["room_id"], lesson["late_after_s"]) == (group["id"], None, None)
    planned = await client.call("GET", "/api/v1/sessions", params={"group_id": group["id"], "state": "planned"})
    days = sorted(one["day"] for one in planned["sessions"] if one["title"] == "Weekly")
    assert days == [(today + timedelta(days=days)).isoformat() for days in (7, 14, 28, 35)]

    listed = json.loads(run(running_server, "lessons", "list", "--group", group["id"], "--json").stdout)
    assert [one["id"] for one in listed["lessons"]] == [once[0], lesson["id"]]
    shown = run(running_server, "lessons", "list", "--group", group["id"], "--source", "form").stdout.splitlines()
    assert [line.split("  ")[:2] for line in shown] == [[once[0], "Once"], [lesson["id"], "Weekly"]]

    removed = run(running_server, "lessons", "remove", lesson["id"], "--json")
    assert json.loads(removed.stdout) == {"ok": True, "id": lesson["id"]}
    planned = await client.call("GET", "/api/v1/sessions", params={"group_id": group["id"], "state": "planned"})
    assert [one["title"] for one in planned["sessions"]] == ["Once"]
    again = run(running_server, "lessons", "remove", lesson["id"], "--json")
    assert (again.returncode, json.loads(again.stdout)["error"]["code"]) == (1, "lesson_not_found")
    assert run(running_server, "lessons", "remove", once[0]).returncode == 0


async def test_a_lesson_that_cannot_be_planned_is_told_why_and_nothing_is_stored(
    running_server: ChildServer, client: ServerClient
) -> None:
    key = uuid4().hex[:8]
    for _ in range(2):
        await client.call("POST", "/api/v1/groups", body={"name": f"Twin {key}"})
    times = ("--day", "2020-01-06", "--from", "08:00", "--to", "08:45", "--json")
    codes = {
        ("--group", f"nobody {key}"): "group_not_found",
        ("--room", f"nowhere {key}"): "room_not_found",
        ("--group", f"Twin {key}"): "name_ambiguous",
        (): "lesson_invalid",
    }
    for options, code in codes.items():
        done = run(running_server, "lessons", "add", f"Never {key}", *times, *options)
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, code), done.stderr
    unrepeated = run(running_server, "lessons", "add", "Never", *times, "--on", "mo")
    assert (unrepeated.returncode, "add --weekly" in unrepeated.stderr) == (2, True)
    listed = json.loads(run(running_server, "lessons", "list", "--json").stdout)
    assert not [one for one in listed["lessons"] if key in one["title"]]
