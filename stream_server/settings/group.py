"""What all groups of settings have in common."""

import json
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

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


def auto_is_unset(*names: str) -> Callable[[object], object]:
    """A validator that takes away those of these fields that say `auto`: as if nobody had set them."""

    def without(values: object) -> object:
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if name not in names or value != "auto"}
        return values

    return without


def networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks of addresses and CIDR blocks. Raises ValueError for what is none, and for the whole internet."""
    found = []
    for text in texts:
        try:
            network = ip_network(text.strip())
        except ValueError:
            raise ValueError(f"{text!r} is no IP address or network such as 172.18.0.0/16") from None
        if network.prefixlen == 0:
            raise ValueError(f"{text!r} is everybody: anyone could then forge where they come from")
        found.append(network)
    return tuple(found)
