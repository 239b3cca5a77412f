"""Starts the traces where a collector is named, and sends them to it.

Nothing that makes or sends spans is imported before `start_traces` finds an endpoint, and nothing is called for a frame
or a request without one: who has no collector pays nothing. No person, no address, no value of a statement and no token
is in any attribute; a test reads what a collector gets.
"""

import asyncio
import logging
import time
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stream_server.settings import Settings
from stream_server.traces.frames import FrameTraces

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger("rollcall.traces")

# Spans that wait for the collector; more are dropped.
WAITING_MAX = 2048
SEND_EVERY_MS = 2000
_BATCH = 256
_SEND_TIMEOUT_S = 2.0
_CLOSE_WITHIN_S = 3.0
_STATEMENT_MAX = 500
# What the pool does when it takes a connection back.
_RESET = "SELECT pg_advisory_unlock_all"


class Traces:
    """What makes spans, while the server runs."""

    def __init__(self, provider: "TracerProvider", settings: Settings) -> None:
        self._provider = provider
        self.request_share = settings.traces.request_share
        self.tracer = provider.get_tracer("rollcall")
        self.frames = FrameTraces(
            self.tracer, share=settings.traces.frame_share, names_cameras=settings.metrics.cameras
        )

    def query(self, statement: str, took_s: float) -> None:
        """Note a statement that has ended, within the request or the storing that it was for."""
        from opentelemetry import trace

        if statement.startswith(_RESET) or not trace.get_current_span().is_recording():
            return
        now_ns = time.time_ns()
        text = " ".join(statement.split())
        span = self.tracer.start_span(
            text.partition(" ")[0].rstrip(";").upper() or "statement",
            kind=trace.SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.query.text": text[:_STATEMENT_MAX]},
            start_time=now_ns - round(took_s * 1e9),
        )
        span.end(now_ns)

    async def close(self) -> None:
        """Send what waits, for a moment."""
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:
            log.warning("the collector of traces does not answer; the last spans are lost")


def start_traces(settings: Settings) -> Traces | None:
    """What makes spans; None when no collector is named, or the packages are not installed."""
    if settings.traces.endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        from stream_server.traces.sending import Sending
    except ImportError:
        # The name of a collector may have been set for every program of a cluster: no reason not to start.
        log.warning("a collector of traces is named, but its packages are not installed; `make extras` does it")
        return None
    # It would say for every batch, twice and at length, what `Sending` says once.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    exporter = Sending(
        OTLPSpanExporter(settings.traces.url, headers=settings.traces.header_values, timeout=_SEND_TIMEOUT_S),
        urlsplit(settings.traces.url).netloc,
    )
    facts = {"service.name": settings.traces.service, "service.version": version("rollcall")}
    # Whether something is traced is decided before its first span is made.
    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource(facts), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=WAITING_MAX,
            schedule_delay_millis=SEND_EVERY_MS,
            max_export_batch_size=_BATCH,
            export_timeout_millis=_SEND_TIMEOUT_S * 1000,
        )
    )
    log.info("traces are sent to %s", urlsplit(settings.traces.url).netloc)
    return Traces(provider, settings)
