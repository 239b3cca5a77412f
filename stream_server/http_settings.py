"""Settings of the server's listening socket, and of who stands before it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from stream_server.setting_group import Group, empty_is_unset, list_from_json, networks


class HttpSettings(Group):
    """Where the server listens and how much it takes."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    # Decoded here and not by the source, whose error would not name the variable.
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description='Web origins, besides its own, that may call the server from a browser: ["https://example.org"].',
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of your own reverse proxies, whose `X-Forwarded-For` and `-Proto` are "
        'believed: ["10.0.0.5", "172.18.0.0/16"]. From anybody else these headers are taken away.',
    )
    max_connections: int = Field(512, ge=1, description="Connections at one time; requests beyond are answered 503.")
    max_photo_bytes: int = Field(8 * 2**20, ge=1024, description="Largest photograph taken over REST.")
    max_subscribers: int = Field(64, ge=1, description="Readers of the event stream at one time.")
    max_reports: int = Field(
        2, ge=1, le=16, description="Reports made at one time; each has a database connection of its own."
    )
    pages_dir: Path | None = Field(
        None, description="Folder of the built web pages; default: web_client/dist beside the packages."
    )

    @field_validator("pages_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return list_from_json(value, '["https://a.example", "https://b.example"]')

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _proxies_from_json(cls, value: object) -> object:
        return list_from_json(value, '["10.0.0.5", "172.18.0.0/16"]')

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        networks(proxies)
        return proxies
