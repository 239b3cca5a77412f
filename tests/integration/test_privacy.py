"""What a running server does for the privacy of the people whom it knows."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from stream_server.child import ChildServer
from stream_server.client import ServerAway, ServerClient, ServerSaidNo
from stream_server.demo.feed import open_feed


async def show(client: ServerClient, pictures: Any, camera: str, seed: int) -> None:
    """A few people walk through the view of a camera."""
    async with open_feed(client, camera) as feed:
        for frame in pictures.view("sample1.jpg", frames=24, seed=seed):
            await feed.send(frame)
            await asyncio.sleep(0.12)


async def test_a_lost_key_costs_the_names_and_not_the_server(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    server = own_server(ROLLCALL_UNKNOWN_FACES__KEEP_DAYS="3")
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        ada = await client.add_person("Ada", consent=True)
        await client.enrol(ada, pictures.crop("sample1.jpg", 0))
    await server.stop()
    key = server.data_dir / "secret-key"
    kept = key.read_text()
    key.unlink()

    await server.start()
    photo = pictures.view("sample1.jpg", frames=1)[0]
    async with server.client() as client:
        ready = await client.readiness()
        assert (ready["gallery"]["templates"], ready["gallery"]["templates_unreadable"]) == (0, 1)
        assert any("1 templates cannot be opened" in reason for reason in ready["reasons"])
        seen = await client.call("POST", "/api/v1/recognise", photo=photo)
        assert {face["name"] for face in seen["faces"]} == {None}
        # Whoever is enrolled looks like a stranger now, and must not be collected as one.
        async with asyncio.timeout(60):
            while not (recognition := (await client.readiness())["recognition"])["unknown_faces_dropped"]:
                await show(client, pictures, "door", 1)
        assert recognition["unknown_faces_stored"] == 0
        assert (await client.call("GET", "/api/v1/unknown-faces"))["unknown_faces"] == []
        by_hand = await client.call("POST", "/api/v1/attendance", body={"person_id": str(ada)})
        assert by_hand["method"] == "manual"
    await server.stop()
    assert "Traceback" not in server.log_path.read_text()

    # The old key is brought back behind the one that was made meanwhile.
    key.write_text(key.read_text() + kept)
    await server.start()
    async with server.client() as client:
        assert (await client.readiness())["gallery"]["templates_unreadable"] == 0
        seen = await client.call("POST", "/api/v1/recognise", photo=photo)
        assert "Ada" in {face["name"] for face in seen["faces"]}

        # Damage under a running server: what is sealed is opened as before, and nothing more is sealed.
        key.write_text("garbage\n")
        ready = await client.readiness()
        assert ready["status"] == "degraded"
        assert any("secret-key cannot be used as a key" in reason for reason in ready["reasons"])
        seen = await client.call("POST", "/api/v1/recognise", photo=photo)
        assert "Ada" in {face["name"] for face in seen["faces"]}
        with pytest.raises(ServerAway) as refused:
            await client.enrol(ada, pictures.crop("sample1.jpg", 0))
        assert refused.value.code == "secret_key_unusable"


async def noted(client: ServerClient, **params: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Action, subject and details of entries in the audit log, the first one first."""
    entries = [entry async for entry in client.pages("/api/v1/audit", "audit", params)]
    return [(entry["action"], entry["subject"], entry["details"]) for entry in reversed(entries)]


async def test_every_answer_is_kept_and_who_has_seen_or_changed_what_is_noted(client: ServerClient) -> None:
    first = await client.call("POST", "/api/v1/consent-texts", body={"text": "May we?"})
    second = await client.call("POST", "/api/v1/consent-texts", body={"text": "May we, please?"})
    assert second["version"] == first["version"] + 1
    assert (await client.call("GET", "/api/v1/consent-texts"))["consent_texts"][0] == second
    assert await client.call("GET", f"/api/v1/consent-texts/{first['version']}") == first
    body = {"name": "Noted", "consent": True, "consent_text": first["version"]}
    person = await client.call("POST", "/api/v1/people", body=body)
    path, subject = f"/api/v1/people/{person['id']}", f"person:{person['id']}"
    assert person["consent_text"] == first["version"]
    await client.call("PATCH", path, body={"name": "Renamed"})
    again = await client.call("PATCH", path, body={"consent": True, "consent_text": second["version"]})
    assert again["consent_text"] == second["version"]
    await client.call("PATCH", path, body={"consent": False})
    for _ in range(3):
        await client.call("GET", path)
    await client.call("POST", "/api/v1/attendance", body={"person_id": person["id"]})
    answers = (await client.call("GET", f"{path}/consents"))["consents"]
    assert [(answer["state"], answer["consent_text"], answer["by"]) for answer in answers] == [
        ("granted", first["version"], "owner-token"),
        ("granted", second["version"], "owner-token"),
        ("revoked", None, "owner-token"),
    ]
    await client.call("DELETE", path)
    found = await noted(client, person_id=person["id"])
    assert found == [
        ("person.created", subject, {}),
        ("consent.granted", subject, {"text": first["version"]}),
        ("person.updated", subject, {"fields": ["name"]}),
        ("consent.granted", subject, {"text": second["version"]}),
        ("consent.revoked", subject, {}),
        ("person.read", subject, {}),
        ("attendance.marked", subject, {"method": "manual"}),
        ("consent.read", subject, {}),
        ("person.erased", subject, {}),
        ("audit.read", subject, {}),
    ]
    assert ("audit.read", subject, {}) in await noted(client, action="audit.")


async def test_what_is_refused_changes_nothing_and_is_not_noted_as_done(client: ServerClient) -> None:
    before = await noted(client, action="person.")
    for body, code in (
        ({"name": "Nobody", "consent": True, "consent_text": 2**30}, "consent_text_unknown"),
        ({"name": "a\u0000b"}, "name_invalid"),
    ):
        with pytest.raises(ServerSaidNo) as refused:
            await client.call("POST", "/api/v1/people", body=body)
        assert refused.value.code == code
    with pytest.raises(ServerSaidNo):
        await client.call("DELETE", f"/api/v1/people/{uuid4()}")
    assert await noted(client, action="person.") == before


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("since=2026-03-02", "invalid_input"),
        ("since=2026-03-02T12:00:00", "invalid_input"),
        ("action=a%25", "invalid_input"),
        ("limit=201", "invalid_input"),
        ("cursor=rubbish", "cursor_invalid"),
        ("person_id=7", "invalid_input"),
    ],
)
async def test_the_audit_log_cannot_be_asked_for_anything(client: ServerClient, query: str, code: str) -> None:
    with pytest.raises(ServerSaidNo) as refused:
        await client.call("GET", f"/api/v1/audit?{query}")
    assert refused.value.code == code


async def test_the_request_that_did_it_is_named_and_so_is_a_reader_of_events(
    client: ServerClient, running_server: ChildServer
) -> None:
    person_id = await client.add_person("Traced", consent=False)
    headers = {"Authorization": f"Bearer {running_server.token}", "X-Request-ID": "app-42"}
    async with httpx.AsyncClient(base_url=running_server.url, headers=headers) as http:
        answer = await http.patch(f"/api/v1/people/{person_id}", json={"name": "Traced again"})
        assert answer.headers["X-Request-ID"] == "app-42"
        assert (await http.get("/nothing")).headers["X-Request-ID"] == "app-42"
        async with http.stream("GET", "/api/v1/events") as events:
            assert events.status_code == 200
    entries = [entry async for entry in client.pages("/api/v1/audit", "audit")]
    assert {entry["action"] for entry in entries if entry["request_id"] == "app-42"} == {
        "person.updated",
        "events.followed",
    }


async def test_the_commands_do_the_same(client: ServerClient, running_server: ChildServer, tmp_path: Path) -> None:
    def rollcall(*arguments: str, typed: str = "") -> str:
        done = running_server.run_command(*arguments, "--server", running_server.url, typed=typed)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    async def run(*arguments: str, typed: str = "") -> str:
        return await asyncio.to_thread(rollcall, *arguments, typed=typed)

    person_id = await client.add_person("Commanded", consent=False)
    (tmp_path / "text.txt").write_text("May we count you by face?\nYou may say no.\n")
    assert "version" in await run("consent-texts", "publish", str(tmp_path / "text.txt"))
    version = json.loads(await run("consent-texts", "list", "--json"))["consent_texts"][0]["version"]
    assert "May we count you" in await run("consent-texts", "list")
    assert (await run("consent-texts", "show", str(version))).endswith("You may say no.\n")
    assert f"granted to version {version}" in await run("people", "consent", str(person_id), "--grant")
    assert "consent revoked" in await run("people", "consent", str(person_id), "--revoke")
    answers = await run("people", "consents", str(person_id))
    assert [line.split()[1] for line in answers.splitlines()] == ["granted", "revoked"]
    assert "was erased" in await run("people", "erase", str(person_id), typed="y\n")
    log = await run("audit", "--person", str(person_id), "--action", "person.", "--since", "2026-01-01", "--count", "2")
    assert [line.split("  ")[2] for line in log.splitlines()] == ["person.erased", "person.created"]


async def test_what_is_held_on_somebody_can_be_asked_for_and_that_is_noted(
    client: ServerClient, running_server: ChildServer, tmp_path: Path
) -> None:
    person_id = await client.add_person("Exported", consent=True)
    await client.call("POST", "/api/v1/attendance", body={"person_id": str(person_id), "note": "late bus"})
    path = tmp_path / "held.json"
    command = ("people", "export", str(person_id), "--output", str(path), "--server", running_server.url)
    done = await asyncio.to_thread(running_server.run_command, *command)
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    held = json.loads(path.read_text())
    assert (held["person"]["name"], held["attendance"][0]["note"]) == ("Exported", "late bus")
    assert "person.exported" in {entry["action"] for entry in held["audit"]}
    again = await asyncio.to_thread(running_server.run_command, *command)
    assert again.returncode == 1  # no file is overwritten
    with pytest.raises(ServerSaidNo) as refused:
        await client.call("GET", f"/api/v1/people/{uuid4()}/export")
    assert refused.value.code == "person_not_found"


async def test_a_stranger_is_kept_where_the_site_says_so_and_becomes_a_person_or_is_ignored(
    own_server: Callable[..., ChildServer], pictures: Any, tmp_path: Path
) -> None:
    server = own_server(ROLLCALL_UNKNOWN_FACES__KEEP_DAYS="3", ROLLCALL_UNKNOWN_FACES__CROPS="true")
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        path = "/api/v1/unknown-faces"

        async def listed() -> list[dict[str, Any]]:
            return list((await client.call("GET", path))["unknown_faces"])

        await show(client, pictures, "door", 1)
        async with asyncio.timeout(20):
            while len(await listed()) < 2:
                await show(client, pictures, "door", 1)
        faces = await listed()
        assert {tuple(face["cameras"]) for face in faces} == {("door",)}
        first, second = faces[0]["id"], faces[1]["id"]
        crop = await client.call("GET", f"{path}/{first}")
        assert crop["has_crop"]
        command = ("unknown-faces", "crop", first, str(tmp_path / "face.jpg"), "--server", server.url)
        done = await asyncio.to_thread(server.run_command, *command)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "face.jpg").read_bytes().startswith(b"\xff\xd8\xff")

        no_consent = await client.add_person("Said No", consent=False)
        with pytest.raises(ServerSaidNo) as refused:
            await client.call("POST", f"{path}/{first}/assign", body={"person_id": str(no_consent)})
        assert refused.value.code == "consent_missing"
        with pytest.raises(ServerSaidNo):
            await client.call("POST", f"{path}/{first}/person", body={"name": "Nobody", "consent": False})
        assert first in [face["id"] for face in await listed()]  # nothing half done
        assert "Nobody" not in [person["name"] async for person in client.pages("/api/v1/people", "people")]

        named = await client.call("POST", f"{path}/{first}/person", body={"name": "No Stranger", "consent": True})
        assert named["templates"] >= 1
        await client.call("POST", f"{path}/{second}/ignore")
        assert {first, second}.isdisjoint(face["id"] for face in await listed())
        async with asyncio.timeout(10):
            while (await client.readiness())["gallery"]["people"] < 1:
                await asyncio.sleep(0.02)
        seen = await client.call("POST", "/api/v1/recognise", photo=pictures.view("sample1.jpg", frames=1)[0])
        assert "No Stranger" in {face["name"] for face in seen["faces"]}
        others = {face["id"] for face in await listed()}
        await show(client, pictures, "yard", 2)
        assert {first, second}.isdisjoint(face["id"] for face in await listed())
        # Whoever was named or is ignored is not collected anew.
        assert all("door" in face["cameras"] for face in await listed() if face["id"] in others)

        actions = [
            entry["action"] async for entry in client.pages("/api/v1/audit", "audit", {"action": "unknown_face."})
        ]
        assert actions == ["unknown_face.ignored", "unknown_face.named"]
        # Everybody's face enrolled as one person's: when they take consent back, all that looks like it goes as well.
        everybody = await client.add_person("Everybody", consent=True)
        for number in range(len(pictures.faces("sample1.jpg"))):
            with contextlib.suppress(ServerSaidNo):  # some are too small to be enrolled
                await client.enrol(everybody, pictures.crop("sample1.jpg", number))
        before = len(await listed())
        await client.call("PATCH", f"/api/v1/people/{everybody}", body={"consent": False})
        assert (await client.call("GET", f"{path}?ignored=true"))["unknown_faces"] == []
        left = await listed()
        assert len(left) < max(before, 1)
        for face in left:
            await client.call("DELETE", f"{path}/{face['id']}")
        assert await listed() == []
        await client.call("DELETE", f"/api/v1/people/{named['person_id']}")
    log = server.log_path.read_text()
    assert "Traceback" not in log, log


async def test_strangers_are_not_kept_unless_the_site_says_so(client: ServerClient, pictures: Any) -> None:
    async with open_feed(client, "lobby") as feed:
        for frame in pictures.view("sample1.jpg", frames=12):
            await feed.send(frame)
            await asyncio.sleep(0.1)
    assert (await client.call("GET", "/api/v1/unknown-faces"))["unknown_faces"] == []
    assert (await client.readiness())["recognition"]["unknown_faces_dropped"] == 0
