"""Settings of what is kept encrypted, and of people whom nobody has named."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from stream_server.settings.group import CENTURY_DAYS, Group, empty_is_unset, list_from_json


class SecretsSettings(Group):
    """The key of what is kept encrypted: templates, and passwords of cameras."""

    key: SecretStr | None = Field(
        None,
        description="Key of templates and kept passwords: 32 bytes as base64. "
        "Made and kept in the data folder (`secret-key`) when not set.",
    )
    old_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description='Keys from before, which open what is not yet sealed under the new one: ["..."].'
    )

    _empty_is_unset = field_validator("key", mode="before")(empty_is_unset)

    @field_validator("old_keys", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return () if value == "" else list_from_json(value, '["base64 of 32 bytes"]')


class UnknownFacesSettings(Group):
    """Faces of people whom nobody has named. Off unless the site switches it on: they have agreed to nothing."""

    keep_days: int = Field(
        0, ge=0, le=365, description="Days that faces of nobody we know are kept to be named by a person; 0: never."
    )
    crops: bool = Field(False, description="Keep a small picture with such a face, encrypted, so that it can be named.")
    distance_max: float = Field(
        0.5, gt=0, le=1, description="How near a face must be to others, on average, to count as the same person."
    )
    max_people: int = Field(
        200,
        ge=1,
        le=1000,
        description="Such people at one time; those seen longest ago go first. As many may be ignored besides.",
    )
    max_faces: int = Field(5, ge=1, le=20, description="Faces kept of each; the best ones stay.")
    ignored_keep_days: int = Field(
        365, ge=1, le=CENTURY_DAYS, description="Days that a face is remembered that was to be ignored."
    )

    @property
    def crops_keep_days(self) -> int:
        """Days that pictures of them are kept."""
        return self.keep_days if self.crops else 0
