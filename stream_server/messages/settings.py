"""JSON shapes of the settings, for people to read."""

from typing import Any

from pydantic import Field

from stream_server.messages.wire import Shape


class SettingBody(Shape):
    """One setting."""

    variable: str = Field(description="The environment variable that sets it.", examples=["ROLLCALL_SITE__NAME"])
    value: Any = Field(description="Null when nothing is set, and for every secret.")
    given: bool = Field(description="It was set, and is not the default.")
    secret: bool
    description: str


class SettingList(Shape):
    """All settings, in the order of the documentation."""

    settings: tuple[SettingBody, ...]
