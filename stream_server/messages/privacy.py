"""JSON shapes of consent, of the audit log, and of unknown faces."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StrictBool

from stream_server.messages.people import PersonCreate
from stream_server.messages.wire import Consent, Page, Shape


class ConsentTextPut(Shape):
    """What people are to be asked from now on."""

    text: Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"\S")] = Field(
        description="Plain text: what is kept, what for, how long, and that saying no has no drawback.",
        examples=["We keep a mathematical description of your face to mark your attendance. ..."],
    )


class ConsentTextBody(Shape):
    """A version of the text. It never changes; another text is another version."""

    version: int
    text: str
    by: str = Field(description="Who published it.")
    published_at: datetime


class ConsentTexts(Shape):
    """The newest versions, at most 100, the newest first."""

    consent_texts: tuple[ConsentTextBody, ...]


class ConsentEntry(Shape):
    """One answer of a person."""

    state: Consent
    consent_text: int | None = Field(description="Version of the text that was agreed to.")
    by: str = Field(description="Who recorded it.")
    at: datetime


class ConsentHistory(Shape):
    """Every answer of a person, the first one first."""

    consents: tuple[ConsentEntry, ...]


class AuditEntry(Shape):
    """One thing that somebody did."""

    id: UUID
    at: datetime
    actor: str
    action: str = Field(description="Such as `person.read`; docs/privacy.md lists them.")
    subject: str | None = Field(description="Such as `person:UUID`.")
    request_id: str = Field(description="`X-Request-ID` of the request.")
    details: dict[str, Any]


class AuditLog(Page):
    """A page of the audit log, the newest first."""

    audit: tuple[AuditEntry, ...]


class UnknownFaceBody(Shape):
    """Faces that seem to be of one person whom nobody has named."""

    id: UUID
    ignored: bool
    seen: int = Field(description="How many tracks belonged to it, kept or not.")
    faces: int = Field(description="How many faces are kept.")
    quality: float = Field(description="0 to 1, of the best one.")
    cameras: tuple[str, ...]
    has_crop: bool = Field(description="Whether there is a picture to look at.")
    first_seen: datetime
    last_seen: datetime


class UnknownFaces(Page):
    """A page of unknown faces, seen last first."""

    unknown_faces: tuple[UnknownFaceBody, ...]


class UnknownFaceAssign(Shape):
    """It is this person, who has agreed to be recognised."""

    person_id: UUID


class UnknownFacePerson(PersonCreate):
    """It is somebody new, who has agreed to be recognised."""

    consent: StrictBool = Field(description="Must be true: the faces are enrolled.")


class UnknownFaceNamed(Shape):
    """The person that an unknown face is now, and how many faces were enrolled."""

    person_id: UUID
    templates: int
