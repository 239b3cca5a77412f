from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Message, Receive, Scope, Send

from stream_server.settings import Settings
from stream_server.traces.requests import TracedRequests
from stream_server.traces.tracing import Traces

PERSON = "/api/v1/people/6a1f0000-0000-4000-8000-000000000001"


class World:
    """A server that answers with one status, and the spans that came of it."""

    def __init__(self, *, status: int = 200, share: float = 1.0, fails: Exception | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.traces: Traces | None = Traces(provider, Settings(_env_file=None, traces={"request_share": share}))
        self._status, self._fails = status, fails
        self.asked = TracedRequests(self._app, traces=lambda: self.traces, dice=lambda: 0.5)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.traces is not None:
            self.traces.query("SELECT name\n  FROM people WHERE id = $1", 0.001)
            self.traces.query("SELECT pg_advisory_unlock_all(); RESET ALL", 0.001)
        if self._fails is not None:
            raise self._fails
        await send({"type": "http.response.start", "status": self._status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def get(self, path: str, *, kind: str = "http", **headers: str) -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(_: Message) -> None:
            pass

        scope: dict[str, Any] = {
            "type": kind,
            "method": "GET",
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "state": {"request_id": "r-1"},
        }
        await self.asked(scope, receive, send)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())


async def test_a_request_is_a_span_with_its_route_and_the_statements_in_it() -> None:
    world = World()
    await world.get(PERSON)
    statement, request = world.spans
    assert request.name == "GET /api/v1/people/{person_id}"
    assert request.kind is trace.SpanKind.SERVER
    assert request.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/v1/people/{person_id}",
        "rollcall.request_id": "r-1",
        "http.response.status_code": 200,
    }
    assert statement.name == "SELECT"
    assert statement.parent == request.context
    assert statement.attributes == {
        "db.system.name": "postgresql",
        "db.query.text": "SELECT name FROM people WHERE id = $1",
    }


async def test_an_address_that_is_none_is_not_repeated() -> None:
    world = World(status=404)
    await world.get("/ada-lovelace")
    assert world.spans[-1].name == "HTTP (nothing there)"


async def test_who_sends_a_trace_is_counted_to_it_and_does_not_decide_whether() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    world = World()
    await world.get("/api/v1/people", traceparent=parent)
    assert f"{world.spans[-1].context.trace_id:032x}" == parent.split("-")[1]
    await world.get("/api/v1/people", traceparent="nonsense")
    assert world.spans[-1].parent is None
    world = World(share=0.4)
    await world.get("/api/v1/people", traceparent=parent)
    assert world.spans == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/v1/events"])
async def test_what_is_asked_all_the_time_or_open_for_hours_is_not_traced(path: str) -> None:
    world = World()
    await world.get(path)
    assert world.spans == []


async def test_sockets_and_requests_before_the_start_pass_untraced() -> None:
    world = World()
    await world.get("/ws/v1/events", kind="websocket")
    world.traces = None
    await world.get("/api/v1/people")
    assert world.spans == []


async def test_a_mistake_of_the_server_is_marked_without_its_words() -> None:
    world = World(status=500)
    await world.get("/api/v1/people")
    assert world.spans[-1].status.status_code is trace.StatusCode.ERROR
    world = World(fails=RuntimeError("Ada Lovelace"))
    with pytest.raises(RuntimeError):
        await world.get("/api/v1/people")
    assert world.spans[-1].events == ()
    assert world.spans[-1].status.description is None


def test_a_statement_outside_of_what_is_traced_is_not() -> None:
    world = World()
    assert world.traces is not None
    world.traces.query("SELECT 1", 0.1)
    assert world.spans == []
