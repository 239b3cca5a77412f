"""Builds the server. The one place that makes its parts; one exit stack takes them down in reverse order."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from recognition.errors import RollcallError
from recognition.types import Sighting
from recognition.unknown import ClusterPolicy
from storage import attendance
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.spool import Spool
from stream_server import health, housekeeping
from stream_server.api import attendance as attendance_api
from stream_server.api import audit as audit_api
from stream_server.api import cameras as cameras_api
from stream_server.api import consents as consents_api
from stream_server.api import events as events_api
from stream_server.api import people as people_api
from stream_server.api import person_export as person_export_api
from stream_server.api import recognition as recognition_api
from stream_server.api import sessions as sessions_api
from stream_server.api import unknown_faces as unknown_faces_api
from stream_server.auth import TOKEN_SCHEME, Guard, load_or_make_token
from stream_server.cameras import CameraRegistry
from stream_server.errors import BodyLimitProblem, install_error_handlers
from stream_server.events import EventBus
from stream_server.executor import RecognitionExecutor
from stream_server.forgetting import Forgetter
from stream_server.ingest import conversation, whip
from stream_server.ingest import websocket as websocket_ingest
from stream_server.ingest.pull.keeper import PullKeeper, patience_of
from stream_server.ingest.pull.supervisor import PullSupervisor
from stream_server.ingest.webrtc import WebRtcPeers
from stream_server.models import LoadedModels
from stream_server.outbox import OutboxSource
from stream_server.people import PeopleKeeper
from stream_server.recorder import Recorder
from stream_server.request_id import RequestId
from stream_server.sampler import Pacing, Sampler
from stream_server.secrets import SecretBox
from stream_server.services import Services, utc_now
from stream_server.session import CameraHub
from stream_server.settings import Settings
from stream_server.supervision import Supervisor, cancelled
from stream_server.unknown_faces import UnknownFaceCollector

log = logging.getLogger("rollcall")

JSON_BODY_MAX_BYTES = 64 * 1024
CLOSE_RESTART = 1012
REFUSED_MAX = 1000
# For each of asking, insisting and killing: containers are given 10 s.
POSTGRES_STOP_S = 4.0


def create_app(settings: Settings) -> FastAPI:
    """The application. Its parts are built when it starts, and `app.state.startup_error` says why it could not."""
    token = settings.auth.token.get_secret_value() if settings.auth.token else None
    new = False
    if token is None:
        token, new = load_or_make_token(settings.data_dir)
    app = FastAPI(
        title="Rollcall",
        version=version("rollcall"),
        summary="Real-time face attendance.",
        lifespan=_lifespan,
        # No pages that fetch scripts from elsewhere; `rollcall openapi` and docs/openapi.json hold the description.
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.settings = settings
    app.state.services = None
    app.state.startup_error = None
    app.state.new_token = token if new else None
    install_error_handlers(app)
    app.include_router(health.router)
    # Routes that take photographs raise the limit for themselves.
    api = APIRouter(prefix="/api/v1", max_body_size=JSON_BODY_MAX_BYTES, dependencies=[TOKEN_SCHEME])
    api.include_router(people_api.make_router(max_photo_bytes=settings.http.max_photo_bytes))
    api.include_router(recognition_api.make_router(max_photo_bytes=settings.http.max_photo_bytes))
    for module in (
        sessions_api,
        attendance_api,
        cameras_api,
        events_api,
        consents_api,
        audit_api,
        person_export_api,
        unknown_faces_api,
    ):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(websocket_ingest.router)
    app.include_router(whip.router)
    app.include_router(events_api.socket_router)
    app.add_middleware(BodyLimitProblem)
    app.add_middleware(Guard, token=token, allowed_origins=settings.http.allowed_origins)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.http.allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "Last-Event-ID", "X-Request-ID"],
        expose_headers=["Accept-Patch", "ETag", "Link", "Location", "Retry-After", "X-Request-ID"],
        max_age=600,
    )
    app.add_middleware(RequestId)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        try:
            app.state.services = await _build(settings, stack)
        except RollcallError as error:
            app.state.startup_error = error
            raise
        except Exception:
            log.exception("the server could not start")
            raise
        yield
        app.state.services = None


async def _build(settings: Settings, stack: AsyncExitStack) -> Services:
    cv2.setNumThreads(1)  # our threads are the parallelism
    models = await asyncio.to_thread(LoadedModels, settings)
    executor = RecognitionExecutor(models.make_recogniser, threads=settings.recognition.threads)
    stack.callback(executor.close)
    # Loading takes half a second of other threads' time: it goes on while the database is connected.
    warm_up = asyncio.create_task(executor.warm_up(), name="warm-up")
    stack.push_async_callback(cancelled, warm_up)

    supervisor = Supervisor()
    dsn = await _database_dsn(settings, stack, supervisor)
    database = await Database.connect(dsn, pool_max=settings.storage.pool_max)
    stack.push_async_callback(database.close)

    box = SecretBox.from_settings(
        settings.secrets.key.get_secret_value() if settings.secrets.key else None,
        settings.data_dir,
        [old.get_secret_value() for old in settings.secrets.old_keys],
    )
    people = PeopleKeeper(database, models.chosen.model_id, box)
    cameras = CameraRegistry(database, auto_register=settings.cameras.auto_register)
    bus = EventBus(OutboxSource(database, dsn), max_followers=settings.http.max_subscribers)
    await bus.start()  # before the gallery is read: what changes in between is then heard of
    await people.seal_plain()
    await people.load()
    await cameras.load()

    spool = Spool(
        settings.data_dir / "spool",
        max_records=settings.storage.spool_max_records,
        max_bytes=settings.storage.spool_max_bytes,
    )
    stack.callback(spool.close)
    refused = Spool(settings.data_dir / "refused", max_records=REFUSED_MAX)
    stack.callback(refused.close)
    recorder = Recorder(partial(_store_sighting, database, settings), spool, refused)
    forgetter = Forgetter(database, recorder)
    sampler = Sampler(
        Pacing(
            max_fps=settings.cameras.max_fps,
            min_fps=settings.cameras.min_fps,
            threads=settings.recognition.threads,
            frame_deadline_s=settings.cameras.frame_deadline_s,
        )
    )
    unknown = UnknownFaceCollector(
        database,
        box,
        ClusterPolicy(
            distance_max=settings.unknown_faces.distance_max,
            members_max=settings.unknown_faces.max_faces,
            clusters_max=settings.unknown_faces.max_people,
        ),
        crops=settings.unknown_faces.crops,
    )
    hub = CameraHub(
        sampler=sampler,
        executor=executor,
        people=people,
        frame_deadline_s=settings.cameras.frame_deadline_s,
        record=recorder.record,
        record_unknown=unknown.offer,
        make_state=models.make_state,
        now=utc_now,
        max_cameras=settings.cameras.max_cameras,
    )
    pulls = PullKeeper(
        database=database,
        settings=settings,
        box=box,
        supervisor=lambda record: PullSupervisor(
            hub=hub,
            pace_fps=lambda: sampler.pace_fps,
            record=record,
            patience=patience_of(settings.pull),
            group_size=settings.pull.group_size,
        ),
        now=utc_now,
    )
    webrtc = WebRtcPeers(
        settings=settings.webrtc,
        hub=hub,
        welcome=lambda camera_id: conversation.welcome(
            settings.cameras, camera_id, pace_fps=sampler.pace_fps, now=utc_now()
        ),
    )
    services = Services(
        settings=settings,
        database=database,
        models=models,
        executor=executor,
        sampler=sampler,
        hub=hub,
        people=people,
        cameras=cameras,
        recorder=recorder,
        unknown=unknown,
        bus=bus,
        box=box,
        pulls=pulls,
        supervisor=supervisor,
        webrtc=webrtc,
    )
    bus.on_event(people.on_event)
    bus.on_connect(people.look_again)
    bus.on_event(hub.on_event)
    bus.on_event(forgetter.on_event)
    bus.on_connect(forgetter.look_again)
    # Taken down in reverse: cameras end first, then what they feed.
    stack.push_async_callback(recorder.close)
    for name, work in (
        ("recorder", recorder.run),
        ("events", bus.run),
        ("gallery", people.run),
        ("forgetting", forgetter.run),
        ("unknown-faces", unknown.run),
        ("housekeeping", partial(housekeeping.run, services)),
        ("memory", housekeeping.give_back_memory),
        ("status", partial(health.watch, services, warm_up)),
        ("recognition", hub.run),
        ("camera-states", pulls.run),
    ):
        stack.push_async_callback(cancelled, supervisor.start(name, work))
    stack.push_async_callback(webrtc.close_all)
    stack.callback(hub.end_all, CLOSE_RESTART, "the server stops")
    await pulls.load()
    stack.push_async_callback(pulls.supervisor.close)
    stack.push_async_callback(cancelled, supervisor.start("pull", pulls.supervisor.run))
    return services


async def _database_dsn(settings: Settings, stack: AsyncExitStack, supervisor: Supervisor) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    server = EmbeddedPostgres(Path(settings.data_dir) / "postgres")
    await asyncio.to_thread(server.start)
    stack.push_async_callback(asyncio.to_thread, server.stop, POSTGRES_STOP_S)
    watching = supervisor.start("postgres", partial(housekeeping.keep_postgres_running, server))
    stack.push_async_callback(cancelled, watching)
    return server.dsn


async def _store_sighting(database: Database, settings: Settings, sighting: Sighting) -> bool:
    """Whether it was stored, or had been; not for a person who has taken consent back or was erased meanwhile."""
    async with database.acquire() as connection:
        recorded = await attendance.record_sighting(connection, sighting, settings.site.zone)
    return recorded.session_id is not None
