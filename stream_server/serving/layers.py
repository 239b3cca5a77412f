"""What every request passes before its route, and every answer after it; the outermost layer is added last."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from stream_server.access.auth import Guard
from stream_server.access.door import Doorkeeper
from stream_server.access.holders import Access
from stream_server.errors import BodyLimitProblem
from stream_server.services import Services
from stream_server.serving.access_log import AccessLog
from stream_server.serving.request_id import RequestId
from stream_server.settings import Settings
from stream_server.settings.group import networks
from stream_server.traces.requests import TracedRequests


def install_layers(app: FastAPI, settings: Settings, *, token: str) -> None:
    """Give the application its layers. `token` is the owner's; `app.state.traffic` counts what comes by the tunnel."""
    app.add_middleware(BodyLimitProblem)
    app.add_middleware(
        Guard,
        token=token,
        access=lambda: _access(app),
        scrape_token=settings.metrics.secret,
        allowed_origins=settings.http.allowed_origins,
    )
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.http.allowed_origins),
        allow_methods=["GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "Last-Event-ID",
            "ngrok-skip-browser-warning",
            "X-Request-ID",
        ],
        expose_headers=["Accept-Patch", "ETag", "Link", "Location", "Retry-After", "X-Request-ID"],
        max_age=600,
    )
    app.add_middleware(
        Doorkeeper,
        public_host=lambda: _public_host(app),
        traffic=app.state.traffic,
        trusted_proxies=networks(settings.http.trusted_proxies),
        from_one=settings.http.max_connections_per_client,
    )
    if settings.log.access:
        app.add_middleware(AccessLog)
    if settings.traces.endpoint is not None:
        app.add_middleware(TracedRequests, traces=lambda: app.state.traces)
    # The first to see a request: whatever answers, the answer has the id.
    app.add_middleware(RequestId)


def _access(app: FastAPI) -> Access | None:
    services: Services | None = app.state.services
    return None if services is None else services.access


def _public_host(app: FastAPI) -> str | None:
    services: Services | None = app.state.services
    return None if services is None or services.tunnel is None else services.tunnel.public_host
