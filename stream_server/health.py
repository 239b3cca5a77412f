"""Whether the server lives (`/healthz`, open to all) and can do its work (`/readyz`)."""

import asyncio
import logging
import os
import threading
from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter
from starlette.responses import JSONResponse

from recognition.errors import RollcallError
from recognition.models.store import load_pack
from stream_server.access.auth import COOKIE_SCHEME, TOKEN_SCHEME
from stream_server.api.request import ServicesOf, problems
from stream_server.memory import peak_rss_mb, rss_mb
from stream_server.messages.health import Health, Readiness
from stream_server.messages.wire import StatusNotice
from stream_server.people.keeper import KEY_IS_MISSING
from stream_server.services import Services

log = logging.getLogger("rollcall.health")
router = APIRouter(tags=["health"])

LOOK_EVERY_S = 1.0
_POOLS = ("asyncio_", "uvloop_", "AnyIO ")

STAND_IN = (
    "BlazeFace stands in for YuNet, which could not be fetched: small faces are missed "
    "(run `rollcall models build` with internet, or set ROLLCALL_MODELS__MIRROR)"
)


@router.get("/healthz", summary="Is the process alive?")
@router.head("/healthz", include_in_schema=False)
async def healthz() -> Health:
    """Always 200 while the process answers. Needs no token."""
    return Health()


@router.get(
    "/readyz",
    summary="Can it do its work?",
    response_model=Readiness,
    responses={
        **problems(
            _401="No token, or a wrong one",
            _403="Not with this token",
            _414="The address is longer than 8 KiB",
            _429="Tried too often with wrong tokens",
        ),
        503: {"model": Readiness, "description": "It starts"},
    },
    dependencies=[TOKEN_SCHEME, COOKIE_SCHEME],
)
@router.head("/readyz", include_in_schema=False)
async def readyz(services: ServicesOf) -> JSONResponse:
    """200 when frames are taken (`ok`, or `degraded` with the reasons), 503 while it starts."""
    body = readiness(services)
    return JSONResponse(
        body.model_dump(mode="json"), status_code=503 if body.status in ("starting", "not_ready") else 200
    )


def readiness(services: Services) -> Readiness:
    """How every part is doing."""
    reasons = _reasons(services)
    models, sampler, recorder = services.models, services.sampler, services.recorder
    return Readiness(
        status=_status(services, reasons),
        site=services.site.name,
        time_zone=services.site.time_zone,
        reasons=tuple(reasons),
        version=version("rollcall"),
        detector={
            "file": models.chosen.detector,
            "sha256": models.chosen.detector_digest,
            "engine": models.engine.value,
            "stand_in": models.chosen.stand_in,
            "licence": _licence(models.chosen.detector),
        },
        embedder={
            "file": models.chosen.embedder,
            "sha256": models.chosen.model_id,
            "licence": _licence(models.chosen.embedder),
        },
        gallery={
            "people": services.people.people,
            "templates": services.people.templates,
            "templates_of_other_models": services.people.of_other_models,
            "templates_unreadable": services.people.unreadable,
        },
        storage={
            "state": "ok" if _storage_ok(services) else "away",
            "pending": recorder.pending,
            "stored": recorder.stored,
            "lost": recorder.dropped,
            "refused": recorder.refused,
            "withheld": recorder.withheld,
            "damaged": recorder.damaged,
            "problem": recorder.problem,
            "last_event_id": services.bus.last_id,
        },
        frames=sampler.totals().as_dict(),
        recognition={
            "threads": services.executor.threads,
            "waiting": sampler.waiting,
            "pace_fps": round(sampler.pace_fps, 2),
            "frame_cost_ms": None if sampler.frame_cost_ms is None else round(sampler.frame_cost_ms, 1),
            "refused_single": services.executor.refused_single,
            "unknown_faces_stored": services.unknown.stored,
            "unknown_faces_dropped": services.unknown.dropped,
        },
        sockets={
            "cameras": services.hub.connected,
            "event_followers": services.bus.followers,
            "messages_dropped": services.hub.messages_dropped,
            "webrtc_peers": services.webrtc.count,
        },
        pulled=services.pulls.supervisor.counts(),
        process=_held(),
        memory={
            "rss_mb": round(rss_mb(), 1),
            "peak_rss_mb": round(peak_rss_mb(), 1),
            "used_mb": round(services.governor.use.used_bytes / 1e6, 1),
            "limit_mb": round(services.governor.use.limit_bytes / 1e6, 1),
        },
        governor={
            "pressure": services.governor.pressure.value,
            "limit_of": services.governor.use.source.value,
            "cpus": services.governor.limits.cpus,
            "fitted": list(services.governor.fitted.changes),
            "cameras_max": services.hub.max_cameras,
            "cameras_refused": services.hub.refused,
            "models_loaded": services.executor.loaded,
            "models_released": services.governor.models_released,
        },
        alerts=[
            {"alert": alert.value, "camera": camera_id, "reason": reason}
            for (alert, camera_id), reason in services.alerts.book.raised.items()
        ],
        tunnel=None
        if services.tunnel is None
        else {"state": services.tunnel.state.value, "share_used": services.tunnel.usage.look().share},
    )


async def watch(services: Services, warm_up: "asyncio.Task[None]") -> None:
    """Notice when the models are loaded, and tell the followers of events when the state changes, for ever."""
    try:
        await warm_up
        services.models_ready = True
    except Exception as error:
        # Not only ModelError: memory may have run out. Either way there is no recognition, and that has to be said.
        services.models_problem = f"the models could not be loaded: {error or type(error).__name__}"
        log.error("%s", services.models_problem, exc_info=not isinstance(error, RollcallError))
    if services.models.chosen.stand_in:
        log.warning(STAND_IN)
    while True:
        reasons = _reasons(services)
        services.bus.set_status(StatusNotice(state=_status(services, reasons), reasons=tuple(reasons)))
        await asyncio.sleep(LOOK_EVERY_S)


def _licence(name: str) -> str | None:
    file = load_pack().files.get(name)
    return None if file is None else file.licence


def _status(services: Services, reasons: list[str]) -> Literal["starting", "not_ready", "ok", "degraded"]:
    if services.models_problem is not None:
        return "not_ready"
    if not services.models_ready:
        return "starting"
    return "degraded" if reasons else "ok"


def _storage_ok(services: Services) -> bool:
    return services.bus.connected and not services.recorder.spooling


def _held() -> dict[str, int | None]:
    try:
        tasks = len(asyncio.all_tasks())
    except RuntimeError:  # nothing runs yet
        tasks = 0
    try:
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # no Path for each of them, every time
    except OSError:
        files = None
    # The pools for short work grow to their size and stay: they say nothing of what the server does.
    threads = sum(not thread.name.startswith(_POOLS) for thread in threading.enumerate())
    return {"tasks": tasks, "threads": threads, "open_files": files}


def _reasons(services: Services) -> list[str]:
    reasons = []
    if services.models_problem is not None:
        reasons.append(services.models_problem)
    if services.models.chosen.stand_in:
        reasons.append(STAND_IN)
    if not _storage_ok(services) and services.models_ready:
        reasons.append("the database is away: what is decided is kept on disk and stored when it is back")
    if services.recorder.dropped:
        reasons.append(f"sightings were lost, the disk could not take them: {services.recorder.problem}")
    if services.recorder.refused:
        reasons.append("the database refused sightings; they are kept in the folder `refused` of the data folder")
    for name, count in services.supervisor.recently_failed().items():
        reasons.append(f"the {name} task failed and was started again ({count} times since the start; see the log)")
    if services.people.of_other_models:
        reasons.append("some templates are of another face network and not compared: enrol these people again")
    if services.governor.complaint is not None:
        reasons.append(services.governor.complaint)
    if services.tunnel is not None:
        reasons += services.tunnel.complaints()
    if services.people.ignored_of_other_models:
        reasons.append("some faces to be ignored are of another face network: they are collected anew")
    if services.people.unreadable:
        reasons.append(f"{services.people.unreadable} templates cannot be opened and name nobody: {KEY_IS_MISSING}")
    if problem := services.box.keys.problem():
        reasons.append(problem)
    return reasons
