import asyncio
from typing import Any

from pydantic import SecretStr

from storage import audit
from stream_server.messages.wire import Event
from stream_server.settings import AuthSettings, Settings, SiteSettings
from stream_server.site import Site
from stream_server.timetable.clock import SessionClock
from tests.stream_server.api.test_lessons import FORM, planned
from tests.stream_server.timetable.calendars import calendar, event

TOKYO = {"time_zone": "Asia/Tokyo"}


def free(api: Any) -> None:
    """A server whose environment sets nothing of the site."""
    api.services.site = Site(SiteSettings(), api.database)


async def test_the_site_is_named_and_set_in_its_time_zone(api: Any) -> None:
    free(api)
    unset = {"name": "Rollcall", "time_zone": "UTC", "name_locked": False, "time_zone_locked": False}
    assert await api.call("GET", "/site") == unset
    changed = await api.call("PATCH", "/site", json={"name": "Hill School", **TOKYO})
    assert changed == await api.call("GET", "/site") == {**unset, "name": "Hill School", **TOKYO}
    assert (await api.call("PATCH", "/site", json={"name": "Dale School"}))["time_zone"] == "Asia/Tokyo"
    async with api.database.acquire() as connection:
        entries = (await audit.list_entries(connection)).items
    assert {one.action for one in entries} == {"site.changed"}
    assert sorted(one.details["fields"] for one in entries) == [["name"], ["name", "time_zone"]]


async def test_what_is_no_name_or_zone_is_refused(api: Any) -> None:
    free(api)
    for zone in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/"):
        assert (await api.call("PATCH", "/site", 400, json={"time_zone": zone}))["code"] == "time_zone_unknown"
    assert (await api.call("PATCH", "/site", 400, json={"name": "a\nb"}))["code"] == "name_invalid"
    for body in ({"name": ""}, {"name": "x" * 201}, {"time_zone": ""}, {"zone": "UTC"}):
        await api.call("PATCH", "/site", 422, json=body)
    assert (await api.call("GET", "/site"))["time_zone"] == "UTC"


async def test_what_the_environment_sets_is_not_changed_here(api: Any) -> None:
    site = await api.call("GET", "/site")
    assert (site["name_locked"], site["time_zone_locked"]) == (False, True)
    refused = await api.call("PATCH", "/site", 409, json={"name": "Hill School", **TOKYO})
    assert (refused["code"], refused["hint"]) == ("site_locked", "change it there")
    assert (await api.call("GET", "/site"))["name"] == "Rollcall", "all or nothing"
    async with api.database.acquire() as connection:
        await connection.execute("INSERT INTO site (name, time_zone) VALUES ('Hill School', 'Asia/Tokyo')")
    await api.services.site.load()
    assert await api.call("GET", "/site") == {**site, "name": "Hill School"}


async def test_another_server_hears_of_it(api: Any) -> None:
    free(api)
    other = Site(SiteSettings(), api.database)
    listening = asyncio.create_task(other.run())
    await api.call("PATCH", "/site", json=TOKYO)
    other.on_event(Event(id=1, type="camera.changed", at=api.at, data={}))
    await asyncio.sleep(0)
    assert other.time_zone == "UTC"
    other.on_event(Event(id=2, type="site.changed", at=api.at, data={}))
    async with asyncio.timeout(10):
        while other.time_zone != "Asia/Tokyo":
            await asyncio.sleep(0.01)
    listening.cancel()


async def test_a_zone_that_is_not_known_any_more_is_passed_over(api: Any) -> None:
    free(api)
    async with api.database.acquire() as connection:
        await connection.execute("INSERT INTO site (time_zone) VALUES ('Mars/Olympus')")
    await api.services.site.load()
    assert (await api.call("GET", "/site"))["time_zone"] == "UTC"


async def test_lessons_stay_at_their_hour_when_the_zone_is_another(api: Any) -> None:
    free(api)
    clock = SessionClock(api.services)
    await clock.look(api.at)
    weekly = {**FORM, "repeat": {"days": ["tu"], "until": "2026-03-17"}}
    lesson = await api.call("POST", "/lessons", 201, json=weekly)
    await api.call("POST", "/lessons", 201, json={**FORM, "repeat": None})
    floating = event("night", "20260304T230000", "20260304T234500", "CATEGORIES:7a").replace(";TZID=Europe/Berlin", "")
    await api.call("POST", "/groups", json={"name": "7a"})
    await api.call("POST", "/timetable/import", content=calendar(floating), params={"apply": "true"})
    assert {one["starts_at"][10:] for one in await planned(api)} == {"T08:00:00Z", "T23:00:00Z"}
    await api.call("PATCH", "/site", json=TOKYO)
    await clock.look(api.at)
    moved = await planned(api, state="planned")
    assert [(one["starts_at"], one["day"]) for one in moved] == [
        ("2026-03-02T23:00:00Z", "2026-03-03"),
        ("2026-03-02T23:00:00Z", "2026-03-03"),
        ("2026-03-04T14:00:00Z", "2026-03-04"),
        ("2026-03-09T23:00:00Z", "2026-03-10"),
        ("2026-03-16T23:00:00Z", "2026-03-17"),
    ]
    assert (await api.call("GET", f"/lessons/{lesson['id']}"))["times"]["starts_at"] == "08:00:00"
    listed = await api.call("GET", "/sessions", params={"day": "2026-03-03", "state": "planned"})
    assert len(listed["sessions"]) == 2, "days begin by the new clock"


def test_what_the_environment_gives_is_told_from_a_default() -> None:
    settings = Settings(_env_file=None, auth=AuthSettings(token=SecretStr("t" * 20)), site=SiteSettings(name="A"))
    database: Any = None
    site = Site(settings.site, database)
    assert [site.is_locked(field) for field in ("name", "time_zone")] == [True, False]
