"""`GET /metrics`."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from storage.errors import NotFound
from stream_server.access.auth import COOKIE_SCHEME, TOKEN_SCHEME
from stream_server.api.request import ServicesOf, problems
from stream_server.telemetry import metrics

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses=problems(
        _401="No token, or a wrong one",
        _403="Not with this token",
        _404="It is switched off",
        _414="The address is longer than 8 KiB",
        _429="Tried too often with wrong tokens",
        _503="The server starts or stops",
    ),
    dependencies=[TOKEN_SCHEME, COOKIE_SCHEME],
)
async def scrape(services: ServicesOf) -> PlainTextResponse:
    """Text format 0.0.4. With the scraper's own token (`ROLLCALL_METRICS__TOKEN`) or the right `read`."""
    if not services.settings.metrics.enabled:
        raise NotFound("there are no metrics here", hint="set ROLLCALL_METRICS__ENABLED=true", code="not_found")
    return PlainTextResponse(metrics.write(services), media_type="text/plain; version=0.0.4; charset=utf-8")
