from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from stream_server.timetable.clock import SessionClock
from tests.stream_server.timetable.calendars import calendar, event

WEEKLY = event("maths", "20260302T100000", "20260302T104500", "RRULE:FREQ=WEEKLY", "CATEGORIES:7a", "LOCATION:Room 12")


async def send(api: Any, data: bytes, apply: bool = True, status: int | None = None, **params: str) -> Any:
    asked = {"apply": str(apply).lower(), **params}
    return await api.call("POST", "/timetable/import", status, content=data, params=asked)


async def planned(api: Any, **params: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.call("GET", "/sessions", params={"limit": "200", **params, **cursor})
        listed += page["sessions"]
        if page["next_cursor"] is None:
            return sorted(listed, key=lambda session: session["starts_at"])
        cursor = {"cursor": page["next_cursor"]}


@pytest.fixture
async def group(api: Any) -> Any:
    return await api.call("POST", "/groups", json={"name": "7A", "external_id": "g-7a"})


@pytest.fixture
async def room(api: Any) -> Any:
    return await api.call("POST", "/rooms", json={"name": "Room 12"})


async def test_a_calendar_becomes_sessions_with_group_and_room(api: Any, group: Any, room: Any) -> None:
    dry = await send(api, calendar(WEEKLY), apply=False)
    assert (dry["applied"], dry["rows"][0]["outcome"]) == (False, "created")
    assert await planned(api) == []
    applied = await send(api, calendar(WEEKLY))
    assert applied["rows"] == dry["rows"]
    sessions = await planned(api)
    assert len(sessions) == 58
    first = sessions[0]
    assert (first["starts_at"], first["day"], first["state"]) == ("2026-03-02T09:00:00Z", "2026-03-02", "planned")
    assert (first["group_id"], first["room_id"], first["title"]) == (group["id"], room["id"], "7a")
    lesson = await api.call("GET", f"/lessons/{first['lesson_id']}")
    assert (lesson["source"], lesson["uid"], lesson["next_at"]) == ("timetable", "maths", first["starts_at"])
    of_april = await api.call("GET", "/sessions", params={"day": "2026-04-06", "group_id": group["id"]})
    assert [session["starts_at"] for session in of_april["sessions"]] == ["2026-04-06T08:00:00Z"], "summer time"
    assert (await send(api, calendar(WEEKLY)))["counts"]["unchanged"] == 1


async def test_importing_again_changes_what_is_to_come_and_leaves_what_has_been(
    api: Any, group: Any, room: Any
) -> None:
    await send(api, calendar(WEEKLY))
    api.at += timedelta(hours=1, minutes=30)  # the first lesson runs
    await SessionClock(api.services).look(api.at)
    later = WEEKLY.replace("T100000", "T110000").replace("T104500", "T114500")
    report = await send(api, calendar(later))
    assert report["rows"][0]["outcome"] == "updated"
    first, *rest = [s for s in await planned(api) if s["state"] != "cancelled"]
    assert (first["starts_at"], first["state"]) == ("2026-03-02T09:00:00Z", "running")
    # The new rule's first lesson, an hour later on the same day, is still to come.
    assert [session["starts_at"] for session in rest[:2]] == ["2026-03-02T10:00:00Z", "2026-03-09T10:00:00Z"]
    gone = await send(api, calendar())
    assert gone["counts"]["removed"] == 1
    assert {session["state"] for session in await planned(api)} == {"running", "cancelled"}
    assert (await api.call("GET", "/lessons"))["lessons"] == []
    back = await send(api, calendar(later))
    assert back["counts"]["created"] == 1
    assert len(await planned(api, state="planned")) == 58


async def test_a_session_cancelled_by_hand_stays_so(api: Any, group: Any, room: Any) -> None:
    await send(api, calendar(WEEKLY))
    second = (await planned(api))[1]
    path = f"/sessions/{second['id']}/cancel"
    await api.call("POST", path, 428)
    cancelled = await api.call("POST", path, headers={"If-Match": '"1"'})
    assert (cancelled["state"], cancelled["version"]) == ("cancelled", 2)
    await api.call("POST", path, 412, headers={"If-Match": '"1"'})
    await send(api, calendar(WEEKLY.replace("CATEGORIES:7a", "CATEGORIES:7a\r\nX-ROLLCALL-GROUP:g-7a")))
    assert (await api.call("GET", f"/sessions/{second['id']}"))["state"] == "cancelled"


async def test_events_that_cannot_be_lessons_are_refused_with_their_number(api: Any, group: Any) -> None:
    data = calendar(
        event("good", "20260302T100000", "20260302T104500", "LOCATION:Nowhere"),
        event("stranger", "20260302T100000", "20260302T104500", "SUMMARY:Chess"),
        event("often", "20260302T100000", "20260302T104500", "RRULE:FREQ=MINUTELY"),
        event("", "20260302T100000", "20260302T104500"),
        event("past", "20250302T100000", "20250302T104500"),
        event("broken", ":banana", ":20260302T104500"),
    )
    report = await send(api, data)
    told = {row["row"]: (row["outcome"], row["reason"]) for row in report["rows"]}
    assert [told[number][0] for number in range(1, 7)] == [
        "created",
        "refused",
        "refused",
        "refused",
        "skipped",
        "refused",
    ]
    assert "no group is called 'Chess'" in told[2][1]
    assert "there is no room 'Nowhere'" in report["warnings"][0]


@pytest.mark.parametrize(
    "data", [b"nonsense", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", b"\xff\xfe\x00", b"BEGIN:VCALENDAR\r\n"]
)
async def test_what_is_no_calendar_is_refused(api: Any, data: bytes) -> None:
    response = await api.http.post("/api/v1/timetable/import", content=data)
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert response.json()["code"] == "calendar_unreadable"
    else:
        assert response.json()["rows"] == []


FORM = {
    "title": "Maths",
    "day": "2026-03-03",
    "starts_at": "08:00",
    "ends_at": "08:45",
    "repeat": {"days": ["tu", "th"], "until": "2026-03-31", "except_on": ["2026-03-12"]},
    "late_after_s": 120,
}


async def test_a_lesson_is_filled_in_by_hand(api: Any, group: Any, room: Any) -> None:
    body = {**FORM, "group_id": group["id"], "room_id": room["id"]}
    lesson = await api.call("POST", "/lessons", 201, json=body)
    assert (lesson["source"], lesson["next_at"]) == ("form", "2026-03-03T07:00:00Z")
    sessions = await planned(api)
    assert [session["day"][5:] for session in sessions] == [
        "03-03", "03-05", "03-10", "03-17", "03-19", "03-24", "03-26", "03-31",
    ]  # fmt: skip
    assert sessions[-1]["starts_at"] == "2026-03-31T06:00:00Z", "after the change of clocks"
    assert {session["late_after_s"] for session in sessions} == {120}

    path = f"/lessons/{lesson['id']}"
    once = {**body, "repeat": None, "day": "2026-03-05", "title": "Maths test"}
    changed = await api.call("PUT", path, json=once, headers={"If-Match": '"1"'})
    await api.call("PUT", path, 412, json=once, headers={"If-Match": '"1"'})
    assert changed["title"] == "Maths test"
    assert [session["day"] for session in await planned(api, state="planned")] == ["2026-03-05"]
    await api.call("DELETE", path, 204, headers={"If-Match": '"2"'})
    assert await planned(api, state="planned") == []
    assert (await api.call("GET", path, 404))["code"] == "lesson_not_found"


async def test_a_lesson_may_pass_midnight_and_starts_on_one_of_its_days(api: Any) -> None:
    body = {**FORM, "starts_at": "22:00", "ends_at": "01:00", "repeat": {"days": ["fr"], "until": "2026-03-13"}}
    await api.call("POST", "/lessons", 201, json=body)
    assert [(one["starts_at"][5:16], one["ends_at"][5:16]) for one in await planned(api)] == [
        ("03-06T21:00", "03-07T00:00"),
        ("03-13T21:00", "03-14T00:00"),
    ]


async def test_what_was_filled_in_can_be_read_and_sent_again(api: Any, group: Any) -> None:
    repeat = {"every_weeks": 2, "days": ["tu", "th"], "until": "2026-03-31", "except_on": ["2026-03-12", "2026-03-17"]}
    body = {**FORM, "day": "2026-03-03", "starts_at": "08:00:00", "ends_at": "08:45:00"}
    once = {**body, "repeat": None}
    for one in ({**body, "repeat": repeat}, once, {**once, "ends_at": "07:00:00"}):
        lesson = await api.call("POST", "/lessons", 201, json=one)
        read = await api.call("GET", f"/lessons/{lesson['id']}")
        assert read["times"] == lesson["times"] == {name: one.get(name) for name in read["times"]}
        again = {**{name: read[name] for name in ("title", "group_id", "room_id", "late_after_s")}, **read["times"]}
        before = await planned(api, state="planned")
        await api.call("PUT", f"/lessons/{lesson['id']}", json=again, headers={"If-Match": "*"})
        assert await planned(api, state="planned") == before, "nothing was changed"
        await api.call("DELETE", f"/lessons/{lesson['id']}", 204, headers={"If-Match": "*"})
    await send(api, calendar(WEEKLY))
    imported = (await api.call("GET", "/lessons"))["lessons"][0]
    assert (await api.call("GET", f"/lessons/{imported['id']}"))["times"] is None


async def test_sessions_of_a_period_are_one_list(api: Any, group: Any) -> None:
    await api.call("POST", "/lessons", 201, json={**FORM, "day": "2026-03-02", "repeat": {"days": ["mo", "su"]}})

    async def days(**params: str) -> list[str]:
        return [one["day"] for one in await planned(api, **params)]

    assert await days(**{"from": "2026-03-08", "to": "2026-03-15"}) == ["2026-03-08", "2026-03-09", "2026-03-15"]
    assert await days(to="2026-03-09") == ["2026-03-08", "2026-03-09"]
    assert await days(**{"from": "2026-03-08", "day": "2026-03-02"}) == [], "all conditions must hold"


async def test_a_form_that_cannot_be_held_is_refused(api: Any, group: Any) -> None:
    past = {**FORM, "day": "2026-02-01", "repeat": None}
    assert (await api.call("POST", "/lessons", 400, json=past))["code"] == "lesson_invalid"
    assert (await api.call("POST", "/lessons", 404, json={**FORM, "group_id": str(uuid4())}))["code"] == (
        "group_not_found"
    )
    await api.call("POST", "/lessons", 422, json={**FORM, "day": "0001-01-01"})
    assert await planned(api) == []
    await send(api, calendar(WEEKLY))
    imported = (await api.call("GET", "/lessons"))["lessons"][0]
    refused = await api.call("PUT", f"/lessons/{imported['id']}", 409, json=FORM, headers={"If-Match": "*"})
    assert refused["code"] == "lesson_imported"
    assert (await send(api, calendar(), status=409, source="form"))["code"] == "source_taken"


async def test_two_timetables_leave_each_other_alone(api: Any, group: Any) -> None:
    await send(api, calendar(WEEKLY), source="school")
    await send(api, calendar(event("club", "20260303T160000", "20260303T170000")), source="clubs")
    await send(api, calendar(), source="clubs")
    assert [lesson["uid"] for lesson in (await api.call("GET", "/lessons"))["lessons"]] == ["maths"]


async def test_a_removed_group_has_no_lessons_any_more(api: Any, group: Any) -> None:
    await send(api, calendar(WEEKLY))
    await api.call("DELETE", f"/groups/{group['id']}", 204, headers={"If-Match": "*"})
    assert {session["state"] for session in await planned(api)} == {"cancelled"}


async def test_lessons_are_planned_further_ahead_as_time_goes_on(api: Any, group: Any) -> None:
    await send(api, calendar(WEEKLY))
    clock = SessionClock(api.services)
    await clock.look(api.at)
    assert len(await planned(api)) == 58
    api.at = datetime(2026, 6, 1, 3, tzinfo=UTC)
    await SessionClock(api.services).look(api.at)
    sessions = await planned(api)
    assert sessions[-1]["starts_at"] > "2027-06-28"
    assert {session["state"] for session in sessions if session["starts_at"] < "2026-06-01"} == {"missed"}
