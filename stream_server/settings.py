"""Settings: the only reader of the environment.

Every field is an environment variable: `ROLLCALL_` and the names of group and field joined by two underscores, such
as `ROLLCALL_HTTP__PORT`. A file `.env` in the working directory is read too; the environment wins.
`docs/reference/settings.md` lists all of them, and a test holds it to this module.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from recognition.errors import RequestError
from stream_server.access_settings import HttpsSettings, PhoneSettings, TunnelSettings
from stream_server.attendance_settings import AttendanceSettings
from stream_server.privacy_settings import SecretsSettings, UnknownFacesSettings
from stream_server.setting_group import CENTURY_DAYS as _CENTURY_DAYS
from stream_server.setting_group import Group as _Group
from stream_server.setting_group import list_from_json as _list_from_json


class SettingsError(RequestError):
    """A setting has a value that cannot be used."""

    code = "bad_setting"


# What aiortc reads; anything else would fail with the first offer only.
_ICE_URL = re.compile(r"stuns?:[\w.\[\]:-]+|turns?:[\w.\[\]:-]+(\?transport=(udp|tcp))?", re.ASCII)


class SiteSettings(_Group):
    """The place whose attendance is taken."""

    name: str = Field("Rollcall", description="Name shown to people.")
    time_zone: str = Field("UTC", description="IANA time zone that decides where a day begins, such as Europe/Berlin.")

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no IANA time zone; an example is Europe/Berlin") from error
        return name

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)


class HttpSettings(_Group):
    """Where the server listens and how much it takes."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    # Decoded here and not by the source, whose error would not name the variable.
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description='Web origins, besides its own, that may call the server from a browser: ["https://example.org"].',
    )
    max_connections: int = Field(512, ge=1, description="Connections at one time; requests beyond are answered 503.")
    max_photo_bytes: int = Field(8 * 2**20, ge=1024, description="Largest photograph taken over REST.")
    max_subscribers: int = Field(64, ge=1, description="Readers of the event stream at one time.")
    pages_dir: Path | None = Field(
        None, description="Folder of the built web pages; default: web_client/dist beside the packages."
    )

    @field_validator("pages_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return _list_from_json(value, '["https://a.example", "https://b.example"]')


class AuthSettings(_Group):
    """Who may come in."""

    token: SecretStr | None = Field(
        None,
        description="The owner's token, which opens everything. Made and kept in the data folder when not set.",
    )
    session_idle_s: int = Field(
        12 * 3600, ge=300, le=365 * 86_400, description="Who has signed in and does nothing so long is signed out."
    )
    session_max_s: int = Field(
        7 * 86_400, ge=300, le=365 * 86_400, description="Whoever has signed in is signed out after so long."
    )
    password_min_length: int = Field(10, ge=8, le=64, description="Least length of a new password.")
    password_memory_kib: int = Field(
        19_456, ge=8192, le=1_048_576, description="Memory of one password hash (argon2id); one is made at a time."
    )
    password_passes: int = Field(2, ge=1, le=20, description="Passes of a password hash.")
    pairing_lifetime_s: float = Field(600.0, ge=30, le=86_400, description="How long a pairing code may be used.")

    @field_validator("token", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("token")
    @classmethod
    def _token_fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        text = token.get_secret_value().strip()  # files of secrets end with a line break
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("a token is ASCII letters, digits and signs without blanks")
        return SecretStr(text)


class ModelsSettings(_Group):
    """Where model files are kept and come from."""

    dir: Path | None = Field(None, description="Folder of model files; default: models in the data folder.")
    mirror: Path | None = Field(None, description="Folder looked into before a file is fetched or built.")

    @field_validator("dir", "mirror", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


class RecognitionSettings(_Group):
    """How faces are found and compared."""

    detector: Literal["auto", "yunet", "blazeface"] = Field(
        "auto", description="auto: YuNet where it is built, else BlazeFace."
    )
    engine: Literal["opencv", "onnxruntime"] = Field("opencv", description="What runs the detector.")
    precision: Literal["int8", "fp32"] = Field(
        "int8", description="Which face network; templates of one are not valid for the other."
    )
    accept_distance: float = Field(
        0.55, gt=0, le=2, description="A face nearer than this to a person may be named. Lower is stricter."
    )
    review_distance: float = Field(
        0.60, gt=0, le=2, description="Up to this distance a face is left for a person to review; beyond it is unknown."
    )
    margin: float = Field(0.05, ge=0, le=2, description="How much farther the next person must be for a name.")
    min_evidence_frames: int = Field(2, ge=2, le=20, description="Pictures of a track that must agree for a name.")
    kiosk: bool = Field(False, description="One picture is enough when a face is alone before the camera.")
    threads: int = Field(2, ge=1, le=64, description="Recognition threads; the number of cores is a good value.")
    detectors: int = Field(
        1, ge=1, le=64, description="Detection networks on OpenCV; threads share them. Each costs about 27 MB."
    )
    detection_width_px: int = Field(
        640, ge=160, le=1920, description="Longer side of the picture that is searched for faces."
    )

    @model_validator(mode="after")
    def _review_is_wider_than_accept(self) -> Self:
        if self.review_distance < self.accept_distance:
            raise ValueError("review_distance must not be less than accept_distance")
        return self


class CameraSettings(_Group):
    """What a camera may send, and what is asked of it."""

    max_cameras: int = Field(64, ge=1, description="Cameras streaming at one time; more are refused.")
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
    auto_register: bool = Field(False, description="Take frames from cameras that nobody has added.")

    @model_validator(mode="after")
    def _pace_has_a_range(self) -> Self:
        if self.min_fps > self.max_fps:
            raise ValueError(f"MIN_FPS is {self.min_fps:g} and above MAX_FPS, which is {self.max_fps:g}")
        return self


class PullSettings(_Group):
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


class WebRtcSettings(_Group):
    """Cameras over WebRTC (WHIP)."""

    max_peers: int = Field(16, ge=0, description="WebRTC peers at one time; 0 switches WebRTC off.")
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
        None, ge=1, description="With more resident memory than this the server takes no further WebRTC peers."
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

    @field_validator("stun_urls", "turn_urls", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return _list_from_json(value, '["stun:stun.example.org:3478"]')

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


class StorageSettings(_Group):
    """The database and what stands in while it is away."""

    pool_max: int = Field(4, ge=2, le=64, description="Database connections at one time, besides the one that listens.")
    spool_max_records: int = Field(
        100_000, ge=1, description="Decided sightings kept on disk while the database is away."
    )
    spool_max_bytes: int = Field(64 * 2**20, ge=4096, description="Size of that spool.")
    outbox_keep_days: int = Field(
        30,
        ge=1,
        le=_CENTURY_DAYS,
        description="Events, with the names in them, are deleted when they are older, the newest one excepted. "
        "Until then readers can go on from them.",
    )
    sightings_keep_days: int = Field(
        90,
        ge=1,
        le=_CENTURY_DAYS,
        description="Sightings (who was where, and how near the face was) are deleted when they are older. "
        "Attendance stays.",
    )
    attendance_keep_days: int = Field(
        0,
        ge=0,
        le=_CENTURY_DAYS,
        description="Attendance of sessions that ended longer ago is deleted; 0: it is kept.",
    )
    audit_keep_days: int = Field(
        365,
        ge=30,
        le=_CENTURY_DAYS,
        description="Entries of the audit log, and the answers of people erased, are deleted when they are older.",
    )


class Settings(BaseSettings):
    """All settings, immutable."""

    model_config = SettingsConfigDict(
        env_prefix="ROLLCALL_",
        env_nested_delimiter="__",
        env_file=".env",
        frozen=True,
        extra="ignore",
    )

    data_dir: Path = Field(Path("data"), description="Folder for everything the server keeps on disk.")
    database_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL", "ROLLCALL_DATABASE_URL"),
        description="postgresql://… of your server (variable DATABASE_URL); without it an embedded one is started.",
    )
    ngrok_authtoken: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("NGROK_AUTHTOKEN", "ROLLCALL_NGROK_AUTHTOKEN"),
        description="Token of your ngrok account, for `--tunnel ngrok`.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    site: SiteSettings = SiteSettings()
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    models: ModelsSettings = ModelsSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    cameras: CameraSettings = CameraSettings()
    storage: StorageSettings = StorageSettings()
    pull: PullSettings = PullSettings()
    secrets: SecretsSettings = SecretsSettings()
    unknown_faces: UnknownFacesSettings = UnknownFacesSettings()
    webrtc: WebRtcSettings = WebRtcSettings()
    tunnel: TunnelSettings = TunnelSettings()
    https: HttpsSettings = HttpsSettings()
    phones: PhoneSettings = PhoneSettings()
    attendance: AttendanceSettings = AttendanceSettings()

    @field_validator("database_url", "ngrok_authtoken", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("data_dir", mode="before")
    @classmethod
    def _data_dir_is_named(cls, value: object) -> object:
        if value == "":
            raise ValueError("name a folder, or leave the variable out for ./data")
        return value

    @property
    def models_dir(self) -> Path:
        """The folder of model files."""
        return self.models.dir or self.data_dir / "models"


_HINT = "docs/reference/settings.md lists every variable"


def load_settings() -> Settings:
    """Read the settings from the environment; SettingsError names the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"{_variable(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        )
        raise SettingsError(problems, hint=_HINT) from None
    except SourceError as error:
        field = re.search(r'field "(\w+)"', str(error))
        variable = _variable((field[1],)) if field else "a variable"
        raise SettingsError(f"{variable}: this group is set by one variable each, or as JSON", hint=_HINT) from None


def _variable(location: tuple[int | str, ...]) -> str:
    if location and str(location[0]).upper() in ("DATABASE_URL", "NGROK_AUTHTOKEN"):
        return str(location[0]).upper()
    return "ROLLCALL_" + "__".join(part.upper() for part in location if isinstance(part, str))
