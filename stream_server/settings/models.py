"""Settings of the model folder, and of where its files come from."""

from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from stream_server.settings.group import Group, empty_is_unset

_SCHEMES = ("s3", "gs", "https", "http")


class ModelsSettings(Group):
    """Where model files are kept and come from."""

    dir: Path | None = Field(None, description="Folder of model files; default: models in the data folder.")
    preload: bool = Field(True, description="Load the networks at the start; else with the first picture.")
    idle_s: float = Field(
        900.0,
        ge=0,
        le=86_400,
        description="Networks that nobody needed for so long are let go until the next picture; 0: never.",
    )
    mirror: Path | None = Field(None, description="Folder looked into before a file is fetched or built.")
    # Secret, because an address may carry user and password.
    source: SecretStr | None = Field(
        None,
        description="Address from which the server fetches model files that are missing, before it starts: "
        "s3://bucket/folder, gs://bucket/folder or https://host/folder. Keys are those of the platform's own "
        "variables (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS and so on).",
    )
    source_endpoint: str | None = Field(
        None, description="Address of an S3-compatible server that is not Amazon's, such as https://minio.example:9000."
    )
    source_public: bool = Field(False, description="The bucket may be read by everybody: no keys are looked for.")
    source_allow_http: bool = Field(
        False, description="Let the source be an http address of another machine. Files are checked either way."
    )

    @field_validator("dir", "mirror", "source", "source_endpoint", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @model_validator(mode="after")
    def _source_can_be_asked(self) -> Self:
        if self.source is not None:
            parts = _split(self.source.get_secret_value())
            if parts.scheme not in _SCHEMES or not parts.hostname:
                raise ValueError(
                    f"source begins with {', '.join(f'{scheme}://' for scheme in _SCHEMES[:3])} and a name"
                )
            if parts.query or parts.fragment:
                raise ValueError("source names a folder: no ? or # in it")
            self._refuse_plain("source", parts)
        if self.source_endpoint is not None:
            if self.source is not None and _split(self.source.get_secret_value()).scheme != "s3":
                raise ValueError("source_endpoint belongs to a source that begins with s3://")
            parts = _split(self.source_endpoint)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("source_endpoint is an address such as https://minio.example:9000")
            self._refuse_plain("source_endpoint", parts)
        return self

    def _refuse_plain(self, name: str, parts: SplitResult) -> None:
        if parts.scheme == "http" and not self.source_allow_http and not _is_this_machine(parts.hostname):
            raise ValueError(f"{name} must be https: use it, or set source_allow_http")


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ValueError("this is no address") from None  # the text may hold a password
    return parts


def _is_this_machine(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
