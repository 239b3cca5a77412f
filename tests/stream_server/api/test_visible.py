"""Every route that a teacher may use, asked for what is another teacher's. A route without a line in TABLE fails."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import cv2
import httpx
import numpy as np
import pytest

from recognition.types import FaceResult, FaceState, Match
from storage import cameras, outbox
from storage.users import Role
from stream_server.access.auth import Guard
from stream_server.access.principals import OWNER_TOKEN, Kind, Principal
from stream_server.access.rights import ROLE_RIGHTS, RULES
from stream_server.events.bus import EventBus
from stream_server.events.outbox import OutboxSource
from stream_server.reports.making import Format, Layout, ReportMaker
from tests.stream_server.api.test_events import Connection

NAME = "Bob Bluebell"


@dataclass(frozen=True)
class Lists:
    """What is another's is left out of the answer; its owner and whoever sees everything find it there."""

    paths: tuple[str, ...]

    def __init__(self, *paths: str) -> None:
        object.__setattr__(self, "paths", paths)


@dataclass(frozen=True)
class One:
    """404, word for word as for an id that does not exist. `body` and `path` name things of the school in braces."""

    path: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class NamesNobody:
    """There is nothing in it that is of a group."""

    why: str


@dataclass(frozen=True)
class ShownBy:
    """A test below shows it."""

    test: str


REPORTS = [
    f"/reports/attendance?from=2026-01-01&layout={layout}&format={format_}" for layout in Layout for format_ in Format
]
ROOM = "a place names nobody"
CAMERA = "a camera names nobody"
TABLE: dict[tuple[str, str], tuple[Any, ...]] = {
    ("GET", "/readyz"): (NamesNobody("counts of the whole server, and of no group"),),
    ("GET", "/api/v1/openapi.json"): (NamesNobody("the description of the API"),),
    ("GET", "/api/v1/site"): (NamesNobody("name and time zone of the site"),),
    ("GET", "/api/v1/people"): (Lists("/people", "/people?external_id=s-bob", "/people?cursor={cursor}"),),
    ("POST", "/api/v1/people/search"): (ShownBy("test_a_search_finds_nobody_of_another_group"),),
    ("GET", "/api/v1/cameras/{camera_id}/frame"): (ShownBy("test_a_teacher_does_not_look_through_a_camera"),),
    ("GET", "/api/v1/people/{person_id}"): (One("/people/{bob}"),),
    ("GET", "/api/v1/people/{person_id}/templates"): (One("/people/{bob}/templates"),),
    ("GET", "/api/v1/people/{person_id}/consents"): (One("/people/{bob}/consents"),),
    ("GET", "/api/v1/consent-texts"): (NamesNobody("what everybody is asked"),),
    ("GET", "/api/v1/consent-texts/{version}"): (NamesNobody("the same"),),
    ("POST", "/api/v1/recognise"): (ShownBy("test_in_a_picture_everybody_but_their_people_is_unknown"),),
    ("GET", "/api/v1/sessions"): (
        Lists("/sessions", "/sessions?group_id={blue}", "/sessions?day=2026-03-02", "/sessions?state=running"),
    ),
    ("GET", "/api/v1/sessions/{session_id}"): (One("/sessions/{lesson}"), One("/sessions/{check_in}")),
    ("POST", "/api/v1/sessions/{session_id}/close"): (
        One("/sessions/{lesson}/close"),
        ShownBy("test_a_session_of_no_group_is_nobodys_to_close"),
    ),
    ("GET", "/api/v1/attendance"): (
        Lists(
            "/attendance",
            "/attendance?session_id={lesson}",
            "/attendance?session_id={check_in}",
            "/attendance?person_id={bob}",
            "/attendance?day=2026-03-02",
            "/attendance?status=late",
        ),
    ),
    ("GET", "/api/v1/attendance/{attendance_id}"): (One("/attendance/{record}"), One("/attendance/{checked_in}")),
    ("GET", "/api/v1/attendance/{attendance_id}/corrections"): (One("/attendance/{record}/corrections"),),
    ("PATCH", "/api/v1/attendance/{attendance_id}"): (
        One("/attendance/{record}", {"status": "excused", "reason": "ill"}),
    ),
    ("POST", "/api/v1/attendance"): (
        One("/attendance", {"person_id": "{bob}"}),
        One("/attendance", {"person_id": "{bob}", "session_id": "{lesson}"}),
        ShownBy("test_their_people_are_marked_in_their_sessions_and_nowhere_else"),
    ),
    ("GET", "/api/v1/groups"): (Lists("/groups", "/groups?person_id={bob}"),),
    ("GET", "/api/v1/groups/{group_id}"): (One("/groups/{blue}"),),
    ("GET", "/api/v1/memberships"): (
        Lists("/memberships", "/memberships?group_id={blue}", "/memberships?person_id={bob}"),
    ),
    ("GET", "/api/v1/memberships/{membership_id}"): (One("/memberships/{membership}"),),
    ("GET", "/api/v1/rooms"): (NamesNobody(ROOM),),
    ("GET", "/api/v1/rooms/{room_id}"): (NamesNobody(ROOM),),
    ("GET", "/api/v1/cameras/{camera_id}/place"): (NamesNobody(CAMERA),),
    ("GET", "/api/v1/lessons"): (Lists("/lessons", "/lessons?group_id={blue}"),),
    ("GET", "/api/v1/lessons/{lesson_id}"): (One("/lessons/{timetabled}"),),
    ("POST", "/api/v1/punches"): (
        ShownBy("test_a_pin_or_code_of_somebody_else_is_as_good_as_none"),
        ShownBy("test_their_people_are_marked_in_their_sessions_and_nowhere_else"),
        ShownBy("test_a_punch_that_is_sent_again_is_answered_to_who_may_still_see_it"),
    ),
    ("GET", "/api/v1/sessions/{session_id}/punches/{person_id}"): (One("/sessions/{lesson}/punches/{bob}"),),
    ("GET", "/api/v1/reviews"): (Lists("/reviews", "/reviews?session_id={lesson}", "/reviews?state=open"),),
    ("GET", "/api/v1/reviews/{review_id}"): (One("/reviews/{review}"),),
    ("POST", "/api/v1/reviews/{review_id}"): (One("/reviews/{review}", {"person_id": None}),),
    ("GET", "/api/v1/cameras"): (NamesNobody(CAMERA),),
    ("GET", "/api/v1/cameras/{camera_id}"): (NamesNobody(CAMERA),),
    ("GET", "/api/v1/reports/attendance"): (
        Lists(*REPORTS, *(f"{REPORTS[0]}&{one}" for one in ("person={bob}", "session={lesson}", "group={blue}"))),
    ),
    ("GET", "/api/v1/events"): (ShownBy("test_live_events_are_those_of_their_groups"),),
    ("WEBSOCKET", "/ws/v1/events"): (ShownBy("test_live_events_are_those_of_their_groups"),),
}
LINES = [(rule, line) for rule, lines in TABLE.items() for line in lines]


@dataclass
class School:
    """What is Blue's, by name; Ada is of Red. `as_*` ask as somebody."""

    api: Any
    things: dict[str, str] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def secrets(self) -> set[str]:
        """What is in no answer to a teacher of Red."""
        others = {"ada", "red", "red_lesson", "pin", "code", "ada_pin", "cursor", "stranger"}
        return {value for name, value in self.things.items() if name not in others} | {NAME, "Blue"}

    def text(self, path: str) -> str:
        for name, value in self.things.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    async def ask(self, who: str, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        headers = {"If-Match": "*", "X-As": who}
        response: httpx.Response = await self.api.http.request(
            method, f"/api/v1{path}", json=body, headers=headers, **options
        )
        return response


def shown(response: httpx.Response) -> str:
    """What an answer holds, unpacked where it is a workbook."""
    if not response.content.startswith(b"PK"):
        return response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as workbook:
        return "\n".join(workbook.read(name).decode() for name in workbook.namelist())


@pytest.fixture
def school_of(monkeypatch: pytest.MonkeyPatch, api: Any) -> School:
    """Whoever says so is a teacher; nobody else would believe it."""
    school = School(api)
    ids: dict[str, UUID] = {}

    async def principal(_guard: Guard, headers: Any, _scope: Any) -> Principal:
        who = headers.get("x-as", "owner")
        if who == "owner":
            return OWNER_TOKEN
        groups = tuple(UUID(school.things[name]) for name in school.groups[who])
        user_id = ids.setdefault(who, uuid4())
        return Principal(Kind.USER, user_id, who, ROLE_RIGHTS[Role.TEACHER], role=Role.TEACHER, groups=groups)

    monkeypatch.setattr(Guard, "_principal", principal)
    return school


@pytest.fixture
async def school(api: Any, school_of: School) -> School:
    school, things = school_of, school_of.things
    school.groups |= {"red": ("red",), "blue": ("blue",), "both": ("red", "blue"), "nobody": ()}
    api.services.reports = ReportMaker(api.database, api.services.site, at_once=2, now=lambda: api.at)
    for name in ("Red", "Blue"):
        things[name.lower()] = (await api.call("POST", "/groups", json={"name": name}))["id"]
    things["ada"] = str(await api.person("Ada", "s-ada", consent=True))
    things["bob"] = str(await api.person(NAME, "s-bob", consent=True))
    for person, group in (("ada", "red"), ("bob", "blue")):
        body = {"person_id": things[person]}
        things["membership"] = (await api.call("POST", f"/groups/{things[group]}/memberships", json=body))["id"]
    form = {"title": "Blue maths", "group_id": things["blue"], "day": "2026-03-03", "starts_at": "09:00"}
    form["ends_at"] = "09:45"
    things["timetabled"] = (await api.call("POST", "/lessons", json=form))["id"]
    async with api.database.acquire() as connection:
        await cameras.ensure(connection, "gate")
        for name, group in (("lesson", "blue"), ("red_lesson", "red")):
            things[name] = str(uuid4())
            await connection.execute(
                """
                INSERT INTO class_sessions (id, kind, title, site_day, starts_at, ends_at, state, group_id)
                VALUES ($1, 'scheduled', $2, $3, $4, $5, 'running', $6)
                """,
                UUID(things[name]),
                f"{group} lesson".capitalize(),
                api.at.date(),
                api.at,
                api.at + timedelta(hours=1),
                UUID(things[group]),
            )
        things["template"] = str(uuid4())
        await connection.execute(
            """
            INSERT INTO templates (id, person_id, model_id, sealed, quality, source)
            VALUES ($1, $2, 'model-a', $3, 0.9, 'photograph')
            """,
            UUID(things["template"]),
            UUID(things["bob"]),
            bytes(545),
        )
    await api.call("PUT", "/cameras/gate/place", json={"direction": "toggle"})
    things["pin"] = (await api.call("POST", f"/people/{things['bob']}/pin"))["pin"]
    things["code"] = (await api.call("POST", f"/people/{things['bob']}/qr"))["text"]
    things["ada_pin"] = (await api.call("POST", f"/people/{things['ada']}/pin"))["pin"]
    made = await api.call(
        "POST", "/punches", json={"pin": things["pin"], "camera": "gate", "session_id": things["lesson"]}
    )
    things["record"] = made["attendance_id"]
    change = {"status": "late", "reason": "bus"}
    await api.call("PATCH", f"/attendance/{made['attendance_id']}", json=change, headers={"If-Match": "*"})
    made = await api.call("POST", "/attendance", json={"person_id": things["bob"]})
    things |= {"checked_in": made["id"], "check_in": made["session_id"]}
    things["review"] = str(uuid4())
    async with api.database.acquire() as connection:
        await connection.execute(
            """
            INSERT INTO reviews (id, session_id, camera_id, nearest_id, first_seen_at, last_seen_at)
            VALUES ($1, $2, 'gate', $3, $4, $4)
            """,
            UUID(things["review"]),
            UUID(things["lesson"]),
            UUID(things["bob"]),
            api.at,
        )
        await connection.execute(
            "INSERT INTO review_candidates (review_id, person_id, distance) VALUES ($1, $2, 0.4)",
            UUID(things["review"]),
            UUID(things["bob"]),
        )
    things["cursor"] = (await api.call("GET", "/people", params={"limit": "1"}))["next_cursor"]
    return school


def test_every_route_that_a_teacher_may_use_has_its_line() -> None:
    rights = ROLE_RIGHTS[Role.TEACHER]
    assert set(TABLE) == {(rule.method, rule.path) for rule in RULES if rule.right in rights}
    for _, line in LINES:
        if isinstance(line, ShownBy):
            assert callable(globals()[line.test])


async def test_lists_leave_out_what_is_of_others(school: School) -> None:
    for path in (path for _, line in LINES if isinstance(line, Lists) for path in line.paths):
        for who in ("red", "nobody"):
            response = await school.ask(who, "GET", school.text(path))
            assert response.status_code == 200, response.text
            found = {secret for secret in school.secrets if secret in shown(response)}
            assert not found, f"{path} for {who}: {shown(response)}"
        for who in ("owner", "blue", "both"):
            response = await school.ask(who, "GET", school.text(path))
            assert any(secret in shown(response) for secret in school.secrets), f"{path} for {who}: {shown(response)}"


async def test_one_thing_of_others_is_not_found_as_if_it_did_not_exist(school: School) -> None:
    for (method, _), line in LINES:
        if isinstance(line, One):
            await check_not_found(school, method, line)


async def check_not_found(school: School, method: str, line: One) -> None:
    body = json.dumps(line.body)
    named = {name: str(uuid4()) for name in school.things if f"{{{name}}}" in line.path + body}

    async def ask(who: str) -> httpx.Response:
        return await school.ask(who, method, school.text(line.path), json.loads(school.text(body)))

    for who in ("red", "nobody"):
        of_others = await ask(who)
        assert of_others.status_code == 404, f"{line} for {who}: {of_others.text}"
        assert NAME not in of_others.text
        # With ids that nobody has, in place of those that only others may know.
        real = {name: school.things[name] for name in named}
        school.things |= named
        of_nobody = await ask(who)
        school.things |= real
        text = of_nobody.text
        for name, made_up in named.items():
            text = text.replace(made_up, real[name])
        assert (of_nobody.status_code, text) == (404, of_others.text), f"{line} for {who}"
    for who in ("blue",) if method != "GET" else ("blue", "both", "owner"):
        response = await ask(who)
        assert response.is_success, f"{line} for {who}: {response.text}"


async def test_their_people_are_marked_in_their_sessions_and_nowhere_else(school: School) -> None:
    ada, pin = {"person_id": "{ada}"}, {"pin": "{ada_pin}"}
    asked = {
        "/attendance": (ada | {"session_id": "{lesson}"}, ada | {"session_id": "{red_lesson}"}, ada),
        "/punches": (pin | {"session_id": "{lesson}"}, pin | {"session_id": "{red_lesson}"}, pin),
    }
    for path, (elsewhere, own, check_in) in asked.items():
        for body, statuses in ((elsewhere, {404}), (own, {200, 201}), (check_in, {200, 201})):
            response = await school.ask("red", "POST", path, json.loads(school.text(json.dumps(body))))
            assert response.status_code in statuses, response.text
    page = (await school.ask("red", "GET", "/attendance")).json()
    assert [one["person"]["name"] for one in page["attendance"]] == ["Ada", "Ada"]
    # Now the check-in is theirs to see, and in it their people.
    sessions = (await school.ask("red", "GET", "/sessions")).json()["sessions"]
    assert {one["id"] for one in sessions} == {school.things["red_lesson"], school.things["check_in"]}


async def test_a_pin_or_code_of_somebody_else_is_as_good_as_none(school: School) -> None:
    answers = []
    for who in ("red", "nobody"):
        for body in ({"pin": school.things["pin"]}, {"qr": school.things["code"]}, {"qr": "nobody's"}):
            response = await school.ask(who, "POST", "/punches", body)
            answers.append((response.status_code, response.text))
    assert set(answers) == {(400, answers[-1][1])}
    own = await school.ask("blue", "POST", "/punches", {"pin": school.things["pin"]})
    assert own.json()["person"]["name"] == NAME
    # They count as wrong ones, too.
    for _ in range(2):
        assert (await school.ask("red", "POST", "/punches", {"pin": school.things["pin"]})).status_code == 400
    assert (await school.ask("red", "POST", "/punches", {"pin": school.things["ada_pin"]})).status_code == 429


async def test_a_punch_that_is_sent_again_is_answered_to_who_may_still_see_it(school: School) -> None:
    school.groups["moved"] = ("red",)
    headers = {"X-As": "moved", "Idempotency-Key": "k"}

    async def punch() -> httpx.Response:
        body = {"pin": school.things["ada_pin"], "session_id": school.things["red_lesson"]}
        answer: httpx.Response = await school.api.http.post("/api/v1/punches", json=body, headers=headers)
        return answer

    made = await punch()
    assert made.status_code == 200, made.text
    school.groups["moved"] = ("blue",)
    again = await punch()
    assert (again.status_code, again.json()["code"]) == (404, "person_not_found")
    assert "Ada" not in again.text
    # Ada is theirs again, and the lesson is not.
    await school.api.call(
        "POST", f"/groups/{school.things['blue']}/memberships", json={"person_id": school.things["ada"]}
    )
    again = await punch()
    assert (again.status_code, again.json()["code"]) == (404, "attendance_not_found")
    school.groups["moved"] = ("red", "blue")
    assert (await punch()).json() == made.json()


async def test_a_search_finds_nobody_of_another_group(school: School) -> None:
    for asked in ({"text": NAME[:5]}, {"group_id": school.things["blue"]}, {}):
        for who in ("red", "nobody"):
            assert NAME not in (await school.ask(who, "POST", "/people/search", asked)).text
        for who in ("blue", "both", "owner"):
            assert NAME in (await school.ask(who, "POST", "/people/search", asked)).text


async def test_a_teacher_does_not_look_through_a_camera(school: School) -> None:
    for who in ("red", "blue", "nobody"):
        response = await school.ask(who, "GET", "/cameras/gate/frame")
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")


async def test_a_session_of_no_group_is_nobodys_to_close(school: School) -> None:
    path = f"/sessions/{school.things['check_in']}/close"
    answers = [(await school.ask(who, "POST", path)) for who in ("red", "blue", "owner")]
    assert [answer.status_code for answer in answers] == [404, 403, 200]
    assert answers[1].json()["code"] == "forbidden"


async def test_marking_again_what_is_there_tells_nothing_of_others(school: School) -> None:
    body = {"person_id": school.things["bob"], "session_id": school.things["red_lesson"]}
    assert (await school.ask("owner", "POST", "/attendance", body)).status_code == 201
    response = await school.ask("red", "POST", "/attendance", body)
    assert response.status_code == 404
    guests = (await school.ask("red", "GET", "/attendance")).json()["attendance"]
    assert [one["person"]["name"] for one in guests] == [NAME], "a guest in their session is theirs to see"


@asynccontextmanager
async def following(school: School, kind: str, path: str, who: str) -> AsyncIterator[Connection]:
    app = school.api.http._transport.app
    connection = Connection(app, kind, path, {"x-as": who})
    if kind == "websocket":
        assert (await connection.next())["type"] == "websocket.accept"
    else:
        assert (await connection.next())["status"] == 200
    yield connection
    await connection.leave()


async def until_camera(connection: Connection) -> str:
    """Everything up to the event that everybody hears."""
    text = ""
    while "camera.changed" not in text:
        message = await connection.next()
        text += message.get("text") or message.get("body", b"").decode()
    return text


@pytest.mark.parametrize(("kind", "path"), [("http", "/api/v1/events"), ("websocket", "/ws/v1/events")])
async def test_live_events_are_those_of_their_groups(school: School, kind: str, path: str) -> None:
    body = {"person_id": school.things["ada"], "session_id": school.things["red_lesson"]}
    await school.ask("owner", "POST", "/attendance", body)
    await school.ask("blue", "POST", f"/reviews/{school.things['review']}", {"person_id": None})
    await school.ask("blue", "POST", f"/sessions/{school.things['lesson']}/close")
    async with school.api.database.acquire() as connection, connection.transaction():
        for type_ in ("access.changed", "device.paired", "roster.imported", "webhook.disabled", "later.version"):
            await outbox.append(connection, type_, {"id": school.things["bob"]})
        await outbox.append(connection, "gallery.changed", {"person_id": school.things["bob"]})
        await outbox.append(connection, "gallery.changed", {"person_id": school.things["ada"]})
        await outbox.append(connection, "attendance.marked", {"session_id": "no id"})
        await outbox.append(connection, "camera.changed", {"camera": "gate"})
    bus = school.api.services.bus = EventBus(OutboxSource(school.api.database, ""))
    await bus.start()
    heard = {}
    for who in ("red", "nobody", "blue", "both", "owner"):
        async with following(school, kind, f"{path}?after=0", who) as connection:
            heard[who] = await until_camera(connection)
    for who in ("red", "nobody"):
        assert not {secret for secret in school.secrets if secret in heard[who]}, heard[who]
    for who in ("red", "both"):
        assert school.things["red_lesson"] in heard[who]
        assert heard[who].count("gallery.changed") >= 1
    for who in ("blue", "both"):
        assert all(one in heard[who] for one in (NAME, "review.settled", "session.ended", "attendance.corrected"))
        assert school.things["check_in"] in heard[who], "their people in the check-in"
    assert school.things["ada"] not in heard["blue"]
    for who in ("red", "blue", "both", "nobody"):
        assert not any(one in heard[who] for one in ("access.", "device.", "roster.", "webhook.", "later.", "no id"))
    assert all(one in heard["owner"] for one in ("access.", "device.", "roster.", "webhook.", "later.", "no id"))


async def test_in_a_picture_everybody_but_their_people_is_unknown(school: School) -> None:
    ada, bob = school.things["ada"], school.things["bob"]
    box = (0.0, 0.0, 50.0, 50.0)
    faces = [
        FaceResult(box, FaceState.KNOWN, 0.9, None, ada, Match(ada, "t", 0.31, bob, 0.77)),
        FaceResult(box, FaceState.KNOWN, 0.9, None, bob, Match(bob, "t", 0.32, ada, 0.78)),
        FaceResult(box, FaceState.REVIEW, 0.9, None, None, Match(bob, "t", 0.53, ada, 0.54)),
        FaceResult(box, FaceState.REVIEW, 0.9, None, None, Match(ada, "t", 0.55, ada, 0.56)),
        FaceResult(box, FaceState.UNKNOWN, 0.9, None, None, Match(bob, "t", 0.81, None, None)),
        FaceResult(box, FaceState.UNKNOWN, 0.9, None, None, Match("a face", "t", 0.2, None, 0.83, ignored=True)),
        FaceResult(box, FaceState.UNUSABLE, 0.9),
    ]
    recogniser = SimpleNamespace(recognise_picture=lambda *_, **__: list(faces))

    class Turn:
        async def run(self, look: Any) -> Any:
            return await asyncio.to_thread(look, recogniser)

    @asynccontextmanager
    async def admit() -> AsyncIterator[Turn]:
        yield Turn()

    services = school.api.services
    services.executor = SimpleNamespace(admit=admit)
    services.people = SimpleNamespace(gallery=None, name={ada: "Ada", bob: NAME}.get)
    picture = cv2.imencode(".png", np.zeros((120, 160, 3), np.uint8))[1].tobytes()

    async def seen_by(who: str) -> list[Any]:
        response = await school.ask(who, "POST", "/recognise", content=picture)
        assert response.status_code == 200, response.text
        return [
            (one["state"], one["name"], one["person_id"], one["distance"], one["runner_up"])
            for one in response.json()["faces"]
        ]

    unknown = ("unknown", None, None, None, None)
    unusable = ("unusable", None, None, None, None)
    review = ("review", None, None, 0.55, 0.56)
    assert await seen_by("red") == [("known", "Ada", ada, 0.31, None), unknown, unknown, review] + [unknown] * 2 + [
        unusable
    ]
    assert await seen_by("nobody") == [unknown] * 6 + [unusable]
    both = await seen_by("both")
    assert both[:2] == [("known", "Ada", ada, 0.31, 0.77), ("known", NAME, bob, 0.32, 0.78)]
    assert (await seen_by("owner"))[5] == ("unknown", None, None, 0.2, 0.83)
    # The audit log says of nobody that they were shown who were not.
    async with school.api.database.acquire() as connection:
        rows = await connection.fetch(
            """
            SELECT array_agg(DISTINCT coalesce(subject, '-') ORDER BY coalesce(subject, '-')) AS subjects
            FROM audit_log WHERE action = 'picture.recognised' GROUP BY actor
            """
        )
    everybody = sorted([f"person:{ada}", f"person:{bob}"])
    assert sorted(row["subjects"] for row in rows) == sorted([[f"person:{ada}"], ["-"], everybody, everybody])


async def test_who_was_refused_is_not_said_to_have_seen_anybody(school: School) -> None:
    for _, line in LINES:
        if isinstance(line, One) and line.body is None and "close" not in line.path:
            assert (await school.ask("nobody", "GET", school.text(line.path))).status_code == 404
    async with school.api.database.acquire() as connection:
        noted = await connection.fetch("SELECT action, subject FROM audit_log WHERE actor LIKE 'user:%'")
    assert [dict(row) for row in noted] == []
