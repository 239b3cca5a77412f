import asyncio
import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from recognition.errors import ModelError
from recognition.models.store import YUNET, load_pack
from stream_server import health
from stream_server.governor.fitting import Fitted
from stream_server.governor.limits import Limits, MemoryUse, Source
from stream_server.governor.pressure import Pressure
from stream_server.health import STAND_IN, readiness
from stream_server.messages.health import Readiness
from stream_server.messages.wire import StatusNotice
from stream_server.sampler import Pacing, Sampler
from stream_server.services import utc_now
from stream_server.settings import Settings
from stream_server.supervision import Supervisor
from stream_server.telemetry.alerts import Alert, AlertDesk
from stream_server.telemetry.stage_times import StageTimes
from stream_server.webhooks.dispatcher import Deliveries


class Bus:
    """Notes the statuses that followers are told."""

    def __init__(self) -> None:
        self.connected = True
        self.last_id = 7
        self.followers = 2
        self.told: list[StatusNotice] = []
        self.news = asyncio.Event()

    def set_status(self, status: StatusNotice) -> None:
        self.told.append(status)
        self.news.set()

    async def next(self) -> StatusNotice:
        async with asyncio.timeout(10):
            await self.news.wait()
        self.news.clear()
        return self.told[-1]


def make_services(**changes: Any) -> Any:
    """The parts of a server that does well."""
    chosen = SimpleNamespace(
        detector="yunet.onnx", embedder="face.onnx", detector_digest="d", model_id="m", stand_in=False
    )
    services = SimpleNamespace(
        site=SimpleNamespace(name="Rollcall", time_zone="UTC"),
        models=SimpleNamespace(chosen=chosen, engine=SimpleNamespace(value="opencv")),
        sampler=Sampler(Pacing()),
        recorder=SimpleNamespace(
            spooling=False, pending=0, stored=3, dropped=0, refused=0, withheld=0, damaged=0, problem=""
        ),
        unknown=SimpleNamespace(stored=0, dropped=0),
        people=SimpleNamespace(people=2, templates=5, of_other_models=0, unreadable=0, ignored_of_other_models=0),
        executor=SimpleNamespace(threads=2, refused_single=0, loaded=True),
        webrtc=SimpleNamespace(count=0, refused=0),
        hub=SimpleNamespace(connected=1, messages_dropped=4, refused=0, max_cameras=64, all_counts=dict),
        supervisor=Supervisor(),
        settings=Settings(_env_file=None),
        bus=Bus(),
        pulls=SimpleNamespace(supervisor=SimpleNamespace(counts=lambda: {"live": 2, "readers": 1}, states=dict)),
        box=SimpleNamespace(keys=SimpleNamespace(problem=lambda: "")),
        governor=SimpleNamespace(
            use=MemoryUse(100_000_000, 256_000_000, Source.CGROUP_V2),
            limits=Limits(256_000_000, Source.CGROUP_V2, 0.5, Source.CGROUP_V2),
            pressure=Pressure.NONE,
            rises={Pressure.SOFT: 1, Pressure.HARD: 0},
            complaint=None,
            fitted=Fitted(Settings(_env_file=None), ("recognition.threads 2 -> 1",)),
            models_released=0,
        ),
        alerts=AlertDesk(None, now=utc_now),  # type: ignore[arg-type]  # nothing is stored
        times=StageTimes(),
        deliveries=Deliveries(),
        tunnel=None,
        models_ready=True,
        models_problem=None,
    )
    for path, value in changes.items():
        *way, name = path.split("__")
        target: Any = services
        for step in way:
            target = getattr(target, step)
        setattr(target, name, value)
    return services


async def test_what_the_process_holds_is_counted() -> None:
    before = readiness(make_services()).process
    file = os.open(os.devnull, os.O_RDONLY)
    try:
        waiting = asyncio.create_task(asyncio.sleep(60))
        thread = threading.Thread(target=(go_on := threading.Event()).wait)
        thread.start()
        await asyncio.to_thread(int)  # of the pool, which is not counted
        now = readiness(make_services()).process
        waiting.cancel()
        go_on.set()
        thread.join()
    finally:
        os.close(file)
    assert (now["tasks"], now["threads"]) == ((before["tasks"] or 0) + 1, (before["threads"] or 0) + 1)
    if sys.platform == "linux":
        assert now["open_files"] == (before["open_files"] or 0) + 1


def test_limits_and_what_was_fitted_to_them_are_told() -> None:
    ready = readiness(make_services())
    assert (ready.memory["used_mb"], ready.memory["limit_mb"]) == (100.0, 256.0)
    assert ready.governor == {
        "pressure": "none",
        "limit_of": "cgroup v2",
        "cpus": 0.5,
        "fitted": ["recognition.threads 2 -> 1"],
        "cameras_max": 64,
        "cameras_refused": 0,
        "models_loaded": True,
        "models_released": 0,
    }


def test_alerts_that_are_raised_are_told() -> None:
    services = make_services()
    services.alerts.look({(Alert.MEMORY_PRESSURE, None): "short"}, 0.0)
    assert readiness(services).alerts == [{"alert": "memory.pressure", "camera": None, "reason": "short"}]


def test_what_the_tunnel_complains_of_degrades_the_server() -> None:
    used = SimpleNamespace(share=0.95)
    tunnel = SimpleNamespace(
        state=SimpleNamespace(value="open"), usage=SimpleNamespace(look=lambda: used), complaints=lambda: ["it is used"]
    )
    ready = readiness(make_services(tunnel=tunnel))
    assert (ready.status, ready.reasons) == ("degraded", ("it is used",))
    assert ready.tunnel == {"state": "open", "share_used": 0.95}
    assert readiness(make_services()).tunnel is None


def test_a_server_that_does_well_is_ok_and_says_what_it_works_with() -> None:
    ready = readiness(make_services())
    assert (ready.status, ready.reasons) == ("ok", ())
    assert ready.gallery == {
        "people": 2,
        "templates": 5,
        "templates_of_other_models": 0,
        "templates_unreadable": 0,
    }
    assert (ready.storage["state"], ready.storage["stored"], ready.storage["last_event_id"]) == ("ok", 3, 7)
    assert ready.sockets == {"cameras": 1, "event_followers": 2, "messages_dropped": 4, "webrtc_peers": 0}
    stands = {"file": "yunet.onnx", "sha256": "d", "engine": "opencv", "stand_in": False, "licence": None}
    assert ready.detector == stands
    assert ready.time_zone == "UTC"
    named = readiness(make_services(models__chosen__detector=YUNET))
    assert named.detector is not None
    assert named.detector["licence"] == load_pack().files[YUNET].licence
    assert ready.pulled == {"live": 2, "readers": 1}
    assert ready.memory["rss_mb"] > 0
    assert Readiness.model_validate_json(ready.model_dump_json()) == ready


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"models__chosen__stand_in": True}, "BlazeFace"),
        ({"bus__connected": False}, "database is away"),
        ({"recorder__spooling": True}, "database is away"),
        ({"recorder__dropped": 1}, "lost"),
        ({"people__of_other_models": 4}, "enrol these people again"),
        ({"people__ignored_of_other_models": 1}, "some faces to be ignored are of another face network"),
        ({"people__unreadable": 3}, "3 templates cannot be opened and name nobody: bring back the key"),
        ({"recorder__refused": 2}, "refused"),
        ({"governor__complaint": "memory is short"}, "memory is short"),
        ({"box__keys__problem": lambda: "the key cannot be used"}, "the key cannot be used"),
    ],
)
async def test_what_is_less_than_it_should_be_is_a_reason(change: dict[str, Any], word: str) -> None:
    ready = readiness(make_services(**change))
    assert ready.status == "degraded"
    (reason,) = ready.reasons
    assert word in reason


async def test_a_server_whose_models_are_not_loaded_is_starting() -> None:
    ready = readiness(make_services(models_ready=False, bus__connected=False))
    assert (ready.status, ready.reasons) == ("starting", ())


async def loaded() -> None:
    return None


async def broken() -> None:
    raise ModelError("the face network is cut short", hint="run `rollcall models build`")


async def watched(services: Any, warm_up: Any) -> tuple["asyncio.Task[None]", StatusNotice]:
    watching = asyncio.create_task(health.watch(services, asyncio.create_task(warm_up)))
    return watching, await services.bus.next()


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_followers_are_told_when_the_models_are_loaded() -> None:
    services = make_services(models_ready=False)
    watching, status = await watched(services, loaded())
    assert services.models_ready
    assert status == StatusNotice(state="ok")
    await stop(watching)


async def test_models_that_cannot_be_loaded_are_said_and_the_server_stays_up(caplog: pytest.LogCaptureFixture) -> None:
    services = make_services(models_ready=False)
    watching, status = await watched(services, broken())
    assert status.state == "not_ready"
    assert "cut short" in status.reasons[0]
    assert "rollcall models build" in status.reasons[0]
    assert "cut short" in caplog.text
    assert not watching.done()
    await stop(watching)


async def test_a_change_is_told_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOK_EVERY_S", 0.0)
    services = make_services()
    watching, _ = await watched(services, loaded())
    services.bus.connected = False
    while (status := await services.bus.next()).state == "ok":
        pass
    assert "database is away" in status.reasons[0]
    services.bus.connected = True
    while (status := await services.bus.next()).state != "ok":
        pass
    await stop(watching)


async def test_the_stand_in_is_said_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    watching, status = await watched(make_services(models__chosen__stand_in=True), loaded())
    assert status.reasons == (STAND_IN,)
    assert STAND_IN in caplog.text
    await stop(watching)
