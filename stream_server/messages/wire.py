"""The JSON shapes that cross the wire: WebSocket messages, events, and what bodies of the REST API share.

`docs/reference/websocket.md` describes the messages and `docs/openapi.json` the bodies; tests hold both to this module.
Those of cameras are in `camera_messages`, those of people in `person_messages`, those of the health endpoints in
`health_messages`, and so on. Times are ISO 8601 in UTC, boxes pixels of the picture sent: x1, y1, x2, y2.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

PROTOCOL = 1

State = Literal["pending", "known", "review", "unknown", "unusable"]
Status = Literal["present", "late", "absent", "excused"]
Method = Literal["face", "manual", "pin", "qr", "review", "clock"]
SessionState = Literal["planned", "running", "ended", "missed", "cancelled"]
Consent = Literal["granted", "none", "revoked"]
CAMERA_ID = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class Shape(BaseModel):
    """A JSON object; unknown members are refused when it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonRef(Shape):
    """Who."""

    id: UUID
    name: str


# --- camera socket, from the camera ---


class Hello(BaseModel):
    """What a camera may say of itself before its first frame. Members of later versions are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["hello"]
    client: str = Field("", max_length=200, description="Name and version of the client, for the log.")
    max_fps: float | None = Field(
        None, gt=0, le=240, description="The most frames a second it can send; it is asked for no more."
    )
    faces: bool = Field(True, description="False: send no `faces` messages, the camera shows no boxes.")


# --- camera socket, to the camera ---


class Welcome(Shape):
    """First message of the server: what it would like to get."""

    type: Literal["welcome"] = "welcome"
    protocol: int = PROTOCOL
    camera: str
    pace_fps: float = Field(description="Frames a second to send; more are dropped.")
    width_px: int
    height_px: int
    quality: int = Field(description="JPEG or WebP quality, 1 to 100.")
    formats: tuple[str, ...] = ("image/jpeg", "image/webp", "image/png")
    max_bytes: int = Field(description="Largest message; a larger one ends the connection with 1009.")
    server_time: datetime


class Pace(Shape):
    """The pace has changed; sent when it moves by a tenth or more."""

    type: Literal["pace"] = "pace"
    pace_fps: float


class Face(Shape):
    """One face of a frame."""

    box: tuple[float, float, float, float]
    state: State
    track: int | None = None
    person: PersonRef | None = Field(None, description="Set when, and only when, the state is `known`.")
    reason: str | None = Field(None, description="For `unusable`: too_small, blurred or turned.")


class Faces(Shape):
    """What was seen in one frame. Live only; never stored. Only the newest is kept for a slow reader."""

    type: Literal["faces"] = "faces"
    frame: int = Field(description="Number of the frame on this connection's camera, from 1.")
    captured_at: datetime
    width_px: int
    height_px: int
    faces: tuple[Face, ...]
    received: int = Field(description="Frames received from this camera so far.")
    dropped: int = Field(description="Frames of these that were never looked at.")


class AttendanceMarked(Shape):
    """Somebody was marked; sent after it is stored."""

    attendance_id: UUID
    session_id: UUID
    person: PersonRef
    status: Status
    method: Method
    first_seen: datetime | None
    camera: str | None = None


class AttendanceNotice(AttendanceMarked):
    """The same on the socket of the camera that saw the person."""

    type: Literal["attendance"] = "attendance"
    event_id: int


class ErrorNotice(Shape):
    """Something that was sent could not be used. The connection goes on unless it is closed right after."""

    type: Literal["error"] = "error"
    code: str
    detail: str
    hint: str = ""
    frame: int | None = None


CameraServerMessage = Welcome | Pace | Faces | AttendanceNotice | ErrorNotice
CameraClientMessage = Hello


# --- events ---


class Event(Shape):
    """A stored event. `id` rises; give the last one you have as `Last-Event-ID` (or `after`) to go on behind it."""

    id: int
    type: str
    at: datetime
    data: dict[str, Any]


class GapNotice(Shape):
    """The events right behind the one that was asked for are no longer kept: read the lists anew, then follow."""

    type: Literal["gap"] = "gap"
    oldest_id: int = Field(description="The oldest event that is kept; the stream goes on with it.")


class StatusNotice(Shape):
    """How the server is; sent to every subscriber when it changes. Not stored, has no id."""

    type: Literal["status"] = "status"
    state: Literal["starting", "not_ready", "ok", "degraded"]
    reasons: tuple[str, ...] = ()


# --- REST ---

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["Ada Lovelace"])]


class Problem(BaseModel):
    """The one shape of an error, `application/problem+json` (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="For programs; see docs/reference/errors.md.")
    detail: str
    hint: str = ""


class Page(Shape):
    """Common to all lists: where the next page begins, if there is one."""

    next_cursor: str | None = Field(None, description="Give as `cursor` to get the next page; null at the end.")


class ClassSession(Shape):
    """A class session, or the open check-in of a day."""

    id: UUID
    kind: Literal["open", "scheduled"]
    title: str
    day: date | None
    starts_at: datetime
    ends_at: datetime
    state: SessionState
    group_id: UUID | None
    room_id: UUID | None
    lesson_id: UUID | None
    late_after_s: int | None = Field(description="Null: as the settings say.")
    version: int = Field(description="Also the `ETag`.")


class ClassSessions(Page):
    """A page of sessions, latest first."""

    sessions: tuple[ClassSession, ...]


class Attendance(Shape):
    """One person in one session."""

    id: UUID
    session_id: UUID
    person: PersonRef
    status: Status
    method: Method
    first_seen: datetime | None
    last_seen: datetime | None
    camera: str | None
    note: str | None
    version: int = Field(description="Grows with every correction; also the `ETag`.")


class AttendanceCorrection(Shape):
    """What a record should say from now on, and why."""

    status: Status
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", examples=["came with a doctor's note"])]


class CorrectionMade(Shape):
    """One correction of a record."""

    version: int = Field(description="The version of the record that it made.")
    status_before: Status
    status: Status
    by: str = Field(description="Who; `clock` for somebody who was seen in time after all.")
    reason: str | None = Field(description="Null for somebody who was erased, or when the clock did it.")
    at: datetime


class Corrections(Shape):
    """All corrections of a record, earliest first."""

    corrections: tuple[CorrectionMade, ...]


class AttendanceList(Page):
    """A page of attendance records, earliest first."""

    attendance: tuple[Attendance, ...]


class ReportDocument(Shape):
    """A report as JSON. The members of a row are in docs/reference/reports.md; times have the site's offset."""

    layout: Literal["records", "people", "sessions"]
    first_day: date | None = Field(alias="from")
    last_day: date | None = Field(alias="to")
    time_zone: str
    rows: tuple[dict[str, Any], ...]


class AttendanceMark(Shape):
    """The way without a face: somebody says that a person is here."""

    person_id: UUID
    session_id: UUID | None = Field(None, description="Default: the open session of today.")
    status: Status = "present"
    note: Annotated[str, Field(max_length=500)] | None = None
