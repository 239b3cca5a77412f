"""Settings of what the server does when memory is short, and of its metrics, its log and its traces."""

from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from stream_server.settings.group import Group, empty_is_unset

_TOKEN_MIN_LENGTH = 16
_TRACES_PATH = "/v1/traces"


class GovernorSettings(Group):
    """What is done when memory is short. The limits themselves are read from the control group, else the machine."""

    memory_max_mb: int | None = Field(
        None,
        ge=64,
        description="Resident memory of server and readers that the host allows, where it does not tell by a control "
        "group. The tightest limit counts.",
    )
    soft_share: float = Field(
        0.80, gt=0.1, le=1, description="From this part of the limit on, pace and detection width go down."
    )
    hard_share: float = Field(0.92, gt=0.1, le=1.5, description="From this part on, no further camera is taken.")
    ease_for_s: float = Field(
        10.0, ge=0, le=3600, description="Pressure must be lower for so long before that is taken back."
    )

    @field_validator("memory_max_mb", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @model_validator(mode="after")
    def _hard_is_above_soft(self) -> "GovernorSettings":
        if self.hard_share <= self.soft_share:
            raise ValueError(
                f"HARD_SHARE is {self.hard_share:g} and not above SOFT_SHARE, which is {self.soft_share:g}"
            )
        return self


class MetricsSettings(Group):
    """What Prometheus may read under `/metrics`."""

    enabled: bool = Field(True, description="Answer `/metrics`; else it is not there.")
    token: SecretStr | None = Field(
        None,
        description="Opens `/metrics` and nothing else, for the scraper; whoever has the right `read` may look too.",
    )
    cameras: bool = Field(
        True, description="Figures of each camera, with its id as a label; else only of all together."
    )

    @field_validator("token", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @field_validator("token")
    @classmethod
    def _is_long(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        text = token.get_secret_value().strip()
        if len(text) < _TOKEN_MIN_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError(f"a token is at least {_TOKEN_MIN_LENGTH} ASCII letters, digits and signs without blanks")
        return SecretStr(text)

    @property
    def secret(self) -> str | None:
        """The token itself."""
        return None if self.token is None else self.token.get_secret_value()


class LogSettings(Group):
    """The log, on standard error. ROLLCALL_LOG_LEVEL is its level."""

    format: Literal["text", "json"] = Field(
        "text", description="text: a line for people; json: an object a line, for programs."
    )
    access: bool = Field(
        False,
        description="Log every request: method, the route without what stands in it, status, duration and request id.",
    )


class TracesSettings(Group):
    """Traces for an OpenTelemetry collector: where the time of a frame or a request went."""

    endpoint: str | None = Field(
        None,
        description="Address of a collector that takes OTLP over HTTP, such as http://collector:4318. "
        "OTEL_EXPORTER_OTLP_ENDPOINT does the same. Without it nothing is traced, and nothing loaded for it.",
    )
    headers: SecretStr | None = Field(
        None,
        description="Headers for the collector: `name=value,other=value`, percent-encoded. "
        "OTEL_EXPORTER_OTLP_HEADERS does the same.",
    )
    service: str = Field(
        "rollcall", min_length=1, description="Name of this server in the traces. OTEL_SERVICE_NAME does the same."
    )
    frame_share: float = Field(
        0.01, ge=0, le=1, description="Part of the frames that is traced; those that name somebody anew always are."
    )
    request_share: float = Field(1.0, ge=0, le=1, description="Part of the requests that is traced.")

    @field_validator("endpoint", "headers", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @field_validator("endpoint")
    @classmethod
    def _is_address(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        try:
            parts = urlsplit(endpoint)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("write http://host:4318 or https://host, without user and password; those go into headers")
        return endpoint

    @field_validator("headers")
    @classmethod
    def _are_pairs(cls, headers: SecretStr | None) -> SecretStr | None:
        if headers is not None and not all("=" in pair for pair in _pairs(headers)):
            raise ValueError("write name=value, several with commas between them")
        return headers

    @property
    def url(self) -> str:
        """Where spans are sent to. Only where there is an endpoint."""
        assert self.endpoint is not None
        base = self.endpoint.rstrip("/")
        return base if base.endswith(_TRACES_PATH) else base + _TRACES_PATH

    @property
    def header_values(self) -> dict[str, str]:
        """The headers, by name."""
        pairs = [] if self.headers is None else [pair.partition("=") for pair in _pairs(self.headers)]
        return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def _pairs(headers: SecretStr) -> list[str]:
    return [pair for pair in headers.get_secret_value().split(",") if pair.strip()]
