"""Traces of a real server at a collector that decodes them; and that there is nothing of them without one."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from stream_server.child import ChildServer
from stream_server.client import ServerClient
from stream_server.demo.feed import open_feed
from tests.integration.test_overload import readiness_where, started
from tests.partners.otlp_collector import Collector, attributes, collector
from tests.stream_server.traces.test_tracing import NEEDED

NAME = "Wilhelmina Featherstonehaugh"
STAGES = {"receive", "decode", "detect", "track", "align", "embed", "decide"}


async def heard(collected: Collector, *names: str) -> None:
    async with asyncio.timeout(30):
        while not all(collected.named(name) for name in names):
            await asyncio.sleep(0.1)


async def marks_somebody(client: ServerClient, pictures: Any) -> str:
    """Enrols a person and shows them to a camera until they are marked."""
    person_id = await client.add_person(NAME, consent=True)
    await client.enrol(person_id, pictures.crop("sample1.jpg", 0))
    await readiness_where(client, lambda body: body["gallery"]["people"] == 1)
    views = pictures.view("sample1.jpg")
    async with open_feed(client, "door") as feed, asyncio.timeout(60):
        while not await client.attendance():
            await feed.send(views[feed.sent % len(views)])
            await asyncio.sleep(0.1)
    return str(person_id)


async def test_the_way_of_a_frame_and_of_a_request_comes_to_the_collector_and_nobodys_name_does(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    with collector() as collected:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=let-me-in",
            "OTEL_SERVICE_NAME": "school",
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
            "ROLLCALL_TRACES__FRAME_SHARE": "0",
        }
        server = await started(own_server(**settings))
        async with server.client() as client, httpx.AsyncClient(base_url=server.url) as http:
            person_id = await marks_somebody(client, pictures)
            headers = {"Authorization": f"Bearer {server.token}", "X-Request-ID": "asked-for-by-name"}
            await http.get("/api/v1/people", params={"query": NAME}, headers=headers)
            await http.get(f"/api/v1/people/{person_id}", headers=headers)
            await http.get("/readyz", headers=headers)
            await heard(collected, "event", "GET /api/v1/people/{person_id}")
        assert await server.stop() == 0

        store = collected.named("store")[0]
        of_frame = [span for span in collected.spans if span.trace_id == store.trace_id]
        assert STAGES | {"frame", "store", "event"} <= {span.name for span in of_frame}
        frame = next(span for span in of_frame if span.name == "frame")
        assert attributes(frame)["rollcall.camera"] == "door"
        assert attributes(frame)["rollcall.named_anew"] == 1
        stages = [next(span for span in of_frame if span.name == name) for name in ("receive", "decode", "detect")]
        assert all(span.parent_span_id == frame.span_id for span in stages)
        times = [frame.start_time_unix_nano, *(span.end_time_unix_nano for span in stages), frame.end_time_unix_nano]
        assert times == sorted(times)
        assert abs(frame.end_time_unix_nano / 1e9 - time.time()) < 120
        inserts = [span for span in of_frame if span.name in ("INSERT", "WITH", "SELECT")]
        assert inserts
        assert all(span.parent_span_id == store.span_id for span in inserts)

        request = collected.named("GET /api/v1/people/{person_id}")[0]
        assert attributes(request)["rollcall.request_id"] == "asked-for-by-name"
        assert attributes(request)["http.response.status_code"] == 200
        assert any(span.parent_span_id == request.span_id for span in collected.spans)
        assert not collected.named("GET /readyz")
        assert len(collected.named("frame")) == len(collected.named("store"))  # the share of the others is 0

        resource = collected.requests[0].resource_spans[0].resource
        assert {pair.key: pair.value.string_value for pair in resource.attributes}["service.name"] == "school"
        assert all(given["x-collector-key"] == "let-me-in" for given in collected.headers)
        sent = " ".join(str(request) for request in collected.requests)
        for secret in (*NAME.split(), person_id, server.token, "let-me-in", str(server.data_dir)):
            assert secret not in sent, secret
        log = server.log_path.read_text()
        assert "Traceback" not in log, log
        assert "let-me-in" not in log


async def test_a_collector_that_hangs_or_is_away_holds_up_nothing_and_not_the_end(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    with collector() as collected:
        collected.answers.clear()
        server = await started(own_server(ROLLCALL_TRACES__ENDPOINT=collected.url, ROLLCALL_TRACES__FRAME_SHARE="1"))
        async with server.client() as client:
            await marks_somebody(client, pictures)
        began = time.monotonic()
        assert await server.stop() == 0
        assert time.monotonic() - began < 10
    away = await started(own_server(ROLLCALL_TRACES__ENDPOINT=collected.url, ROLLCALL_TRACES__FRAME_SHARE="1"))
    async with away.client() as client:
        await marks_somebody(client, pictures)
    assert await away.stop() == 0
    for log in (server.log_path.read_text(), away.log_path.read_text()):
        assert "Traceback" not in log, log
        assert log.count("does not take traces") == 1
        assert "opentelemetry" not in log


async def test_without_a_collector_nothing_is_loaded_for_it_whatever_is_done(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    server = await started(own_server(PYTHONPROFILEIMPORTTIME="1"))
    async with server.client() as client:
        await marks_somebody(client, pictures)
    assert await server.stop() == 0
    imported = [line.rpartition("|")[2].strip() for line in server.log_path.read_text().splitlines() if "|" in line]
    assert "stream_server.app" in imported
    assert [name for name in imported if name.startswith(NEEDED)] == []
