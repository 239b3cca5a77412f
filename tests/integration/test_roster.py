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


async def test_rooms_and_where_cameras_hang_are_set_from_the_command_line(
    running_server: ChildServer, client: ServerClient
) -> None:
    key = uuid4().hex[:8]
    made = json.loads(run(running_server, "rooms", "add", f"Hall {key}", "--external-id", f"h-{key}", "--json").stdout)
    assert (made["name"], made["external_id"]) == (f"Hall {key}", f"h-{key}")
    assert run(running_server, "cameras", "add", f"hall-{key}").returncode == 0
    place = ("cameras", "place", f"hall-{key}")
    said = run(running_server, *place, "--room", f"hall {key}", "--direction", "toggle", "--reads-qr")
    assert (said.returncode, said.stdout) == (0, f"hall-{key} hangs in hall {key}\n"), said.stderr
    placed = await client.call("GET", f"/api/v1/cameras/hall-{key}/place")
    assert placed == {"room_id": made["id"], "direction": "toggle", "reads_qr": True}
    shown = run(running_server, "rooms", "list").stdout
    assert f"{made['id']}  Hall {key}  hall-{key}" in shown.splitlines()
    lost = run(running_server, *place, "--room", f"nowhere {key}", "--json")
    assert (lost.returncode, json.loads(lost.stdout)["error"]["code"]) == (1, "room_not_found")
    nowhere = json.loads(run(running_server, *place, "--json").stdout)
    assert nowhere == {"room_id": None, "direction": None, "reads_qr": False}
    removed = run(running_server, "rooms", "remove", f"h-{key}", "--json")
    assert json.loads(removed.stdout) == {"ok": True, "id": made["id"]}
    again = run(running_server, "rooms", "remove", made["id"], "--json")
    assert json.loads(again.stdout)["error"]["code"] == "room_not_found"
    run(running_server, "cameras", "remove", f"hall-{key}")


async def test_pins_codes_and_the_roster_come_out_on_the_command_line(
    running_server: ChildServer, client: ServerClient, tmp_path: Path
) -> None:
    key = uuid4().hex[:8]
    body = {"name": f"Pin {key}", "external_id": f"p-{key}"}
    person_id = (await client.call("POST", "/api/v1/people", body=body))["id"]
    pin = run(running_server, "people", "pin", person_id).stdout.strip()
    code = tmp_path / "code.svg"
    made = json.loads(run(running_server, "people", "qr", person_id, "--output", str(code), "--json").stdout)
    assert made["file"] == str(code)
    assert code.read_text().startswith("<svg")
    assert code.stat().st_mode & 0o777 == 0o600
    for body in ({"pin": pin}, {"qr": made["text"]}):
        assert (await client.call("POST", "/api/v1/punches", body=body))["person"]["id"] == person_id
    kept = code.read_bytes()
    assert run(running_server, "people", "qr", person_id, "--output", str(code)).returncode == 1
    assert code.read_bytes() == kept
    assert (await client.call("POST", "/api/v1/punches", body={"qr": made["text"]}))["person"]["id"] == person_id
    unknown = run(running_server, "people", "qr", str(uuid4()), "--output", str(tmp_path / "none.svg"), "--json")
    assert json.loads(unknown.stdout)["error"]["code"] == "person_not_found"
    assert not (tmp_path / "none.svg").exists()

    table = tmp_path / "people.csv"
    assert run(running_server, "roster", "export", "--output", str(table)).returncode == 0
    line = f"p-{key},Pin {key},,"
    assert line in table.read_text().splitlines()
    assert line in run(running_server, "roster", "export").stdout.splitlines()
    await client.call("DELETE", f"/api/v1/people/{person_id}")
