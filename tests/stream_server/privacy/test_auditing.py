from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from storage import audit
from storage.database import Database
from stream_server.api.audited import auditor_of
from stream_server.app import create_app
from stream_server.privacy.auditing import Action, Auditor, SeenLately
from stream_server.settings import Settings

ADA = UUID(int=1)
OWNER = "owner-token"

# Routes that are in no audit log, and why.
NOT_NOTED = {
    "GET /healthz": "tells of nobody",
    "GET /readyz": "tells of nobody",
    "GET /metrics": "tells of nobody",
    "GET /api/v1/setup": "tells of nobody",
    "GET /api/v1/me": "tells somebody of themselves",
    "GET /api/v1/users": "tells of users of Rollcall, not of people whose attendance is taken",
    "GET /api/v1/users/{user_id}": "tells of a user of Rollcall",
    "GET /api/v1/tokens": "tells of programs",
    "GET /api/v1/devices": "tells of devices",
    "GET /api/v1/pairings": "tells of devices to be",
    "GET /api/v1/tunnel": "tells of nobody",
    "GET /api/v1/sessions": "tells of nobody",
    "GET /api/v1/sessions/{session_id}": "tells of nobody",
    "GET /api/v1/groups/{group_id}": "tells of nobody",
    "GET /api/v1/rooms": "tells of nobody",
    "GET /api/v1/rooms/{room_id}": "tells of nobody",
    "GET /api/v1/lessons": "tells of nobody",
    "GET /api/v1/lessons/{lesson_id}": "tells of nobody",
    "GET /api/v1/cameras": "tells of nobody",
    "GET /api/v1/cameras/{camera_id}": "tells of nobody",
    "GET /api/v1/cameras/{camera_id}/place": "tells of nobody",
    "GET /api/v1/settings": "tells of nobody",
    "GET /api/v1/site": "tells of nobody",
    "GET /api/v1/demo": "tells of the people of the demo, whom nobody knows",
    "POST /api/v1/cameras/{camera_id}/test": "changes nothing and shows no picture",
    "POST /api/v1/cameras/test": "changes nothing and tells of nobody",
    "POST /api/v1/cameras/discover": "changes nothing",
    "POST /api/v1/people/{person_id}/templates/check": "stores nothing, and tells only of the picture that was sent",
    "GET /api/v1/webhooks": "tells of receivers",
    "GET /api/v1/webhooks/{webhook_id}": "tells of receivers",
    "GET /api/v1/webhooks/{webhook_id}/deliveries": "tells of receivers",
    "POST /api/v1/webhooks/{webhook_id}/test": "sends what tells of nobody",
    "GET /api/v1/consent-texts": "shown to everybody who is asked",
    "GET /api/v1/consent-texts/{version}": "shown to everybody who is asked",
    "POST /whip/{camera_id}": "what it sees is noted as attendance",
    "PATCH /whip/{camera_id}/{session_id}": "part of connecting",
    "DELETE /whip/{camera_id}/{session_id}": "part of connecting",
    "OPTIONS /whip/{camera_id}": "tells of nobody",
}


def test_every_route_is_audited_or_says_why_not(tmp_path: Any) -> None:
    app = create_app(Settings(_env_file=None, data_dir=tmp_path))
    audited, silent = set(), set()
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            asks = any(dependency.call is auditor_of for dependency in route.dependant.dependencies)
            (audited if asks else silent).update(
                f"{method} {route.path}" for method in route.methods or () if method != "HEAD"
            )
    assert len(audited) > 50
    assert silent == set(NOT_NOTED)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_auditor(noon: datetime, clock: Clock) -> Callable[..., Auditor]:
    services = SimpleNamespace(now=lambda: noon, seen_lately=SeenLately(mono=clock))
    return lambda actor=OWNER, request_id="r1": Auditor(actor, request_id, services)


async def entries(database: Database) -> list[audit.Entry]:
    async with database.acquire() as connection:
        return list((await audit.list_entries(connection)).items)


async def test_a_change_is_noted_with_who_what_when_and_by_which_request(
    database: Database, make_auditor: Callable[..., Auditor], noon: datetime
) -> None:
    async with database.acquire() as connection:
        await make_auditor("Miss Lee", "r7").changed(connection, Action.PERSON_UPDATED, ADA, fields=["name"], text=None)
    (entry,) = await entries(database)
    assert (entry.at, entry.actor, entry.action, entry.request_id) == (noon, "Miss Lee", "person.updated", "r7")
    assert (entry.subject, entry.details) == (f"person:{ADA}", {"fields": ["name"]})


async def test_a_change_that_is_taken_back_is_not_noted(
    database: Database, make_auditor: Callable[..., Auditor]
) -> None:
    async with database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await make_auditor().changed(connection, Action.PERSON_ERASED, ADA)
        await transaction.rollback()
    assert await entries(database) == []


async def test_looking_again_and_again_is_noted_once_a_minute_for_each_who_and_what(
    database: Database, make_auditor: Callable[..., Auditor], clock: Clock
) -> None:
    async with database.acquire() as connection:
        for _ in range(3):
            await make_auditor().seen(connection, Action.ATTENDANCE_READ, day="2026-03-02")
        await make_auditor().seen(connection, Action.ATTENDANCE_READ, day="2026-03-03")
        await make_auditor().seen(connection, Action.ATTENDANCE_READ, ADA)
        await make_auditor("Mr Oz").seen(connection, Action.ATTENDANCE_READ, ADA)
        clock.now += 59.9
        await make_auditor().seen(connection, Action.ATTENDANCE_READ, ADA)
        assert len(await entries(database)) == 4
        clock.now += 0.2
        await make_auditor().seen(connection, Action.ATTENDANCE_READ, ADA)
        assert len(await entries(database)) == 5


async def test_what_could_not_be_noted_is_noted_by_the_next_try(
    database: Database, make_auditor: Callable[..., Auditor]
) -> None:
    auditor = make_auditor()
    async with database.acquire() as connection:
        await connection.execute("ALTER TABLE audit_log RENAME TO hidden")
        with pytest.raises(Exception, match="audit_log"):
            await auditor.seen(connection, Action.PERSON_READ, ADA)
        await connection.execute("ALTER TABLE hidden RENAME TO audit_log")
        await auditor.seen(connection, Action.PERSON_READ, ADA)
    assert len(await entries(database)) == 1


def test_the_memory_of_what_was_seen_is_bounded() -> None:
    lately = SeenLately(size_max=2)
    for what in "abc":
        lately.noted(what)
    assert [lately.is_new(what) for what in "abc"] == [True, False, False]
