"""The bodies of the REST API that concern webhooks."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr, StrictBool

from stream_server.messages.wire import Page, Shape

EventFilters = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=100)], ...],
    Field(
        max_length=50,
        examples=[["attendance.*"]],
        description="Types such as `attendance.marked` or `attendance.*`; none: all.",
    ),
]
Description = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$", examples=["School app"])]


class WebhookCreate(Shape):
    """A receiver to add. It is told of what happens from now on."""

    url: Annotated[SecretStr, Field(max_length=2000, examples=["https://school.example/hooks/rollcall"])] = Field(
        description="Where to; https. Never shown in full again, since such addresses are often secret."
    )
    event_types: EventFilters = ()
    include_names: StrictBool = Field(False, description="Send names of people, and not only their ids.")
    description: Description = ""


class WebhookUpdate(Shape):
    """What to change; what is absent stays."""

    event_types: EventFilters | None = None
    include_names: StrictBool | None = None
    description: Description | None = None
    enabled: StrictBool | None = Field(
        None, description="True also ends the waiting after failures: the next attempt is now."
    )
    skip: Literal["none", "one", "all"] = Field(
        "none", description="Leave out the event that it does not take, or all that wait."
    )


class WebhookBody(Shape):
    """A receiver, and how it does."""

    id: UUID
    address: str = Field(description="Shortened: what follows in it may be secret.")
    description: str
    event_types: tuple[str, ...]
    include_names: bool
    enabled: bool
    disabled_reason: str = Field(description="Why the server switched it off; empty otherwise.")
    last_event_id: int = Field(description="The last event that it has taken or that is not for it.")
    failures: int = Field(description="Attempts in a row that failed.")
    failing_since: datetime | None
    next_attempt_at: datetime | None = Field(description="Set while it fails.")
    old_secret_until: datetime | None = Field(description="Until then messages are signed with the old secret too.")
    created_at: datetime


class WebhookWithSecret(WebhookBody):
    """A receiver, with the secret that is shown this once."""

    secret: str = Field(description="`whsec_…`: give it to the receiver, which checks signatures with it.")


class EventKind(Shape):
    """A type of event."""

    type: str = Field(examples=["attendance.marked"])
    about: str = Field(description="What has happened then.")


class Webhooks(Shape):
    """All receivers, oldest first; their number is bounded."""

    webhooks: tuple[WebhookBody, ...]
    event_kinds: tuple[EventKind, ...] = Field(description="What a receiver can be told of.")


class SecretRotation(Shape):
    """How a new secret takes over."""

    overlap_s: float = Field(
        86_400, ge=0, le=30 * 86_400, description="How long the old secret signs too; 0: no longer, it has leaked."
    )


class DeliveryBody(Shape):
    """One attempt to deliver."""

    id: UUID
    event_id: int | None = Field(description="Null for a test.")
    event_type: str
    message_id: str = Field(
        description="The header `webhook-id`: the same whenever this event is sent to this webhook."
    )
    cause: Literal["event", "test", "redelivery", "gap"] = Field(
        description="`gap`: nothing was sent, events were forgotten before the receiver took them."
    )
    attempt: int
    delivered: bool
    status: int | None = Field(description="HTTP status of the answer; null when none came.")
    latency_ms: int | None
    problem: str = Field(description="Why it was not delivered.")
    response: str = Field(description="How the answer began.")
    at: datetime


class Deliveries(Page):
    """A page of attempts, the latest first."""

    deliveries: tuple[DeliveryBody, ...]
