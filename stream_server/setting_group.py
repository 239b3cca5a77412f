"""What all groups of settings have in common."""

import json

from pydantic import BaseModel, ConfigDict

CENTURY_DAYS = 36_500


class Group(BaseModel):
    """A group of settings: immutable, and a name that nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def list_from_json(value: object, example: str) -> object:
    """A list that a variable holds as JSON; other values as they are. Raises ValueError that shows an example."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"a list is written as {example}") from error


def empty_is_unset(value: object) -> object:
    """None for a variable that is set to nothing."""
    return None if value == "" else value
