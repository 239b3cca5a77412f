from datetime import UTC, datetime
from uuid import uuid4

import pytest

from storage import lessons, outbox, site
from storage.database import Connection
from storage.lessons import FORM, LessonContent
from storage.site import StoredSite

ONCE = LessonContent("Maths", None, None, None, "BEGIN:VCALENDAR")
FAR = datetime(2027, 1, 1, tzinfo=UTC)


async def test_nothing_is_set_until_somebody_sets_it(connection: Connection) -> None:
    assert await site.get(connection) == StoredSite()


async def test_what_is_given_is_set_and_told_once(connection: Connection) -> None:
    async with connection.transaction():
        await site.change(connection, name=" School ")
        assert await site.change(connection, time_zone="Europe/Berlin") == StoredSite("School", "Europe/Berlin")
        await site.change(connection, name="School", time_zone="Europe/Berlin")
    assert await site.get(connection) == StoredSite("School", "Europe/Berlin")
    told = [event.payload for event in await outbox.read_after(connection, 0, 10) if event.type == "site.changed"]
    assert told == [{"fields": ["name"]}, {"fields": ["time_zone"]}], "the same again is no change"


async def test_lessons_are_planned_again_when_the_zone_is_another(connection: Connection) -> None:
    lesson_id = await lessons.create(connection, FORM, str(uuid4()), ONCE)
    await lessons.set_expanded(connection, lesson_id, FAR)
    assert not await site.plan_in(connection, "UTC"), "the first time nothing has moved"
    assert not await site.plan_in(connection, "UTC")
    assert await lessons.lock_one_to_extend(connection, FAR) is None
    assert await site.plan_in(connection, "Asia/Tokyo")
    stale = await lessons.lock_one_to_extend(connection, FAR)
    assert stale is not None
    assert stale.lesson_id == lesson_id, "also one that is held once"
    await lessons.set_expanded(connection, lesson_id, FAR)
    assert not await site.plan_in(connection, "Asia/Tokyo")


@pytest.mark.parametrize("again", ["UTC", "Asia/Tokyo"])
async def test_a_lesson_that_was_removed_is_not_planned_again(connection: Connection, again: str) -> None:
    lesson_id = await lessons.create(connection, FORM, str(uuid4()), ONCE)
    await site.plan_in(connection, "Europe/Berlin")
    await lessons.remove(connection, lesson_id, version=None, at=FAR)
    await site.plan_in(connection, again)
    assert await lessons.lock_one_to_extend(connection, FAR) is None
