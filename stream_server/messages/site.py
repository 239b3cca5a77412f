"""JSON shapes of the site, and of the people of the demo."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from stream_server.messages.wire import Name, Shape

TimeZone = Annotated[str, Field(min_length=1, max_length=64, examples=["Europe/Berlin"])]


class SiteBody(Shape):
    """The site."""

    name: str = Field(description="Shown to people, as on reports.")
    time_zone: str = Field(description="The IANA zone that decides where a day begins and when a lesson does.")
    name_locked: bool = Field(description="The server's environment sets it: it cannot be changed here.")
    time_zone_locked: bool


class SiteUpdate(Shape):
    """What to change; what is absent stays."""

    name: Name | None = None
    time_zone: TimeZone | None = Field(None, description="Lessons to come are planned again by the new clock.")


class DemoPerson(Shape):
    """Somebody of the demo. The photograph comes with the model package, the name is made up."""

    key: str = Field(examples=["person-01"])
    name: str
    person_id: UUID | None = Field(description="Whom they were added as; null: not added.")
    enrolled: bool = Field(description="They were added and have a face.")


class DemoPeople(Shape):
    """Everybody of the demo."""

    available: bool = Field(description="The photographs are there.")
    reason: str = Field(description="Why they are not; empty otherwise.")
    people: tuple[DemoPerson, ...]
