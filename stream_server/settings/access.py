"""Settings of the ways by which phones reach the server: a tunnel, https in the local network, and the invitation."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from stream_server.settings.group import Group, empty_is_unset, list_from_json

# As in `messages`, which costs the models of all messages to import.
_CAMERA_ID = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"


class TunnelSettings(Group):
    """A public address for phones that cannot reach this machine."""

    provider: Literal["off", "ngrok", "cloudflared"] = Field(
        "off", description="Who carries the tunnel; `rollcall serve --tunnel` sets it."
    )
    ngrok_domain: str | None = Field(
        None, pattern=_HOST, description="Your domain at ngrok; without it ngrok gives the address."
    )
    ngrok_server: str | None = Field(
        None,
        description="Another ngrok server to connect to, `host:port`; for networks that only let their own through.",
    )
    ngrok_ca: Path | None = Field(None, description="Certificate (PEM) by which that server is known.")
    cloudflared_path: Path | None = Field(
        None, description="The cloudflared program; without it the one on the PATH is used."
    )
    open_timeout_s: float = Field(30.0, gt=0, le=600, description="A tunnel that is not open by then is tried again.")
    retry_first_s: float = Field(1.0, gt=0, le=600, description="Wait before a lost tunnel is opened again.")
    retry_max_s: float = Field(60.0, gt=0, le=3600, description="Longest such wait; it doubles with every failure.")
    refused_retry_s: float = Field(
        300.0, gt=0, le=86_400, description="Wait after a refusal, such as a wrong token, before the next try."
    )
    ngrok_monthly_bytes: int = Field(
        1_000_000_000,
        ge=0,
        description="Bytes a month that your ngrok plan allows, in and out together; 0: not counted against anything. "
        "The default is what ngrok documents for its free plan.",
    )
    ngrok_monthly_requests: int = Field(
        20_000, ge=0, description="Requests a month that your ngrok plan allows; 0 and the default as above."
    )

    @field_validator("ngrok_domain", "ngrok_server", "ngrok_ca", "cloudflared_path", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @model_validator(mode="after")
    def _waits_have_a_range(self) -> Self:
        if self.retry_first_s > self.retry_max_s:
            raise ValueError("RETRY_FIRST_S must not be above RETRY_MAX_S")
        return self


class HttpsSettings(Group):
    """https in the local network: without it browsers do not give a page the camera."""

    cert: str | None = Field(
        None,
        description="`auto` for a certificate of a local authority made here, or the file (PEM) of your own one "
        "with its chain. Not set: plain http. `rollcall serve --https` sets it.",
    )
    key: Path | None = Field(None, description="File (PEM) of the private key of your own certificate.")
    names: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description='Further DNS names for the certificate that `auto` makes: ["rollcall.school.example"].',
    )
    plain_port: int | None = Field(
        8080,
        ge=0,
        le=65535,
        description="Port for plain http beside https: it leads to https and gives phones the authority's certificate. "
        "0 takes a free one, empty none.",
    )

    @field_validator("cert", "key", "plain_port", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @field_validator("names", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return list_from_json(value, '["rollcall.school.example"]')

    @field_validator("names")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        import re

        for name in names:
            if not re.fullmatch(_HOST, name):
                raise ValueError(f"{name!r} is no DNS name")
        return tuple(name.lower() for name in names)

    @model_validator(mode="after")
    def _own_certificate_has_a_key(self) -> Self:
        own = self.cert is not None and self.cert != "auto"
        if own and self.key is None:
            raise ValueError("KEY is missing: your own certificate needs the file of its private key")
        if self.key is not None and not own:
            raise ValueError("KEY belongs to a CERT of your own")
        return self


class PhoneSettings(Group):
    """The invitation (a QR code with a pairing code) that is shown after the start."""

    camera: str = Field("phone", pattern=_CAMERA_ID, description="Camera as which the invited phone streams.")
    name: str = Field("Phone", max_length=100, description="Name of that camera.")
    show_code: Literal["auto", "always", "never"] = Field(
        "auto", description="Whether the pairing code is shown; auto: on a terminal, and not in a log."
    )
