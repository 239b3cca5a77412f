"""Settings of the server's listening socket, and of who stands before it."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from stream_server.settings.group import Group, auto_is_unset, empty_is_unset, list_from_json, networks

_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)


class HttpSettings(Group):
    """Where the server listens and how much it takes."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(
        8000, ge=0, le=65535, description="Port to listen on (variable PORT, if that alone is set); 0 takes a free one."
    )
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
    max_connections: int = Field(
        512,
        ge=1,
        description="Connections at one time; more are answered 503. The last few are kept for this machine. "
        "Not set (or `auto`): fitted to the memory.",
    )
    max_connections_per_client: int = Field(
        64,
        ge=1,
        description="Connections at one time from one address (of IPv6: from one /64 network); "
        "through a tunnel or a trusted proxy the requests of one visitor.",
    )
    max_photo_bytes: int = Field(8 * 2**20, ge=1024, description="Largest photograph taken over REST.")
    max_subscribers: int = Field(
        64, ge=1, description="Readers of the event stream at one time. Not set (or `auto`): fitted to the memory."
    )
    max_reports: int = Field(
        2, ge=1, le=16, description="Reports made at one time; each has a database connection of its own."
    )
    pages_dir: Path | None = Field(
        None, description="Folder of the built web pages; default: web_client/dist beside the packages."
    )

    _auto = model_validator(mode="before")(auto_is_unset("max_connections", "max_subscribers"))

    @field_validator("pages_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return list_from_json(value, '["https://a.example", "https://b.example"]')

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(origin.removesuffix("/").lower() for origin in origins)
        for origin in plain:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no web origin, such as https://example.org or http://10.0.0.7:8080")
        return plain

    @model_validator(mode="before")
    @classmethod
    def _empty_host_is_unset(cls, values: object) -> object:
        # An empty address would be all of them.
        if isinstance(values, dict) and values.get("host") == "":
            return {name: value for name, value in values.items() if name != "host"}
        return values

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _proxies_from_json(cls, value: object) -> object:
        return list_from_json(value, '["10.0.0.5", "172.18.0.0/16"]')

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        networks(proxies)
        return proxies
