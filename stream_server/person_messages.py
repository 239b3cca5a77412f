"""The bodies of the REST API that concern people and their faces: adding, enrolling, recognising."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from stream_server.messages import Consent, Name, Page, Shape, State

ExternalId = Annotated[str, Field(min_length=1, max_length=200, examples=["s-1815"])]


ConsentTextVersion = Annotated[
    int | None, Field(ge=1, lt=2**31, description="Version of the text that was agreed to; default: the newest.")
]


class ConsentGiven(Shape):
    """A version of the text goes with an agreement to it, and with nothing else."""

    @model_validator(mode="after")
    def _text_goes_with_consent(self) -> Self:
        if getattr(self, "consent_text", None) is not None and getattr(self, "consent", None) is not True:
            raise ValueError("consent_text needs consent: true")
        return self


class PersonCreate(ConsentGiven):
    """A person to add. Without consent nobody is ever compared with this person's face."""

    name: Name
    external_id: ExternalId | None = None
    consent: StrictBool = Field(False, description="The person has agreed to be recognised by face.")
    consent_text: ConsentTextVersion = None


class PersonUpdate(ConsentGiven):
    """What to change; what is absent stays. Taking consent back deletes the templates at once."""

    name: Name | None = None
    external_id: ExternalId | None = None
    consent: StrictBool | None = None
    consent_text: ConsentTextVersion = None


class Person(Shape):
    """A person."""

    id: UUID
    name: str
    external_id: str | None
    consent: Consent
    consent_at: datetime | None
    consent_text: int | None = Field(None, description="Version of the text that the person agreed to.")
    templates: int
    created_at: datetime


class People(Page):
    """A page of people, by name."""

    people: tuple[Person, ...]


class QualityBody(Shape):
    """How good a face in a picture is."""

    size_px: float = Field(description="Distance between the eyes.")
    sharpness: float
    yaw: float
    pitch: float
    score: float = Field(description="0 to 1.")


class TemplateBody(Shape):
    """An enrolled face, without the vector."""

    id: UUID
    person_id: UUID
    model_id: str
    quality: float = Field(description="0 to 1.")
    source: str
    created_at: datetime


class Enrolled(TemplateBody):
    """A template just made, and how good the face in the photograph was."""

    face: QualityBody


class Templates(Shape):
    """The enrolled faces of a person."""

    templates: tuple[TemplateBody, ...]


class RecognisedFace(Shape):
    """One face of a single picture; the same shape as `rollcall recognise --json`."""

    box_xyxy: tuple[float, float, float, float]
    name: str | None
    person_id: UUID | None
    state: State
    distance: float | None
    runner_up: float | None
    score: float


class Recognised(Shape):
    """What was seen in a single picture. Nothing of it is stored."""

    width: int
    height: int
    faces: tuple[RecognisedFace, ...]
