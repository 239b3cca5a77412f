"""Every traced request is a span with its route, its status and its id, and the statements within it.

It names the route and not the address, as the access log does. Who sends `traceparent` has the request counted to that
trace; whether it is traced at all is not theirs to say, because anybody may send it.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_server.access.rights import asked_for

if TYPE_CHECKING:
    from stream_server.traces.tracing import Traces

# Asked all the time, or open for hours.
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics", "/api/v1/events"})


class TracedRequests:
    """ASGI middleware; only there when a collector is named."""

    def __init__(
        self, app: ASGIApp, *, traces: Callable[[], "Traces | None"], dice: Callable[[], float] = random.random
    ) -> None:
        self._app = app
        self._traces = traces
        self._dice = dice

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, in a span."""
        traces = self._traces()
        if (
            scope["type"] != "http"
            or traces is None
            or scope["path"] in UNTRACED
            or self._dice() >= traces.request_share
        ):
            await self._app(scope, receive, send)
            return
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        rule = asked_for(scope).rule
        route = "(nothing there)" if rule is None else rule.path
        method = scope["method"] if rule is not None else "HTTP"
        given = {"traceparent": Headers(scope=scope).get("traceparent", "")}
        span = traces.tracer.start_span(
            f"{method} {route}",
            TraceContextTextMapPropagator().extract(given),
            kind=trace.SpanKind.SERVER,
            attributes={
                "http.request.method": method,
                "http.route": route,
                "rollcall.request_id": scope.get("state", {}).get("request_id", ""),
            },
        )

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:
                    span.set_status(trace.StatusCode.ERROR)
            await send(message)

        # No errors in it: they may quote what was asked for.
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            await self._app(scope, receive, watched_send)
