"""The REST API of a running server, with real faces."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from stream_server.child import ChildServer
from stream_server.client import ServerAway, ServerClient, ServerSaidNo
from stream_server.demo.views import encode_jpeg


async def refused(client: ServerClient, method: str, path: str, **options: Any) -> ServerSaidNo:
    with pytest.raises(ServerSaidNo) as error:
        await client.call(method, path, **options)
    return error.value


async def test_enrolment_by_photograph_says_how_good_the_face_is(
    client: ServerClient, pictures: Any, enrol: Any
) -> None:
    person_id = await enrol("Somebody")
    made = await client.call("POST", f"/api/v1/people/{person_id}/templates", photo=pictures.crop("sample1.jpg", 0))
    assert made["face"]["size_px"] > 40
    assert 0 < made["face"]["score"] <= 1
    listed = await client.call("GET", f"/api/v1/people/{person_id}/templates")
    assert [template["id"] for template in listed["templates"]] == [made["id"]]
    assert "embedding" not in json.dumps(listed)
    await client.call("DELETE", f"/api/v1/people/{person_id}/templates/{made['id']}")
    assert (await client.call("GET", f"/api/v1/people/{person_id}"))["templates"] == 0


@pytest.mark.parametrize(
    ("name", "code"),
    [("no face", "no_face"), ("two faces", "several_faces"), ("tiny", "too_small"), ("cut short", "image_truncated")],
)
async def test_a_photograph_that_cannot_enrol_is_refused_with_its_reason(
    client: ServerClient, pictures: Any, enrol: Any, blank_jpeg: bytes, name: str, code: str
) -> None:
    person_id = await enrol("Refused")
    image = pictures.image("sample1.jpg")
    x1, y1, x2, y2 = pictures.faces("sample1.jpg")[0].box_xyxy
    tiny = np.full((600, 800, 3), 128, np.uint8)
    face = image[y1 - 60 : y2 + 60, x1 - 60 : x2 + 60]
    step = max(1, face.shape[0] // 44)
    small = face[::step, ::step]
    tiny[200 : 200 + small.shape[0], 300 : 300 + small.shape[1]] = small
    photo = {
        "no face": blank_jpeg,
        "two faces": encode_jpeg(image[:, :1100], 85),
        "tiny": encode_jpeg(tiny, 95),
        "cut short": pictures.crop("sample1.jpg", 0)[:3000],
    }[name]
    error = await refused(client, "POST", f"/api/v1/people/{person_id}/templates", photo=photo)
    assert error.code == code
    assert error.hint
    assert (await client.call("GET", f"/api/v1/people/{person_id}"))["templates"] == 0


async def test_a_picture_is_checked_without_storing_anything(
    client: ServerClient, pictures: Any, enrol: Any, blank_jpeg: bytes
) -> None:
    person_id = await enrol("Before The Camera")
    path = f"/api/v1/people/{person_id}/templates/check"
    good = await client.call("POST", path, photo=pictures.crop("sample1.jpg", 0))
    assert good["refusal"] is None
    assert good["face"]["size_px"] > 40
    x1, y1, x2, y2 = good["box_xyxy"]
    assert 0 <= x1 < x2 <= 1
    assert 0 <= y1 < y2 <= 1
    empty = await client.call("POST", path, photo=blank_jpeg)
    assert (empty["refusal"], empty["face"], empty["box_xyxy"]) == ("no_face", None, None)
    assert empty["detail"]
    assert empty["hint"]
    assert (await client.call("GET", f"/api/v1/people/{person_id}"))["templates"] == 0
    await client.call("PATCH", f"/api/v1/people/{person_id}", body={"consent": False})
    error = await refused(client, "POST", path, photo=pictures.crop("sample1.jpg", 0))
    assert error.code == "consent_missing"


async def test_enrolment_names_somebody_else_who_is_enrolled_with_such_a_face(
    client: ServerClient, pictures: Any, enrol: Any
) -> None:
    first = await enrol("Ada", pictures.crop("sample1.jpg", 2))
    again = await client.call("POST", f"/api/v1/people/{first}/templates", photo=pictures.crop("sample1.jpg", 2))
    assert again["looks_like"] is None, "nobody looks like themselves"
    await client.call("DELETE", f"/api/v1/people/{first}/templates/{again['id']}")
    twice = await enrol("Ada Again")
    made = await client.call("POST", f"/api/v1/people/{twice}/templates", photo=pictures.crop("sample3.jpg", 1))
    assert made["looks_like"]["person"] == {"id": str(first), "name": "Ada"}
    assert made["looks_like"]["same"]
    await client.call("DELETE", f"/api/v1/people/{twice}/templates/{made['id']}")
    other = await client.call("POST", f"/api/v1/people/{twice}/templates", photo=pictures.crop("sample1.jpg", 0))
    assert other["looks_like"] is None


async def test_people_are_searched_by_body_so_that_no_name_stands_in_the_log(
    client: ServerClient, running_server: ChildServer
) -> None:
    person_id = await client.add_person("Zuse, Konrad", consent=False)
    found = await client.call("POST", "/api/v1/people/search", body={"text": "konrad"})
    assert [person["id"] for person in found["people"]] == [str(person_id)]
    assert (await client.call("POST", "/api/v1/people/search", body={"text": "konrad", "group_id": str(uuid4())}))[
        "people"
    ] == []
    assert "konrad" not in running_server.log_path.read_text().lower()


async def test_without_consent_no_photograph_is_looked_at(client: ServerClient, pictures: Any) -> None:
    person_id = await client.add_person("Unasked", consent=False)
    error = await refused(
        client, "POST", f"/api/v1/people/{person_id}/templates", photo=pictures.crop("sample1.jpg", 0)
    )
    assert error.code == "consent_missing"
    assert (await client.call("GET", f"/api/v1/people/{person_id}"))["consent"] == "none"


async def test_taking_consent_back_stops_recognition_at_once(client: ServerClient, pictures: Any, enrol: Any) -> None:
    person_id = await enrol("Changed Mind", pictures.crop("sample1.jpg", 0))
    photo = pictures.view("sample1.jpg", frames=1)[0]
    seen = await client.call("POST", "/api/v1/recognise", photo=photo)
    assert "Changed Mind" in [face["name"] for face in seen["faces"]]
    changed = await client.call("PATCH", f"/api/v1/people/{person_id}", body={"consent": False})
    assert (changed["consent"], changed["templates"]) == ("revoked", 0)
    async with asyncio.timeout(5):
        while (await client.readiness())["gallery"]["templates"] > 0:
            await asyncio.sleep(0.02)
    seen = await client.call("POST", "/api/v1/recognise", photo=photo)
    assert {face["name"] for face in seen["faces"]} == {None}


async def test_one_shot_recognition_marks_nobody(client: ServerClient, pictures: Any, enrol: Any) -> None:
    person_id = await enrol("Only Asked", pictures.crop("sample1.jpg", 1))
    seen = await client.call("POST", "/api/v1/recognise", photo=pictures.view("sample1.jpg", frames=1)[0])
    assert (seen["width"], seen["height"]) == (640, 480)
    known = [face for face in seen["faces"] if face["state"] == "known"]
    assert [(face["name"], face["person_id"]) for face in known] == [("Only Asked", str(person_id))]
    assert str(person_id) not in json.dumps(await client.attendance())


async def test_boxes_are_pixels_of_the_picture_that_was_sent(client: ServerClient, pictures: Any) -> None:
    image = pictures.image("sample1.jpg")  # 1920 x 1280
    large = encode_jpeg(np.ascontiguousarray(np.kron(image, np.ones((3, 3, 1), np.uint8))), 70)  # decoded smaller
    normal = await client.call("POST", "/api/v1/recognise", photo=encode_jpeg(image, 90))
    seen = await client.call("POST", "/api/v1/recognise", photo=large)
    assert (seen["width"], seen["height"]) == (5760, 3840)
    boxes = sorted(face["box_xyxy"] for face in normal["faces"])
    for small, big in zip(boxes, sorted(face["box_xyxy"] for face in seen["faces"]), strict=True):
        assert big == pytest.approx([3 * value for value in small], abs=45)


async def test_somebody_can_be_marked_by_hand_without_a_face(client: ServerClient) -> None:
    person_id = await client.add_person("By Hand", consent=False)
    body = {"person_id": str(person_id)}
    first = await client.call("POST", "/api/v1/attendance", body=body)
    again = await client.call("POST", "/api/v1/attendance", body=body)
    assert first["method"] == "manual"
    assert again == first
    session = await client.call("GET", f"/api/v1/sessions/{first['session_id']}")
    assert session["kind"] == "open"
    of_session = [r async for r in client.pages("/api/v1/attendance", "attendance", {"session_id": session["id"]})]
    assert first in of_session
    assert [r["id"] async for r in client.pages("/api/v1/attendance", "attendance", {"person_id": str(person_id)})] == [
        first["id"]
    ]
    sessions = [s["id"] async for s in client.pages("/api/v1/sessions", "sessions")]
    assert session["id"] in sessions


async def test_lists_come_in_pages_without_gap_or_repeat(client: ServerClient) -> None:
    added = {str(await client.add_person(f"Page {number:02}", consent=False)) for number in range(7)}
    listed, cursor = [], None
    while True:
        params = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        page = await client.call("GET", "/api/v1/people", params=params)
        assert len(page["people"]) <= 3
        listed += [person["id"] for person in page["people"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(listed) == len(set(listed))
    assert added <= set(listed)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/nothing", None, 404, "not_found"),
        ("DELETE", "/api/v1/attendance", None, 405, "method_not_allowed"),
        ("GET", f"/api/v1/people/{UUID(int=7)}", None, 404, "person_not_found"),
        ("GET", "/api/v1/people/7", None, 422, "invalid_input"),
        ("POST", "/api/v1/people", {"name": " "}, 422, "invalid_input"),
        ("POST", "/api/v1/people", {"name": "a\u0000b"}, 400, "name_invalid"),
        ("POST", "/api/v1/people", {"name": "x", "admin": True}, 422, "invalid_input"),
        ("POST", "/api/v1/people", {"name": "x" * 100_000}, 413, "content_too_large"),
        ("GET", "/api/v1/people?limit=1000", None, 422, "invalid_input"),
        ("GET", "/api/v1/people?cursor=rubbish", None, 400, "cursor_invalid"),
        ("PUT", "/api/v1/cameras/Not%20An%20Id", {}, 422, "invalid_input"),
        ("POST", "/api/v1/attendance", {"person_id": str(uuid4())}, 404, "person_not_found"),
    ],
)
async def test_what_cannot_be_served_is_a_problem_in_the_one_shape(
    running_server: ChildServer, method: str, path: str, body: object, status: int, code: str
) -> None:
    async with httpx.AsyncClient(base_url=running_server.url) as http:
        response = await http.request(
            method, path, json=body, headers={"Authorization": f"Bearer {running_server.token}"}
        )
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert set(response.json()) == {"type", "title", "status", "code", "detail", "hint"}
    assert len(response.content) < 2000


async def test_an_external_id_belongs_to_one_person(client: ServerClient) -> None:
    await client.call("POST", "/api/v1/people", body={"name": "First", "external_id": "s-1"})
    error = await refused(client, "POST", "/api/v1/people", body={"name": "Second", "external_id": "s-1"})
    assert error.code == "external_id_taken"


async def test_a_photograph_of_20_mb_is_refused_while_it_arrives(running_server: ChildServer) -> None:
    async with httpx.AsyncClient(base_url=running_server.url) as http:
        headers = {"Authorization": f"Bearer {running_server.token}"}
        response = await http.post("/api/v1/recognise", content=bytes(20_000_000), headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "content_too_large")


async def test_only_healthz_answers_without_a_token(running_server: ChildServer) -> None:
    async with httpx.AsyncClient(base_url=running_server.url) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        for path in ("/readyz", "/api/v1/people", "/api/v1/openapi.json", "/docs", "/nothing"):
            response = await http.get(path)
            assert (response.status_code, response.json()["code"]) == (401, "unauthenticated"), path


async def test_a_foreign_page_gets_no_cors_headers_and_an_allowed_one_does(own_server: Any) -> None:
    server = own_server(ROLLCALL_HTTP__ALLOWED_ORIGINS='["https://school.example"]')
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with httpx.AsyncClient(base_url=server.url) as http:
        ask = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        allowed = await http.options("/api/v1/people", headers={"Origin": "https://school.example", **ask})
        foreign = await http.options("/api/v1/people", headers={"Origin": "https://evil.example", **ask})
    assert allowed.headers["access-control-allow-origin"] == "https://school.example"
    assert "access-control-allow-origin" not in foreign.headers


async def test_many_photographs_at_once_are_refused_before_they_are_read(own_server: Any, blank_jpeg: bytes) -> None:
    server = own_server()
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        before = (await client.readiness())["memory"]["peak_rss_mb"]
        head = (
            "POST /api/v1/recognise HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n"
        ).encode()
        peers = []
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head + bytes(7_900_000))  # and the rest never comes
            peers.append((reader, writer))
        answers = await asyncio.gather(*(_status_line(reader) for reader, _ in peers))
        assert sum(b"503" in answer for answer in answers) == 16
        assert (await client.readiness())["memory"]["peak_rss_mb"] < before + 60
        assert (await client.readiness())["recognition"]["refused_single"] == 16
        for _, writer in peers:
            writer.transport.abort()
        async with asyncio.timeout(10):
            while True:  # the places are free again
                try:
                    seen = await client.call("POST", "/api/v1/recognise", photo=blank_jpeg)
                    break
                except ServerAway:
                    await asyncio.sleep(0.05)
        assert seen["faces"] == []


async def _status_line(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(5):
            return await reader.readline()
    except TimeoutError:
        return b""
