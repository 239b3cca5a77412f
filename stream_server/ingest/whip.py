"""WHIP (RFC 9725): `POST /whip/{camera}` with an offer, and the session that comes of it. A browser does the same."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from recognition.errors import RequestError
from stream_server.access.auth import TOKEN_SCHEME
from stream_server.access.principals import principal_of
from stream_server.api.request import NOT_FOUND, PROBLEMS, CameraId, ServicesOf, problems
from stream_server.services import utc_now

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
SDP_MAX_BYTES = 64 * 1024

IfMatch = Annotated[str | None, Header(description="The `ETag` of the session.")]


class MediaTypeUnsupported(RequestError):
    """The body is of another kind than this route takes."""

    code = "unsupported_media_type"


class BodyNotText(RequestError):
    """The body is not even text."""

    code = "sdp_invalid"


def _body_of(kind: str) -> dict[str, object]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": {"type": "string"}}}}}


router = APIRouter(
    prefix="/whip",
    tags=["whip"],
    dependencies=[TOKEN_SCHEME],
    responses={**PROBLEMS, **NOT_FOUND, **problems(_415="The body is of another type")},
)


@router.options("/{camera_id}", status_code=204, summary="What the endpoint takes", response_class=Response)
async def whip_options(camera_id: CameraId, services: ServicesOf) -> Response:
    """`Accept-Post` says that it is an offer; `Link` names the ICE servers, for clients that need them before it."""
    await services.cameras.require(camera_id)
    response = Response(status_code=204, headers={"Accept-Post": SDP, "Allow": "OPTIONS, POST"})
    for server in services.webrtc.ice_servers(camera_id):
        response.headers.append("Link", server.link())
    return response


@router.post(
    "/{camera_id}",
    status_code=201,
    summary="Stream by WebRTC",
    response_class=Response,
    responses={201: {"description": "The answer", "content": {SDP: {"schema": {"type": "string"}}}}},
    openapi_extra=_body_of(SDP),
    max_body_size=SDP_MAX_BYTES,
)
async def whip_offer(camera_id: CameraId, request: Request, services: ServicesOf) -> Response:
    """The body is an offer that sends video; the answer's `Location` is the session, to be deleted at the end."""
    offer = await _text(request, SDP)
    await services.cameras.require(camera_id)
    principal = principal_of(request)
    opened = await services.webrtc.open(camera_id, offer, principal.subjects, ends_in_s=principal.left_s(utc_now()))
    response = Response(opened.answer, status_code=201, media_type=SDP)
    response.headers["Location"] = f"/whip/{camera_id}/{opened.session_id}"
    response.headers["ETag"] = opened.etag
    response.headers["Accept-Patch"] = FRAGMENT
    for server in opened.ice_servers:
        response.headers.append("Link", server.link())
    return response


@router.patch(
    "/{camera_id}/{session_id}",
    status_code=204,
    summary="Trickle ICE candidates",
    response_class=Response,
    responses={412: {"description": "Another ICE session is meant"}, 428: {"description": "`If-Match` is missing"}},
    openapi_extra=_body_of(FRAGMENT),
    max_body_size=SDP_MAX_BYTES,
)
async def whip_trickle(
    camera_id: CameraId, session_id: str, request: Request, services: ServicesOf, if_match: IfMatch = None
) -> Response:
    """Further candidates of the client. ICE cannot be restarted: that is answered 422, and a new POST is the way."""
    fragment = await _text(request, FRAGMENT)
    await services.webrtc.trickle(camera_id, session_id, if_match, fragment)
    return Response(status_code=204)


@router.delete("/{camera_id}/{session_id}", summary="End the stream", response_class=Response)
async def whip_end(camera_id: CameraId, session_id: str, services: ServicesOf) -> Response:
    """When it is answered, nothing is left of the session."""
    await services.webrtc.close(camera_id, session_id)
    return Response(status_code=200)


async def _text(request: Request, kind: str) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != kind:
        raise MediaTypeUnsupported(
            f"the body is {given or 'of no type'}, and not {kind}", hint=f"send it with Content-Type: {kind}"
        )
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise BodyNotText("the body is no text", hint="send the offer's SDP as UTF-8") from None
