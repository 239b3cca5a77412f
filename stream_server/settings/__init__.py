"""Settings: the only reader of the environment.

Every field is an environment variable: `ROLLCALL_` and the names of group and field joined by two underscores, such
as `ROLLCALL_HTTP__PORT`. A file `.env` in the working directory is read too; the environment wins.
`docs/reference/settings.md` lists all of them, and a test holds it to this module.
"""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from recognition.errors import RequestError
from stream_server.settings.access import HttpsSettings, PhoneSettings, TunnelSettings
from stream_server.settings.attendance import AttendanceSettings
from stream_server.settings.cameras import CameraSettings as CameraSettings
from stream_server.settings.cameras import PullSettings as PullSettings
from stream_server.settings.cameras import WebRtcSettings as WebRtcSettings
from stream_server.settings.governor import GovernorSettings, LogSettings, MetricsSettings, TracesSettings
from stream_server.settings.group import CENTURY_DAYS as _CENTURY_DAYS
from stream_server.settings.group import Group as _Group
from stream_server.settings.group import auto_is_unset, empty_is_unset
from stream_server.settings.http import HttpSettings as HttpSettings
from stream_server.settings.models import ModelsSettings as ModelsSettings
from stream_server.settings.names import strangers
from stream_server.settings.privacy import SecretsSettings as SecretsSettings
from stream_server.settings.privacy import UnknownFacesSettings as UnknownFacesSettings
from stream_server.settings.webhooks import WebhookSettings
from stream_server.time_zones import is_time_zone


class SettingsError(RequestError):
    """A setting has a value that cannot be used."""

    code = "bad_setting"


_TOKEN_MIN_LENGTH = 16
_COMMON_NAMES = {
    "PORT": ("http", "port"),
    # https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("traces", "endpoint"),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ("traces", "endpoint"),
    "OTEL_EXPORTER_OTLP_HEADERS": ("traces", "headers"),
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": ("traces", "headers"),
    "OTEL_SERVICE_NAME": ("traces", "service"),
}


class SiteSettings(_Group):
    """The place whose attendance is taken."""

    name: str = Field("Rollcall", description="Name shown to people. Set here, it cannot be changed on the pages.")
    time_zone: str = Field(
        "UTC",
        description="IANA time zone that decides where a day begins, such as Europe/Berlin. Set here, it cannot be "
        "changed on the pages.",
    )

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        if not is_time_zone(name):
            raise ValueError(f"{name!r} is no IANA time zone; an example is Europe/Berlin")
        return name

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)


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
        return empty_is_unset(value)

    @field_validator("token")
    @classmethod
    def _token_fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        text = token.get_secret_value().strip()  # files of secrets end with a line break
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("a token is ASCII letters, digits and signs without blanks")
        if len(text) < _TOKEN_MIN_LENGTH:
            raise ValueError(f"a token that opens everything has at least {_TOKEN_MIN_LENGTH} characters")
        return SecretStr(text)


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
    threads: int = Field(
        2,
        ge=1,
        le=64,
        description="Recognition threads. Not set (or `auto`): fitted to the processors and memory there are.",
    )
    pictures_waiting_max: int = Field(
        4,
        ge=1,
        le=64,
        description="Photographs that may wait to be recognised or enrolled; one more is answered 503. "
        "Not set (or `auto`): fitted to the memory.",
    )
    detectors: int = Field(
        1, ge=1, le=64, description="Detection networks on OpenCV; threads share them. Each costs about 27 MB."
    )
    detection_width_px: int = Field(
        640,
        ge=160,
        le=1920,
        description="Longer side of the picture that is searched for faces. Not set (or `auto`): less on small hosts.",
    )

    full_search_s: float = Field(
        1.0,
        ge=0,
        le=10,
        description="A frame is searched for faces whole after so long at the latest; in between only where the "
        "picture has changed. 0: every frame is.",
    )

    _auto = model_validator(mode="before")(auto_is_unset("threads", "pictures_waiting_max", "detection_width_px"))

    @model_validator(mode="after")
    def _review_is_wider_than_accept(self) -> Self:
        if self.review_distance < self.accept_distance:
            raise ValueError("review_distance must not be less than accept_distance")
        return self


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


class _CommonNames(PydanticBaseSettingsSource):
    """Names that others have agreed on, such as PORT of hosting platforms; what is set for Rollcall itself wins."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Nothing for a field of its own."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """What is given by them, in the groups that it belongs to."""
        found: dict[str, dict[str, Any]] = {}
        for name, (group, field) in _COMMON_NAMES.items():
            if value := os.environ.get(name):
                found.setdefault(group, {})[field] = value
        if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            found.pop("traces", None)
        return found


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
    webhooks: WebhookSettings = WebhookSettings()
    tunnel: TunnelSettings = TunnelSettings()
    https: HttpsSettings = HttpsSettings()
    phones: PhoneSettings = PhoneSettings()
    attendance: AttendanceSettings = AttendanceSettings()
    governor: GovernorSettings = GovernorSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    traces: TracesSettings = TracesSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The usual ones, and last the names that others have agreed on."""
        return init_settings, env_settings, dotenv_settings, file_secret_settings, _CommonNames(settings_cls)

    @field_validator("database_url", "ngrok_authtoken", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return empty_is_unset(value)

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
    unknown = strangers([*os.environ, *dotenv_values(str(Settings.model_config["env_file"]))], Settings)
    if unknown:
        raise SettingsError("; ".join(unknown), hint=_HINT)
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


def check_folders(settings: Settings) -> None:
    """SettingsError unless the folders are there that the server only reads, and cannot make."""
    for variable, folder in (
        ("ROLLCALL_HTTP__PAGES_DIR", settings.http.pages_dir),
        ("ROLLCALL_PULL__REPLAY_DIR", settings.pull.replay_dir),
    ):
        if folder is not None and not folder.is_dir():
            raise SettingsError(f"{variable}: there is no folder {folder}", hint="make it, or leave the variable out")


def _variable(location: tuple[int | str, ...]) -> str:
    own = "ROLLCALL_" + "__".join(part.upper() for part in location if isinstance(part, str))
    if own not in os.environ:
        for name, its_location in reversed(_COMMON_NAMES.items()):
            if location == its_location and name in os.environ:
                return name
    if location and str(location[0]).upper() in ("DATABASE_URL", "NGROK_AUTHTOKEN"):
        return str(location[0]).upper()
    return own
