import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from storage import people, templates, unknown_faces
from storage.database import Connection

SOMEBODY = "Ada"


def face(x: float) -> Any:
    vector = np.zeros(128, np.float32)
    vector[0] = x
    return vector


async def enrol(api: Any, connection: Connection, person_id: UUID, model_id: str = "model-a") -> None:
    await templates.add(
        connection,
        cipher=api.services.box,
        person_id=person_id,
        model_id=model_id,
        embedding=face(0.0),
        quality=0.5,
        source="photograph",
    )


async def stranger(api: Any, x: float, model_id: str = "model-a", *, ignored: bool = False) -> UUID:
    async with api.database.acquire() as connection:
        face_id = await unknown_faces.begin(connection, api.at)
        await unknown_faces.add_member(
            connection,
            face_id,
            cipher=api.services.box,
            model_id=model_id,
            embedding=face(x),
            quality=0.5,
            camera_id="door",
            at=api.at,
            crop_jpeg=None,
        )
        if ignored:
            await unknown_faces.ignore(connection, face_id, api.at, ignored_max=9)
    return face_id


async def strangers(api: Any) -> set[UUID]:
    async with api.database.acquire() as connection:
        return {row["id"] for row in await connection.fetch("SELECT id FROM unknown_faces")}


async def noted(api: Any, person_id: UUID) -> list[str]:
    """What the audit log has of a person besides that somebody looked, the first first."""
    async with api.database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT action, details FROM audit_log WHERE subject = $1 ORDER BY at, action", f"person:{person_id}"
        )
    return [row["action"] for row in rows if not row["action"].endswith(".read")]


async def until_some_wait(connection: Connection, count: int = 1) -> None:
    async with asyncio.timeout(60):
        while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_taking_consent_back_waits_for_an_enrolment_and_ends_in_no_circle(api: Any, method: str) -> None:
    ada = await api.person(SOMEBODY, consent=True)
    await stranger(api, 0.1, ignored=True)
    body = {"json": {"consent": False}} if method == "PATCH" else {}
    async with api.database.acquire() as connection:
        await enrol(api, connection, ada)
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM people WHERE id = $1 FOR NO KEY UPDATE", ada)
            revoking = asyncio.create_task(api.call(method, f"/people/{ada}", **body))
            async with api.database.acquire() as other:
                await until_some_wait(other)
            # The face that is enrolled now is of a model of which none was known.
            await enrol(api, connection, ada, "model-b")
    await revoking
    assert await strangers(api) == set()
    async with api.database.acquire() as connection:
        assert await templates.list_of_person(connection, ada) == []


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_unknown_faces_of_every_model_go_with_consent(api: Any, method: str) -> None:
    ada = await api.person(SOMEBODY, consent=True)
    async with api.database.acquire() as connection:
        await enrol(api, connection, ada, "model-a")
        await enrol(api, connection, ada, "model-b")
    for model_id in ("model-a", "model-b"):
        await stranger(api, 0.1, model_id)
    elsewhere = await stranger(api, 3.0, "model-b"), await stranger(api, 0.1, "model-c")
    await api.call(method, f"/people/{ada}", **({"json": {"consent": False}} if method == "PATCH" else {}))
    assert await strangers(api) == set(elsewhere)


async def test_only_what_changes_a_person_is_noted(api: Any) -> None:
    ada = await api.person(SOMEBODY, "17", consent=True)
    begin = ["consent.granted", "person.created"]
    for body in ({"consent": True}, {"name": SOMEBODY}, {"external_id": "17"}, {"name": SOMEBODY, "consent": True}, {}):
        await api.call("PATCH", f"/people/{ada}", json=body)
    assert await noted(api, ada) == begin
    api.at += timedelta(minutes=1)
    await api.call("PATCH", f"/people/{ada}", json={"name": "Countess", "external_id": "17", "consent": True})
    assert await noted(api, ada) == [*begin, "person.updated"]
    api.at += timedelta(minutes=1)
    for _ in range(2):
        await api.call("PATCH", f"/people/{ada}", json={"consent": False})
    assert await noted(api, ada) == [*begin, "person.updated", "consent.revoked"]
    api.at += timedelta(minutes=1)
    for _ in range(2):
        await api.call("DELETE", f"/people/{ada}", 204)
    assert await noted(api, ada) == [*begin, "person.updated", "consent.revoked", "person.erased"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_of_two_who_change_the_same_at_once_one_is_noted(api: Any, method: str) -> None:
    ada = await api.person(SOMEBODY)
    body = {"json": {"name": "Countess"}} if method == "PATCH" else {}
    async with api.database.acquire() as connection:
        async with connection.transaction():
            await people.hold(connection, ada)
            both = [asyncio.create_task(api.call(method, f"/people/{ada}", **body)) for _ in range(2)]
            await until_some_wait(connection, 2)
        await asyncio.gather(*both)
    action = "person.updated" if method == "PATCH" else "person.erased"
    assert (await noted(api, ada)).count(action) == 1


async def test_what_was_changed_is_noted_by_its_field(api: Any) -> None:
    ada = await api.person(SOMEBODY, "17")
    await api.call("PATCH", f"/people/{ada}", json={"name": "Countess", "external_id": "17"})
    page = await api.call("GET", "/audit", params={"action": "person.updated"})
    assert [entry["details"] for entry in page["audit"]] == [{"fields": ["name"]}]


async def test_consent_to_another_text_is_noted_and_nobody_s_erasure_is_not(api: Any) -> None:
    ada = await api.person(SOMEBODY, consent=True)
    text = await api.call("POST", "/consent-texts", 201, json={"text": "May we?"})
    for _ in range(2):
        body = {"consent": True, "consent_text": text["version"]}
        await api.call("PATCH", f"/people/{ada}", json=body)
    assert (await noted(api, ada)).count("consent.granted") == 2
    nobody = UUID(int=7)
    await api.call("DELETE", f"/people/{nobody}", 404)
    assert await noted(api, nobody) == []


async def test_held_is_whoever_is_there_also_when_erased(api: Any) -> None:
    ada = await api.person(SOMEBODY)
    await api.call("DELETE", f"/people/{ada}", 204)
    async with api.database.acquire() as connection, connection.transaction():
        assert (await people.hold(connection, ada)).erased_at is not None
