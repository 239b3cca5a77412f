import asyncio
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from storage import people, unknown_faces


async def collected(api: Any) -> UUID:
    async with api.database.acquire() as connection:
        face_id = await unknown_faces.begin(connection, api.at)
        await unknown_faces.add_member(
            connection,
            face_id,
            cipher=api.services.box,
            model_id="model-a",
            embedding=np.ones(128, np.float32),
            quality=0.5,
            camera_id="door",
            at=api.at,
            crop_jpeg=None,
        )
    return face_id


async def test_ignoring_again_is_noted_once(api: Any) -> None:
    face_id = await collected(api)
    for _ in range(2):
        await api.call("POST", f"/unknown-faces/{face_id}/ignore", 204)
    page = await api.call("GET", "/audit", params={"action": "unknown_face.ignored"})
    assert [entry["subject"] for entry in page["audit"]] == [f"unknown_face:{face_id}"]


async def test_one_too_many_to_be_ignored_is_refused_and_none_is_let_go_for_it(api: Any) -> None:
    many = api.settings.unknown_faces.max_people
    first = await collected(api)
    await api.call("POST", f"/unknown-faces/{first}/ignore", 204)
    async with api.database.acquire() as connection:
        await connection.execute(
            """
            INSERT INTO unknown_faces (id, seen, first_seen_at, last_seen_at, ignored_at)
            SELECT gen_random_uuid(), 1, $1, $1, $1 FROM generate_series(2, $2)
            """,
            api.at,
            many,
        )
    one_more = await collected(api)
    problem = await api.call("POST", f"/unknown-faces/{one_more}/ignore", 409)
    assert problem["code"] == "ignored_faces_limit"
    await api.call("POST", f"/unknown-faces/{first}/ignore", 204)  # it is ignored already
    await api.call("DELETE", f"/unknown-faces/{first}", 204)
    await api.call("POST", f"/unknown-faces/{one_more}/ignore", 204)


@pytest.mark.parametrize(
    ("path", "status", "code"), [("assign", 404, "unknown_face_not_found"), ("person", 409, "external_id_taken")]
)
async def test_who_names_a_face_waits_for_who_sorts_faces_and_ends_in_no_circle(
    api: Any, path: str, status: int, code: str
) -> None:
    face_id, ada = await collected(api), await api.person("Ada", consent=True)
    somebody_new = {"name": "Eve", "external_id": "s-9", "consent": True}
    body = {"person_id": str(ada)} if path == "assign" else somebody_new
    async with api.database.acquire() as connection, connection.transaction():
        await unknown_faces.lock(connection)
        naming = asyncio.create_task(api.call("POST", f"/unknown-faces/{face_id}/{path}", status, json=body))
        async with asyncio.timeout(60):
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
        if path == "assign":
            await unknown_faces.delete(connection, face_id)
        else:
            await people.create(connection, name="Eve", external_id="s-9", at=api.at)
    assert (await naming)["code"] == code
