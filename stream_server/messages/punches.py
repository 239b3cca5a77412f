"""JSON shapes of punches (PIN and QR code) and of faces up for review."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, SecretStr, model_validator

from stream_server.messages.roster import Direction
from stream_server.messages.wire import CAMERA_ID, Page, PersonRef, Shape, Status

Kind = Literal["pin", "qr"]


class KioskPunchBody(Shape):
    """Somebody at a kiosk: a PIN, or the text of a QR code."""

    pin: Annotated[SecretStr, Field(min_length=4, max_length=12)] | None = None
    qr: Annotated[SecretStr, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.pin is None) == (self.qr is None):
            raise ValueError("give either pin or qr")
        return self


class PunchBody(KioskPunchBody):
    """The same, with where it is and what it counts for."""

    camera: Annotated[str, Field(pattern=CAMERA_ID)] | None = Field(
        None, description="The camera or kiosk; its room says which session is meant, its direction what it counts."
    )
    session_id: UUID | None = Field(None, description="Default: that of the camera's room, else the open one of today.")


class PunchMade(Shape):
    """Who was marked, and how."""

    person: PersonRef
    session_id: UUID
    attendance_id: UUID
    status: Status
    first: bool = Field(description="Whether this made the record.")
    direction: Literal["in", "out"] | None = Field(description="Null where coming and going is not counted.")


class PunchEntry(Shape):
    """Somebody came or went."""

    direction: Direction
    method: Literal["face", "pin", "qr"]
    camera: str | None
    at: datetime


class Punches(Shape):
    """When somebody came and went in a session."""

    punches: tuple[PunchEntry, ...]


class CandidateBody(Shape):
    """Somebody whom a face came near."""

    person: PersonRef
    distance: float = Field(description="Lower is closer.")


class ReviewBody(Shape):
    """A face that nearly matched."""

    id: UUID
    session_id: UUID
    camera: str
    first_seen: datetime
    last_seen: datetime
    state: Literal["open", "person", "nobody"]
    candidates: tuple[CandidateBody, ...] = Field(description="The nearest first.")
    settled_as: UUID | None
    settled_by: str | None
    settled_at: datetime | None


class Reviews(Page):
    """A page of reviews, the longest waiting first."""

    reviews: tuple[ReviewBody, ...]


class ReviewSettlement(Shape):
    """Who it was."""

    person_id: UUID | None = Field(description="Null: nobody we know.")
