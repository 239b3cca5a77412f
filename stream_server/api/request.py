"""What every route needs of the request."""

import asyncio
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.requests import HTTPConnection

from recognition.errors import RequestError, UnavailableError
from recognition.frames import PHOTOGRAPH_LIMITS, DecodeLimits
from stream_server.access.principals import found_principal
from stream_server.messages.wire import CAMERA_ID
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

Responses = dict[int | str, dict[str, object]]

# Named, not given as a model: of a model FastAPI would build a validator for each status of each route, which came to
# 17 MB that nothing uses.
PROBLEM_SHAPE = {"$ref": "#/components/schemas/Problem"}


def problems(**texts: str) -> Responses:
    """The description of answers that are problems: `_409="…"`."""
    return {
        int(status[1:]): {"description": text, "content": {"application/problem+json": {"schema": PROBLEM_SHAPE}}}
        for status, text in texts.items()
    }


PROBLEMS = problems(
    _400="The request cannot be served; the code says why",
    _401="No token, or a wrong one",
    _403="The token is good, but not for this",
    _413="The body is larger than this endpoint takes",
    _414="The address is longer than 8 KiB",
    _422="The input cannot be used",
    _429="Tried too often, such as with wrong tokens; `Retry-After` says when to try again",
    _503="Something is away; try again",
)
NOT_FOUND = problems(_404="There is nothing by that id")
CONFLICT = problems(_409="It contradicts what is stored")
PHOTO_PROBLEMS = problems(
    _408="The picture did not arrive in time", _415="It is no JPEG, PNG or WebP", _422="The picture cannot be used"
)
TOO_MANY = problems(_429="Tried too often; `Retry-After` says when to try again")
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
