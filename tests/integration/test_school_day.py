"""A whole school day on a running server, from the roster in the morning to the report and the audit log at night."""

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.demo.feed import open_feed

API = "/api/v1"
ROSTER = """external_id,name,groups
s-1,Prompt Park,7b
s-2,Late Lopez,7a
s-3,Twin One,7a
s-4,Twin Two,7a
s-5,Pin Perez,7a
s-6,Away Abe,7a
"""


class School:
    """The school as its office and its cameras see it."""

    def __init__(self, server: ChildServer, client: ServerClient, pictures: Any) -> None:
        self.server, self.client, self.pictures = server, client, pictures
        self.ids: dict[str, str] = {}

    async def call(self, method: str, path: str, **options: Any) -> Any:
        return await self.client.call(method, f"{API}{path}", **options)

    async def listed(self, path: str, key: str, **params: str) -> list[dict[str, Any]]:
        return [item async for item in self.client.pages(f"{API}{path}", key, params)]

    async def session(self, title: str) -> dict[str, Any]:
        return next(one for one in await self.listed("/sessions", "sessions") if one["title"] == title)

    async def records(self, title: str) -> dict[str, tuple[str, str]]:
        """Status and method of everybody in a lesson."""
        session_id = (await self.session(title))["id"]
        found = await self.listed("/attendance", "attendance", session_id=session_id)
        return {record["person"]["name"]: (record["status"], record["method"]) for record in found}

    @asynccontextmanager
    async def looking(self, camera: str, photograph: str) -> AsyncIterator[None]:
        """A camera looks at these people for as long as the block runs."""

        async def look() -> None:
            async with open_feed(self.client, camera) as feed:
                while True:
                    for frame in self.pictures.view(photograph, frames=30):
                        await feed.send(frame)
                        await asyncio.sleep(0.12)

        looking = asyncio.create_task(look())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def until(holds: Callable[[], Any], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.1)


@pytest_asyncio.fixture
async def school(own_server: Callable[..., ChildServer], pictures: Any) -> AsyncIterator[School]:
    server = own_server(
        ROLLCALL_CAMERAS__MAX_FPS="20", ROLLCALL_UNKNOWN_FACES__KEEP_DAYS="3", ROLLCALL_SITE__NAME="Noether School"
    )
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        yield School(server, client, pictures)
    assert await server.stop() == 0
    log = server.log_path.read_text()
    assert "Traceback" not in log, log
    for name in ("Late Lopez", "Twin One", "Pin Perez"):
        assert name not in log


def calendar(*lessons: tuple[str, str, str, datetime]) -> bytes:
    """An iCalendar file of lessons of two hours: title, group, room, begin."""
    events = [
        f"BEGIN:VEVENT\r\nUID:{title}@school.example\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:{title}\r\nCATEGORIES:{group}\r\n"
        f"LOCATION:{room}\r\nDTSTART:{begin:%Y%m%dT%H%M%SZ}\r\nDURATION:PT2H\r\nEND:VEVENT\r\n"
        for title, group, room, begin in lessons
    ]
    head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//school//EN\r\n"
    return (head + "".join(events) + "END:VCALENDAR\r\n").encode()


async def import_roster(school: School) -> None:
    dry = await school.call("POST", "/roster/import", photo=ROSTER.encode())
    assert not dry["applied"]
    assert await school.listed("/people", "people") == []
    done = await school.call("POST", "/roster/import", photo=ROSTER.encode(), params={"apply": "true"})
    assert done["rows"] == dry["rows"]
    school.ids = {person["name"]: person["id"] for person in await school.listed("/people", "people")}
    assert len(school.ids) == 6


async def ask_for_consent(school: School) -> int:
    """Everybody agrees to the text but two, who will come without a face."""
    text = await school.call("POST", "/consent-texts", body={"text": "May the cameras know you?"})
    for name in ("Prompt Park", "Late Lopez", "Twin One", "Twin Two"):
        body = {"consent": True, "consent_text": text["version"]}
        person = await school.call("PATCH", f"/people/{school.ids[name]}", body=body)
        assert (person["consent"], person["consent_text"]) == ("granted", text["version"])
    return int(text["version"])


async def enrol(school: School) -> None:
    """By photographs named by external id; nobody without consent is even looked at."""
    crop = school.pictures.crop
    photographs = {
        "s-1.jpg": crop("sample4.jpg", 0),
        "s-2.jpg": crop("sample3.jpg", 0),
        "s-3.jpg": crop("sample3.jpg", 2),  # twins: one face for two names
        "s-4.jpg": crop("sample3.jpg", 2),
        "s-5.jpg": crop("sample3.jpg", 1),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, photo in photographs.items():
            file.writestr(name, photo)
    report = await school.call("POST", "/roster/photographs", photo=archive.getvalue())
    refused = {one["file"]: one["code"] for one in report["photographs"] if not one["enrolled"]}
    assert (report["enrolled"], refused) == (4, {"s-5.jpg": "consent_missing"})
    await until(lambda: gallery_has(school, 4))


async def gallery_has(school: School, people: int) -> bool:
    return bool((await school.client.readiness())["gallery"]["people"] == people)


async def plan_lessons(school: School) -> None:
    """Maths has begun twenty minutes ago, so that whoever comes now is late; art has only just begun."""
    for number in ("1", "2"):
        room = await school.call("POST", "/rooms", body={"name": f"Room {number}"})
        await school.client.add_camera(f"room-{number}")
        await school.call("PUT", f"/cameras/room-{number}/place", body={"room_id": room["id"]})
    now = datetime.now(UTC).replace(microsecond=0)
    lessons = calendar(
        ("Maths", "7a", "Room 1", now - timedelta(minutes=20)), ("Art", "7b", "Room 2", now - timedelta(seconds=5))
    )
    report = await school.call("POST", "/timetable/import", photo=lessons, params={"apply": "true"})
    assert [row["outcome"] for row in report["rows"]] == ["created", "created"], report

    async def running() -> bool:
        states = {one["title"]: one["state"] for one in await school.listed("/sessions", "sessions")}
        return states.get("Maths") == states.get("Art") == "running"

    await until(running)


async def settle_the_twins(school: School) -> None:
    """The face comes as near to one as to the other: nobody is named until somebody says who it was."""
    (review,) = await school.listed("/reviews", "reviews", state="open")
    assert {candidate["person"]["name"] for candidate in review["candidates"]} == {"Twin One", "Twin Two"}
    assert not {"Twin One", "Twin Two"} & set(await school.records("Maths"))
    settled = await school.call("POST", f"/reviews/{review['id']}", body={"person_id": school.ids["Twin One"]})
    assert (settled["state"], settled["settled_by"]) == ("person", "owner-token")
    with pytest.raises(ServerSaidNo) as refused:
        await school.call("POST", f"/reviews/{review['id']}", body={"person_id": school.ids["Twin Two"]})
    assert refused.value.code == "review_settled"


async def name_a_stranger(school: School, consent_text: int) -> None:
    """Of the strangers one agrees and is named; the others are deleted."""
    strangers = await school.listed("/unknown-faces", "unknown_faces")
    (chosen, *others) = sorted(strangers, key=lambda face: float(face["quality"]), reverse=True)
    assert others
    body = {"name": "New Novak", "consent": True, "consent_text": consent_text}
    named = await school.call("POST", f"/unknown-faces/{chosen['id']}/person", body=body)
    school.ids["New Novak"] = named["person_id"]
    for face in others:
        await school.call("DELETE", f"/unknown-faces/{face['id']}")
    assert await school.listed("/unknown-faces", "unknown_faces") == []
    await until(lambda: gallery_has(school, 5))


async def told(school: School, **params: str) -> list[dict[str, Any]]:
    """The report of the day, read back from its CSV."""
    wanted = {**params, "format": "csv"}
    csv_bytes = b"".join([piece async for piece in school.client.download(f"{API}/reports/attendance", wanted)])
    return list(csv.DictReader(io.StringIO(csv_bytes.decode())))


@pytest.mark.timeout(240)
async def test_a_school_day(school: School) -> None:
    began = datetime.now(UTC) - timedelta(minutes=30)
    await import_roster(school)
    version = await ask_for_consent(school)
    await enrol(school)
    await plan_lessons(school)

    async def seen() -> bool:
        return (
            "Late Lopez" in await school.records("Maths")
            and "Prompt Park" in await school.records("Art")
            and bool(await school.listed("/reviews", "reviews", state="open"))
            and len(await school.listed("/unknown-faces", "unknown_faces")) >= 2
        )

    async with school.looking("room-1", "sample3.jpg"), school.looking("room-2", "sample4.jpg"):
        await until(seen, within_s=90)
    # Strangers were seen in both rooms, and nobody has a name who is not enrolled.
    assert await school.records("Maths") == {"Late Lopez": ("late", "face")}
    assert await school.records("Art") == {"Prompt Park": ("present", "face")}
    await settle_the_twins(school)
    await name_a_stranger(school, version)

    pin = (await school.call("POST", f"/people/{school.ids['Pin Perez']}/pin"))["pin"]
    punch = {"body": {"pin": pin, "camera": "room-1"}, "headers": {"Idempotency-Key": "kiosk-1"}}
    first, again = [await school.call("POST", "/punches", **punch) for _ in range(2)]
    assert first == again

    for title in ("Maths", "Art"):
        session = await school.session(title)
        await school.call("POST", f"/sessions/{session['id']}/close", headers={"If-Match": "*"})
    assert await school.records("Maths") == {
        "Late Lopez": ("late", "face"),
        "Twin One": ("late", "review"),
        "Twin Two": ("absent", "clock"),
        "Pin Perez": ("late", "pin"),
        "Away Abe": ("absent", "clock"),
    }

    record = (await school.listed("/attendance", "attendance", person_id=school.ids["Away Abe"]))[0]
    body = {"status": "excused", "reason": "ill, says the mother"}
    stale = {"If-Match": f'"{record["version"] + 1}"'}
    with pytest.raises(ServerSaidNo):
        await school.call("PATCH", f"/attendance/{record['id']}", body=body, headers=stale)
    fresh = {"If-Match": f'"{record["version"]}"'}
    await school.call("PATCH", f"/attendance/{record['id']}", body=body, headers=fresh)

    for name in ("Late Lopez", "Away Abe"):
        await school.call("DELETE", f"/people/{school.ids[name]}")
    await until(lambda: gallery_has(school, 4))
    photo = school.pictures.view("sample3.jpg", frames=1)[0]
    names = {face["name"] for face in (await school.call("POST", "/recognise", photo=photo))["faces"]}
    assert "Late Lopez" not in names

    period = {"from": began.date().isoformat()}
    rows = await told(school, **period)
    assert sorted((row["session_title"], row["person_name"], row["status"], row["method"]) for row in rows) == [
        ("Art", "Prompt Park", "present", "face"),
        ("Maths", "Pin Perez", "late", "pin"),
        ("Maths", "Twin One", "late", "review"),
        ("Maths", "Twin Two", "absent", "clock"),
        ("Maths", "erased", "excused", "clock"),
        ("Maths", "erased", "late", "face"),
    ]
    by_session = {row["session_title"]: row for row in await told(school, **period, layout="sessions")}
    maths = by_session["Maths"]
    assert [maths[name] for name in ("present", "late", "absent", "excused", "records")] == ["0", "3", "1", "1", "5"]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {school.server.token}"}) as http:
        answer = await http.get(f"{school.server.url}{API}/reports/attendance", params={**period, "format": "html"})
    assert "Noether School: Attendance" in answer.text
    for gone in ("Late Lopez", "Away Abe", "says the mother"):
        assert gone not in answer.text

    await the_audit_log_tells_the_day(school)


async def the_audit_log_tells_the_day(school: School) -> None:
    entries = list(reversed(await school.listed("/audit", "audit")))
    assert {entry["actor"] for entry in entries} == {"owner-token"}
    changes = [entry["action"] for entry in entries]
    story = [
        "roster.imported",
        "person.created",
        "consent_text.published",
        "consent.granted",
        "template.added",
        "camera.changed",
        "timetable.imported",
        "review.settled",
        "unknown_face.named",
        "unknown_face.discarded",
        "credential.made",
        "attendance.marked",
        "session.closed",
        "attendance.corrected",
        "person.erased",
        "report.made",
    ]
    assert [action for action in dict.fromkeys(changes) if action in story] == story
    counts = {action: changes.count(action) for action in story}
    assert counts["person.created"] == 7, "six of the roster, and the stranger"
    assert (counts["consent.granted"], counts["template.added"]) >= (4, 4)
    assert (counts["session.closed"], counts["person.erased"]) == (2, 2)
    of_late = [e["action"] for e in entries if e["subject"] == f"person:{school.ids['Late Lopez']}"]
    assert [action for action in of_late if not action.endswith(".read")] == [
        "person.created",
        "consent.granted",
        "template.added",
        "person.erased",
    ]
    for name in (*school.ids, "says the mother"):
        assert name not in str(entries), "people are named by id alone"
