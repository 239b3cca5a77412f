"""JSON shapes of the ways by which phones reach the server."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from stream_server.messages.wire import Shape


class TunnelBody(Shape):
    """The tunnel, and what went through it in this month."""

    provider: str = Field(examples=["ngrok"])
    state: Literal["waiting", "opening", "open", "reopening", "refused", "closed"]
    reason: str = Field(description="Why it is not open; empty when it is.")
    address: str | None = Field(
        description="The public address, or the last one while it is opened again.",
        examples=["https://example.ngrok-free.app"],
    )
    since: datetime = Field(description="Since when it is in this state.")
    opened: int = Field(description="How often it was opened since the start.")
    failures: int = Field(description="Failures since it last held for a while.")
    month: str = Field(description="The month (UTC) of these counts.", examples=["2026-11"])
    bytes_in: int = Field(description="Bytes that came in through it, headers included.")
    bytes_out: int
    requests: int = Field(description="Requests; a WebSocket is one.")
    bytes_allowed: int | None = Field(description="Allowance for bytes in and out together; null: none is known.")
    requests_allowed: int | None
    share_used: float | None = Field(description="Share used of the scarcer allowance; above 1 when it is exceeded.")
