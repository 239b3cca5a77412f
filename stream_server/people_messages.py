"""The bodies of finding and enrolling people; the other shapes are in `messages`."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from stream_server.messages import PersonRef, Shape, TemplateBody


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
