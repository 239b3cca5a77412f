"""All endpoints and sockets of the application, put together."""

from fastapi import APIRouter, FastAPI

from stream_server import health
from stream_server.access.auth import COOKIE_SCHEME, TOKEN_SCHEME
from stream_server.api import (
    attendance,
    audit,
    cameras,
    consents,
    demo,
    devices,
    events,
    groups,
    lessons,
    people,
    person_export,
    punches,
    recognition,
    reports,
    reviews,
    rooms,
    roster,
    sessions,
    sign_in,
    site,
    tokens,
    tunnel,
    unknown_faces,
    users,
    webhooks,
)
from stream_server.api import settings as settings_api
from stream_server.api.examples import install_examples
from stream_server.ingest import websocket, whip
from stream_server.serving import pages
from stream_server.settings import Settings
from stream_server.telemetry import scrape

JSON_BODY_MAX_BYTES = 64 * 1024
# What anybody may send who has no credential yet.
OPEN_BODY_MAX_BYTES = 4 * 1024


def include_routes(app: FastAPI, settings: Settings) -> None:
    """Give the application its routes. A route exists once `rights` names it, too."""
    install_examples(app)
    app.include_router(health.router)
    app.include_router(scrape.router)
    # Routes that take photographs raise the limit for themselves.
    api = APIRouter(prefix="/api/v1", max_body_size=JSON_BODY_MAX_BYTES, dependencies=[TOKEN_SCHEME, COOKIE_SCHEME])
    api.include_router(people.make_router(max_photo_bytes=settings.http.max_photo_bytes))
    api.include_router(recognition.make_router(max_photo_bytes=settings.http.max_photo_bytes))
    for module in (
        sessions,
        attendance,
        cameras,
        groups,
        rooms,
        roster,
        lessons,
        punches,
        reviews,
        reports,
        webhooks,
        events,
        devices,
        sign_in,
        users,
        tokens,
        tunnel,
        consents,
        audit,
        person_export,
        unknown_faces,
        settings_api,
        site,
        demo,
    ):
        api.include_router(module.router)
    app.include_router(api)
    for module in (devices, sign_in):
        app.include_router(module.open_router, prefix="/api/v1", max_body_size=OPEN_BODY_MAX_BYTES)
    app.include_router(websocket.router)
    app.include_router(whip.router)
    app.include_router(events.socket_router)
    app.include_router(pages.make_router(settings.http.pages_dir or pages.BUILT))
