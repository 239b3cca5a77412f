from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from stream_server.traces.sending import Sending


class Scripted(SpanExporter):
    """Succeeds and fails as it was told."""

    def __init__(self, *results: SpanExportResult) -> None:
        self._results = iter(results)
        self.is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return next(self._results)

    def shutdown(self) -> None:
        self.is_shut = True


def test_a_collector_that_is_away_is_told_once_and_again_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    inner = Scripted(good, bad, bad, good, good)
    sending = Sending(inner, "collector:4318")
    caplog.set_level("INFO")
    span = ReadableSpan("frame")
    assert [sending.export([span, span]) for _ in range(5)] == [good, bad, bad, good, good]
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "the collector at collector:4318 does not take traces; they are lost until it does"
    assert second == "the collector takes traces again; 4 spans were lost"
    assert sending.force_flush()
    sending.shutdown()
    assert inner.is_shut
