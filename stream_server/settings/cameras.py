"""Settings of cameras: what they may send, those that the server opens by itself, and those over WebRTC."""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from stream_server.settings.group import Group, auto_is_unset, list_from_json

# What aiortc reads; anything else would fail with the first offer only.
_ICE_URL = re.compile(r"stuns?:[\w.\[\]:-]+|turns?:[\w.\[\]:-]+(\?transport=(udp|tcp))?", re.ASCII)


class CameraSettings(Group):
    """What a camera may send, and what is asked of it."""

    max_cameras: int = Field(
        64,
        ge=1,
        description="Cameras streaming at one time; more are refused. Not set (or `auto`): fitted to the memory.",
    )
    max_fps: float = Field(
        10.0, gt=0, le=60, description="Frames a second asked of one camera when there is time for all."
    )
    min_fps: float = Field(0.5, gt=0, le=60, description="Frames a second asked of a camera under the heaviest load.")
    max_frame_bytes: int = Field(2**20, ge=4096, description="Largest message taken from a camera.")
    max_frame_pixels: int = Field(12_000_000, ge=100_000, description="Largest picture taken from a camera.")
    frame_deadline_s: float = Field(
        1.0, gt=0, le=60, description="A frame that has waited longer is dropped and counted."
    )
    width_px: int = Field(640, ge=160, description="Picture width asked of a camera.")
    height_px: int = Field(480, ge=120, description="Picture height asked of a camera.")
    jpeg_quality: int = Field(85, ge=10, le=100, description="JPEG quality asked of a camera.")
    auto_register: bool = Field(
        False, description="Take frames from cameras that nobody has added. One that was removed stays away."
    )

    glances: bool = Field(
        True, description="Let those who may see the cameras look through them: small pictures, made when asked for."
    )

    _auto = model_validator(mode="before")(auto_is_unset("max_cameras"))

    @model_validator(mode="after")
    def _pace_has_a_range(self) -> Self:
        if self.min_fps > self.max_fps:
            raise ValueError(f"MIN_FPS is {self.min_fps:g} and above MAX_FPS, which is {self.max_fps:g}")
        return self


class PullSettings(Group):
    """IP cameras that the server opens by itself."""

    allow_private: bool = Field(False, description="Open cameras in private networks, such as 10.0.0.7.")
    allow_loopback: bool = Field(False, description="Open addresses of this machine itself; for tests.")
    replay_dir: Path | None = Field(None, description="Folder whose recordings may be played as `file:name.mp4`.")
    verify_tls: bool = Field(True, description="Check certificates of https and rtsps cameras.")
    group_size: int = Field(8, ge=1, le=64, description="Cameras that share a reader process.")
    open_timeout_s: float = Field(4.0, gt=0, le=60, description="How long opening a camera may be silent.")
    read_timeout_s: float = Field(4.0, gt=0, le=60, description="A camera that is silent so long is opened anew.")
    stall_after_s: float = Field(3.0, gt=0, le=60, description="A camera that is silent so long is called stalled.")
    retry_max_s: float = Field(2.0, gt=0, le=600, description="Longest wait before a lost camera is tried again.")
    refused_retry_s: float = Field(
        30.0, gt=0, le=3600, description="Wait after a refusal, such as a wrong password, before the next try."
    )
    max_side_px: int = Field(1280, ge=160, le=7680, description="Larger pictures are made smaller to this.")

    @field_validator("replay_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


class WebRtcSettings(Group):
    """Cameras over WebRTC (WHIP)."""

    max_peers: int = Field(
        16,
        ge=0,
        description="WebRTC peers at one time; 0 switches WebRTC off. Not set (or `auto`): fitted to the memory.",
    )
    connect_timeout_s: float = Field(
        10.0, gt=0, le=300, description="A WebRTC peer that has not connected by then is ended."
    )
    idle_timeout_s: float = Field(
        15.0, gt=0, le=3600, description="A WebRTC peer that sends no frame so long is ended."
    )
    max_kbps: int = Field(1500, ge=50, description="Video bitrate that a WebRTC peer is asked to stay under.")
    max_frame_pixels: int = Field(
        2_100_000, ge=10_000, description="Largest picture in a WebRTC video; a peer that sends larger ones is ended."
    )
    memory_max_mb: int | None = Field(
        None,
        ge=1,
        description="With more resident memory than this the server takes no further WebRTC peers. Not set: one is "
        "taken where its memory fits below the limit of the host.",
    )
    stun_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description='STUN servers, told to clients; the server asks the first: ["stun:stun.example.org:3478"].'
    )
    turn_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description='TURN servers, in the same way: ["turn:turn.example.org:3478?transport=udp"].'
    )
    turn_secret: SecretStr | None = Field(
        None, description="Secret shared with the TURN servers; credentials for a limited time are made from it."
    )
    turn_lifetime_s: int = Field(3600, ge=60, description="How long these credentials hold.")

    _auto = model_validator(mode="before")(auto_is_unset("max_peers"))

    @field_validator("stun_urls", "turn_urls", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return list_from_json(value, '["stun:stun.example.org:3478"]')

    @field_validator("stun_urls", "turn_urls")
    @classmethod
    def _are_ice_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not _ICE_URL.fullmatch(url):
                raise ValueError(f"{url!r} is no address like stun:stun.example.org:3478 or turns:turn.example.org")
        return urls

    @field_validator("turn_secret", "memory_max_mb", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value
