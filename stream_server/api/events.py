"""Live events: server-sent events over HTTP, and the same over a WebSocket."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, WebSocket
from starlette.requests import HTTPConnection
from starlette.responses import StreamingResponse

from recognition.errors import RequestError, RollcallError, UnavailableError
from stream_server.access.auth import SUBPROTOCOL
from stream_server.access.principals import OWNER_TOKEN, principal_of
from stream_server.api.audited import AuditOf, auditor_of
from stream_server.api.request import PROBLEMS, ServicesOf, services_of
from stream_server.api.timed_stream import TimedStream
from stream_server.api.visible import VisibleTo, visible_to
from stream_server.errors import response_to
from stream_server.events.bus import BusItem, KeepAlive
from stream_server.messages.wire import Event, GapNotice, StatusNotice
from stream_server.privacy.auditing import Action, Auditor
from stream_server.services import Services

log = logging.getLogger("rollcall.events")
router = APIRouter(tags=["events"], responses=PROBLEMS)
socket_router = APIRouter()

SEND_TIMEOUT_S = 20.0

Follower = AsyncGenerator[BusItem, None]


class BadEventId(RequestError):
    """The id to go on from is no number."""

    code = "bad_event_id"


class EventStream(TimedStream):
    """Server-sent events that give up on a reader who takes nothing for a while."""

    media_type = "text/event-stream"

    def __init__(self, first: BusItem, follower: Follower) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(follower, body=_chunks(first, follower), send_timeout_s=SEND_TIMEOUT_S, headers=headers)

    def broken_off(self, error: Exception) -> None:
        """Nothing to say: Last-Event-ID takes up the thread."""


@router.get(
    "/events",
    summary="Follow the events live",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
)
async def follow_events(
    services: ServicesOf,
    request: Request,
    audit: AuditOf,
    visible: VisibleTo,
    last_event_id: Annotated[str | None, Header(description="Go on behind this event.")] = None,
    after: Annotated[
        int | None, Query(ge=0, description="The same for a first connection; 0 for all there are.")
    ] = None,
) -> EventStream:
    """Every event has its id, so that an EventSource goes on by itself where it was; none is missed or repeated.

    A teacher hears of what is of their groups, and of cameras. `status` events tell how the server is; they are not
    stored and have no id.
    """
    start = after if last_event_id is None else _event_id(last_event_id)
    await _note(services, audit)
    follower = services.bus.follow(visible, start, who=_reader(request))
    first = await anext(follower)  # refused here, while there is still a status code to say so
    return EventStream(first, follower)


@socket_router.websocket("/ws/v1/events")
async def events_socket(socket: WebSocket) -> None:
    """The same events, one JSON message each."""
    try:
        services = services_of(socket)
        after = socket.query_params.get("after")
        start = None if after is None else _event_id(after)
        await _note(services, auditor_of(socket))
        follower = services.bus.follow(visible_to(socket), start, who=_reader(socket))
        first = await anext(follower)
    except RollcallError as error:
        await socket.send_denial_response(response_to(error))
        return
    try:
        await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
        sending = asyncio.create_task(_send_events(socket, first, follower), name="events-write")
        reading = asyncio.create_task(_until_gone(socket), name="events-read")
        try:
            await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)
    finally:
        await follower.aclose()


async def _send_events(
    socket: WebSocket,
    first: BusItem,
    follower: Follower,
) -> None:
    await _send(socket, first)
    async for item in follower:
        if not isinstance(item, KeepAlive):  # the socket has its own pings
            await _send(socket, item)


async def _send(socket: WebSocket, item: BusItem) -> None:
    if isinstance(item, KeepAlive):
        return
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await socket.send_text(item.model_dump_json())


async def _note(services: Services, audit: Auditor) -> None:
    try:
        async with services.database.acquire() as connection:
            await audit.seen(connection, Action.EVENTS_FOLLOWED)
    except UnavailableError as error:
        # Readers come back in an outage to hear that there is one; the log says who did.
        log.warning("%s follows the events, which the audit log cannot take in now: %s", audit.actor, error)


async def _until_gone(socket: WebSocket) -> None:
    # Nothing is expected; what comes, text or not, is ignored.
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


def _reader(connection: HTTPConnection) -> str | None:
    """Who has a limited number of places: everybody but whoever has the owner's token."""
    principal = principal_of(connection)
    return None if principal is OWNER_TOKEN else principal.actor


def _event_id(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 2**63:
        raise BadEventId("the event id to go on from is no number", hint="send the id of the last event you have")
    return number


async def _chunks(first: BusItem, follower: Follower) -> AsyncIterator[str]:
    yield _chunk(first)
    async for item in follower:
        yield _chunk(item)


def _chunk(item: BusItem) -> str:
    match item:
        case KeepAlive():
            return ": still here\n\n"
        case StatusNotice() | GapNotice():
            return f"event: {item.type}\ndata: {item.model_dump_json()}\n\n"
        case Event():
            return f"id: {item.id}\nevent: {item.type}\ndata: {item.model_dump_json()}\n\n"
