"""What every route needs of the request."""

import asyncio
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.requests import HTTPConnection

from recognition.errors import RequestError, UnavailableError
from recognition.frames import PHOTOGRAPH_LIMITS, DecodeLimits
from stream_server.messages import CAMERA_ID, Problem
from stream_server.principals import found_principal
from stream_server.services import Services


def services_of(connection: HTTPConnection) -> Services:
    """The running parts, for a request or a WebSocket. Raises UnavailableError while there are none."""
    services: Services | None = connection.app.state.services
    if services is None:
        raise UnavailableError("the server is starting or stopping", hint="try again in a moment")
    return services


def actor_of(connection: HTTPConnection) -> str:
    """Who asks, for the paper trail: such as `user:0f3c…`, `owner-token`, or `nobody` where no credential is needed."""
    principal = found_principal(connection)
    return NOBODY if principal is None else principal.actor


NOBODY = "nobody"
Actor = Annotated[str, Depends(actor_of)]
ServicesOf = Annotated[Services, Depends(services_of)]
Limit = Annotated[int, Query(ge=1, le=200, description="Items a page.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before.")]
CameraId = Annotated[str, Path(pattern=CAMERA_ID, examples=["room-12"])]

# A single request holds one of few places while its picture arrives.
PHOTO_READ_S = 30.0

PROBLEMS: dict[int | str, dict[str, object]] = {
    code: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for code, text in {
        401: "No token, or a wrong one",
        403: "The token is good, but not for this",
        422: "The input cannot be used",
        503: "Something is away; try again",
    }.items()
}
NOT_FOUND: dict[int | str, dict[str, object]] = {
    404: {
        "model": Problem,
        "description": "There is nothing by that id",
        "content": {"application/problem+json": {}},
    }
}
TOO_MANY: dict[int | str, dict[str, object]] = {
    429: {
        "model": Problem,
        "description": "Tried too often; `Retry-After` says when to try again",
        "content": {"application/problem+json": {}},
    }
}
PHOTO_BODY = {
    "requestBody": {
        "required": True,
        "description": "The picture itself: JPEG, PNG or WebP.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/jpeg", "image/png", "image/webp")
        },
    }
}


async def read_photo(request: Request) -> bytes:
    """The body as it is; RequestError when there is none. The route's size limit holds."""
    try:
        async with asyncio.timeout(PHOTO_READ_S):
            data = await request.body()
    except TimeoutError:
        raise RequestError(
            f"the picture did not arrive within {PHOTO_READ_S:.0f} s", hint="send a smaller one", code="body_too_slow"
        ) from None
    if not data:
        raise RequestError("the body is empty", hint="send the picture itself as the body", code="empty_body")
    return data


def photo_limits(services: Services) -> DecodeLimits:
    """How big a photograph may be."""
    return DecodeLimits(
        max_bytes=services.settings.http.max_photo_bytes,
        max_pixels=PHOTOGRAPH_LIMITS.max_pixels,
        working_pixels=PHOTOGRAPH_LIMITS.working_pixels,
    )
