"""Changes that lose nothing: what is read carries an `ETag`, and a change says by `If-Match` which state it is for."""

import re
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from recognition.errors import RequestError
from storage.errors import Stale

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=200, description="The `ETag` of what was read; `*` for whatever it is."),
]

CHANGES: dict[int | str, dict[str, object]] = {
    412: {"description": "Somebody has changed it meanwhile", "content": {"application/problem+json": {}}},
    428: {"description": "`If-Match` is missing", "content": {"application/problem+json": {}}},
}

_VERSION = re.compile(r'"(\d{1,9})"')


class EtagMissing(RequestError):
    """A change does not say which state of the thing it is for."""

    code = "etag_missing"


def show_version(response: Response, version: int) -> None:
    """Put the version of what is answered into the `ETag`."""
    response.headers["ETag"] = f'"{version}"'


def wanted_version(if_match: str | None) -> int | None:
    """The version that a change is for, None for any. Raises EtagMissing (428), and Stale (412) for no ETag of ours.

    Whoever wants to change without having looked says so with `*`.
    """
    if if_match is None:
        raise EtagMissing("the change does not say what it is for", hint="send the ETag that you read as If-Match")
    if if_match.strip() == "*":
        return None
    found = _VERSION.fullmatch(if_match.strip())
    if found is None:
        raise Stale
    return int(found[1])
