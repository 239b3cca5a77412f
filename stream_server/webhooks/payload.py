"""What a receiver is told: thin, so that nothing is sent that it could not ask for with a token.

Of an event's payload only ids, days and a few words of a fixed meaning go out, and names only where the webhook asks
for them. Anything else that a later event may hold stays here.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

PLAIN = frozenset({"camera", "kind", "method", "role", "site_day", "state", "status"})
_ID = re.compile(r"[a-z_]*_?id")
_WORD_MAX = 100


def message_body(type_: str, at: datetime, payload: Mapping[str, Any], *, include_names: bool) -> bytes:
    """The JSON body: `type`, `timestamp` (UTC) and thin `data`."""
    content = {
        "type": type_,
        "timestamp": at.astimezone(UTC).isoformat(),
        "data": thin(payload, include_names=include_names),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def thin(payload: Mapping[str, Any], *, include_names: bool) -> dict[str, Any]:
    """The part of a payload that may go out. An object with an `id` becomes `NAME_id`, and `NAME_name` if asked."""
    data: dict[str, Any] = {}
    for key, value in payload.items():
        if isinstance(value, Mapping):
            if isinstance(value.get("id"), str):
                data[f"{key}_id"] = value["id"]
                if include_names and isinstance(value.get("name"), str):
                    data[f"{key}_name"] = value["name"]
        elif (key in PLAIN or _ID.fullmatch(key)) and (value is None or _is_word(value)):
            data[key] = value
    return data


def message_id(webhook_id: UUID, event_id: int, created_at: datetime) -> str:
    """The id of an event's message to one receiver: the same at every attempt, so that it can tell repeats.

    The time is part of it: in a database that was restored from a backup numbers come again.
    """
    return "msg_" + uuid5(NAMESPACE_URL, f"{webhook_id}/{event_id}/{created_at.isoformat()}").hex


def _is_word(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= _WORD_MAX)
