"""The settings that the server runs with, for people to read. They are changed where they are set, and not here."""

from collections.abc import Iterator
from pathlib import Path

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, SecretStr

from stream_server.api.request import PROBLEMS, ServicesOf
from stream_server.messages.settings import SettingBody, SettingList
from stream_server.settings.names import PREFIX

router = APIRouter(prefix="/settings", tags=["health"], responses=PROBLEMS)


@router.get("", summary="What the server is set to")
async def list_settings(services: ServicesOf) -> SettingList:
    """Every setting by the name of its environment variable. Of a secret it is only told whether it is set."""
    return SettingList(settings=tuple(_settings(services.settings, PREFIX)))


def _settings(group: BaseModel, prefix: str) -> Iterator[SettingBody]:
    for name, field in type(group).model_fields.items():
        value, alias = getattr(group, name), field.validation_alias
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{prefix}{name.upper()}__")
            continue
        secret = "SecretStr" in str(field.annotation)
        yield SettingBody(
            variable=str(alias.choices[0]) if isinstance(alias, AliasChoices) else prefix + name.upper(),
            value=None if secret or value is None else _plain(value),
            given=name in group.model_fields_set and value is not None,
            secret=secret,
            description=field.description or "",
        )


def _plain(value: object) -> object:
    """As JSON has it, for people: no value that cannot be told, and nothing of a secret."""
    if isinstance(value, SecretStr):  # in a list of a kind whose name does not say so
        return None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float) else str(value)
