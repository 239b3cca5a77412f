"""`rollcall lessons`: plan, list and remove single lessons of a running server."""

import asyncio
import json
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.commands.named import id_of
from stream_server.settings import load_settings

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_TIME = click.DateTime(formats=["%H:%M"])
_WEEKDAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_of_group = "Name, external id or id of the group"


@click.group(cls=Group)
def lessons() -> None:
    """Plan, list and remove single lessons; `rollcall timetable import` takes a whole timetable."""


@lessons.command()
@click.argument("title")
@click.option("--day", type=_DAY, required=True, help="The day, or the first of the days that it may be held on.")
@click.option("--from", "starts_at", type=_TIME, required=True, help="When it starts, by the site's clock: 08:00.")
@click.option("--to", "ends_at", type=_TIME, required=True, help="When it ends; at or before the start: the next day.")
@click.option("--group", help=f"{_of_group} that is expected.")
@click.option("--room", help="Name or id of the room whose cameras count.")
@click.option("--late-after", type=click.IntRange(0, 86_400), help="Seconds; default: as the settings say.")
@click.option("--weekly", is_flag=True, help="Hold it every week; the options below say more.")
@click.option("--on", type=click.Choice(_WEEKDAYS), multiple=True, help="On this day of the week; may be given again.")
@click.option("--every", type=click.IntRange(1, 52), help="Every so many weeks.")
@click.option("--until", type=_DAY, help="Last day; default: until further notice.")
@click.option("--except", "except_on", type=_DAY, multiple=True, help="Not on this day; may be given again.")
@server_option
@json_option
def add(
    title: str,
    day: datetime,
    starts_at: datetime,
    ends_at: datetime,
    group: str | None,
    room: str | None,
    late_after: int | None,
    weekly: bool,
    on: tuple[str, ...],
    every: int | None,
    until: datetime | None,
    except_on: tuple[datetime, ...],
    server: str | None,
    as_json: bool,
) -> None:
    """Plan a lesson, once or every week.

    Such as: rollcall lessons add Maths --group 5b --day 2026-09-07 --from 08:00 --to 08:45 --weekly
    """
    repeat: dict[str, object] = {"days": on, "except_on": tuple(map(_day, except_on))}
    if every is not None:
        repeat["every_weeks"] = every
    if until is not None:
        repeat["until"] = _day(until)
    if not weekly and (on or every is not None or until is not None or except_on):
        raise click.UsageError("--on, --every, --until and --except are of a lesson that repeats: add --weekly")
    form: dict[str, object] = {
        "title": title,
        "day": _day(day),
        "starts_at": f"{starts_at:%H:%M}",
        "ends_at": f"{ends_at:%H:%M}",
        "late_after_s": late_after,
        "repeat": repeat if weekly else None,
    }
    lesson = asyncio.run(_add(server, form, group, room))
    when = f"next at {lesson['next_at']}" if lesson["next_at"] else "with no day left to hold it on"
    click.echo(json.dumps(lesson) if as_json else f"{lesson['title']} was planned as {lesson['id']}, {when}")


@lessons.command("list")
@click.option("--group", help=f"{_of_group}.")
@click.option("--source", help="Only lessons of this timetable; `form` are those that were made one by one.")
@server_option
@json_option
def list_lessons(group: str | None, source: str | None, server: str | None, as_json: bool) -> None:
    """List lessons in the order in which they were made, and when each is held next."""
    found = asyncio.run(_list(server, group, source))
    if as_json:
        click.echo(json.dumps({"lessons": found}))
        return
    for lesson in found:
        click.echo(f"{lesson['id']}  {lesson['title']}  {lesson['source']}, next at {lesson['next_at'] or '-'}")


@lessons.command()
@click.argument("lesson_id", type=click.UUID)
@server_option
@json_option
def remove(lesson_id: UUID, server: str | None, as_json: bool) -> None:
    """Hold a lesson no longer. What is planned is cancelled; what was held stays with its attendance."""
    asyncio.run(_remove(server, lesson_id))
    click.echo(json.dumps({"ok": True, "id": str(lesson_id)}) if as_json else f"{lesson_id} is held no longer")


async def _add(server: str | None, form: dict[str, object], group: str | None, room: str | None) -> Any:
    async with local_client(server, load_settings()) as client:
        body = {**form, "group_id": await id_of(client, "group", group), "room_id": await id_of(client, "room", room)}
        return await client.call("POST", "/api/v1/lessons", body=body)


async def _list(server: str | None, group: str | None, source: str | None) -> list[dict[str, Any]]:
    async with local_client(server, load_settings()) as client:
        params = {"source": source, "group_id": await id_of(client, "group", group)}
        given = {name: value for name, value in params.items() if value is not None}
        return [lesson async for lesson in client.pages("/api/v1/lessons", "lessons", given)]


async def _remove(server: str | None, lesson_id: UUID) -> None:
    async with local_client(server, load_settings()) as client:
        await client.call("DELETE", f"/api/v1/lessons/{lesson_id}", headers={"If-Match": "*"})


def _day(day: datetime) -> str:
    return day.date().isoformat()
