"""JSON shapes of groups, memberships, rooms and where cameras hang."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field, StrictBool

from stream_server.day import Day
from stream_server.messages.people import ExternalId
from stream_server.messages.wire import Name, Page, PersonRef, Shape

Role = Literal["student", "staff"]
Direction = Literal["in", "out", "toggle"]


class GroupRef(Shape):
    """Which group."""

    id: UUID
    name: str


class GroupCreate(Shape):
    """A group to add."""

    name: Name = Field(examples=["7a"])
    external_id: ExternalId | None = None


class GroupUpdate(Shape):
    """What to change; what is absent stays."""

    name: Name | None = None
    external_id: ExternalId | None = None


class Group(Shape):
    """A group of people who have lessons together."""

    id: UUID
    name: str
    external_id: str | None
    source: Literal["manual", "table", "oneroster"] = Field(description="What made it.")
    version: int = Field(description="Also the `ETag`.")
    created_at: datetime


class Groups(Page):
    """A page of groups, by name."""

    groups: tuple[Group, ...]


class MembershipCreate(Shape):
    """Somebody to add to a group. Days are those of the site, both included."""

    person_id: UUID
    role: Role = "student"
    starts_on: Day | None = Field(None, description="First day; null: since always.")
    ends_on: Day | None = Field(None, description="Last day; null: until further notice.")


class MembershipUpdate(Shape):
    """What to change; what is absent stays."""

    role: Role | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None


class Membership(Shape):
    """One person in one group, for a time."""

    id: UUID
    group: GroupRef
    person: PersonRef
    role: Role
    starts_on: date | None
    ends_on: date | None
    external_id: str | None
    version: int = Field(description="Also the `ETag`.")


class Memberships(Page):
    """A page of memberships, earliest made first."""

    memberships: tuple[Membership, ...]


class RoomCreate(Shape):
    """A room to add."""

    name: Name = Field(examples=["Room 12"])
    external_id: ExternalId | None = None


class RoomUpdate(Shape):
    """What to change; what is absent stays."""

    name: Name | None = None
    external_id: ExternalId | None = None


class Room(Shape):
    """A room and the cameras in it."""

    id: UUID
    name: str
    external_id: str | None
    cameras: tuple[str, ...]
    version: int = Field(description="Also the `ETag`.")
    created_at: datetime


class Rooms(Page):
    """A page of rooms, by name."""

    rooms: tuple[Room, ...]


class CameraPlaceBody(Shape):
    """Where a camera hangs and what it counts."""

    room_id: UUID | None = Field(None, description="Who is seen by it is marked in the session of this room.")
    direction: Direction | None = Field(
        None, description="For places where people come and go: what being seen means. Null: being there, no more."
    )
    reads_qr: StrictBool = Field(False, description="Look for personal QR codes in its pictures.")


class PinMade(Shape):
    """A PIN, told this once."""

    pin: str = Field(examples=["408212"])


class QrMade(Shape):
    """A personal QR code, told this once."""

    text: str = Field(description="What the code says; a kiosk may send it to `POST /api/v1/punches`.")
    svg: str = Field(description="The code as a picture, an SVG element.")


class RosterRow(Shape):
    """What became of one row of an import."""

    file: str
    row: int = Field(description="As an editor shows it, the header being 1; 0 for what no file names.")
    kind: Literal["person", "group", "membership", "org", "course", "term", "role", "lesson"]
    key: str = Field(description="The external id or name that the row is about.")
    outcome: Literal["created", "updated", "unchanged", "removed", "skipped", "refused"]
    reason: str


class RosterReport(Shape):
    """What an import did, or would do."""

    applied: bool = Field(description="False: nothing was stored.")
    counts: dict[str, int] = Field(description="Rows of each outcome.")
    warnings: tuple[str, ...]
    rows: tuple[RosterRow, ...]


class PhotographOutcome(Shape):
    """What became of one picture; the code says why it was refused."""

    file: str
    enrolled: bool
    code: str = ""
    detail: str = ""
    hint: str = ""


class PhotographReport(Shape):
    """What became of each picture of an archive."""

    enrolled: int
    refused: int
    photographs: tuple[PhotographOutcome, ...]
