"""The JSON shapes of `/healthz` and `/readyz`."""

from typing import Any, Literal

from pydantic import Field

from stream_server.messages.wire import Shape


class Health(Shape):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(Shape):
    """Whether the server can do its work, and what is less than it should be."""

    status: Literal["starting", "not_ready", "ok", "degraded"]
    site: str
    time_zone: str = Field(description="The site's, which decides where a day begins.")
    reasons: tuple[str, ...]
    version: str
    detector: dict[str, Any] | None
    embedder: dict[str, Any] | None
    gallery: dict[str, int]
    storage: dict[str, Any]
    frames: dict[str, int]
    recognition: dict[str, Any]
    sockets: dict[str, int]
    pulled: dict[str, int]
    memory: dict[str, float]
    governor: dict[str, Any] = Field(description="What the server may use, and what it does to stay within it.")
    alerts: list[dict[str, str | None]] = Field(description="What is wrong now that somebody should look after.")
    process: dict[str, int | None] = Field(
        description="What the server process holds now; `open_files` are told by Linux only."
    )
    tunnel: dict[str, Any] | None = Field(None, description="State and share of the allowance used; null without one.")
