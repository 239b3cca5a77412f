"""The bodies of the REST API that concern people and their faces: adding, enrolling, recognising."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from stream_server.messages.wire import Consent, Name, Page, PersonRef, Shape, State

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


class PeopleSearch(Shape):
    """Whom to find; all that is given must hold. It is a body because names do not belong into addresses, which are
    logged.
    """

    text: Annotated[str, Field(max_length=200, examples=["love"])] = Field(
        "", description="Part of the name, in any case of letters, or the beginning of the external id."
    )
    group_id: UUID | None = Field(None, description="Members of this group today.")
    limit: int = Field(50, ge=1, le=200, description="Items a page.")
    cursor: Annotated[str, Field(max_length=1000)] | None = Field(None, description="`next_cursor` of the page before.")


class QualityBody(Shape):
    """How good a face in a picture is."""

    size_px: float = Field(description="Distance between the eyes.")
    sharpness: float
    yaw: float = Field(
        description="How far the nose is off the middle of the eyes, in eye distances; positive to the picture's right."
    )
    pitch: float = Field(description="How far the nose is off its usual height; positive downwards.")
    score: float = Field(description="0 to 1.")


class LooksLike(Shape):
    """Somebody else who is enrolled, and so near that the two may be taken for each other."""

    person: PersonRef
    distance: float = Field(description="Lower is closer.")
    same: bool = Field(description="Nearer than the distance at which somebody is recognised: it may be one person.")


class TemplateBody(Shape):
    """An enrolled face, without the vector."""

    id: UUID
    person_id: UUID
    model_id: str
    quality: float = Field(description="0 to 1.")
    source: str
    created_at: datetime


class Enrolled(TemplateBody):
    """A template just made, how good the face in the photograph was, and whom it looks like besides."""

    face: QualityBody
    looks_like: LooksLike | None = Field(None, description="Null: like nobody else who is enrolled.")


class FaceCheck(Shape):
    """What would come of enrolling with a picture. Nothing is stored."""

    refusal: Literal["no_face", "several_faces", "too_small", "blurred", "turned"] | None = Field(
        description="Null: it would be taken."
    )
    detail: str = Field("", description="The refusal in words.")
    hint: str = ""
    face: QualityBody | None = Field(None, description="Null when there is not one face that is meant.")
    box_xyxy: tuple[float, float, float, float] | None = Field(
        None, description="Where it is, from 0 to 1 of the width and height of the picture."
    )


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
