"""Sends spans, and says in the log when they cannot be sent, and when they can again. Imports OpenTelemetry's SDK."""

import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = logging.getLogger("rollcall.traces")


class Sending(SpanExporter):
    """Another exporter, with a line in the log when its luck changes. Called in the thread that sends."""

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        self._exporter = exporter
        self._where = where
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them, or lose them."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                log.warning("the collector at %s does not take traces; they are lost until it does", self._where)
            self._lost += len(spans)
        elif self._lost:
            log.info("the collector takes traces again; %d spans were lost", self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True
