"""Builds the server. The one place that makes its parts; one exit stack takes them down in reverse order."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

import cv2
from fastapi import FastAPI

from recognition.errors import RollcallError
from recognition.types import Sighting
from recognition.unknown import ClusterPolicy
from storage import attendance
from storage.database import Database
from storage.spool import Spool
from stream_server import health, housekeeping
from stream_server.access.accounts import Accounts
from stream_server.access.api_tokens import API_TOKEN, ApiTokens
from stream_server.access.auth import load_or_make_token
from stream_server.access.cookies import SESSION_TOKEN
from stream_server.access.door import Traffic
from stream_server.access.holders import Access
from stream_server.access.identities import Identities
from stream_server.access.pairing import DEVICE_TOKEN, Pairing
from stream_server.access.passwords import Passwords
from stream_server.access.phones import Invitation
from stream_server.access.shared_attempts import SharedAttempts
from stream_server.cameras import CameraRegistry
from stream_server.errors import install_error_handlers
from stream_server.events.bus import EventBus
from stream_server.events.outbox import OutboxSource
from stream_server.executor import RecognitionExecutor
from stream_server.glances import Glances
from stream_server.governor.governor import Governor, fit_to_host
from stream_server.ingest import conversation
from stream_server.ingest.pull.keeper import PullKeeper, patience_of
from stream_server.ingest.pull.supervisor import PullSupervisor
from stream_server.ingest.webrtc import WebRtcPeers
from stream_server.models import LoadedModels
from stream_server.own_postgres import database_dsn
from stream_server.people.code_watch import CodeWatch
from stream_server.people.credentials import CredentialMaker, load_keys
from stream_server.people.keeper import PeopleKeeper
from stream_server.people.review_desk import ReviewDesk
from stream_server.people.unknown_faces import UnknownFaceCollector
from stream_server.privacy.forgetting import Forgetter
from stream_server.privacy.secrets import SecretBox
from stream_server.recorder import Recorder
from stream_server.reports.making import ReportMaker
from stream_server.routes import include_routes
from stream_server.sampler import Pacing, Sampler
from stream_server.services import Services, utc_now
from stream_server.serving.layers import install_layers
from stream_server.session import CameraHub
from stream_server.settings import Settings
from stream_server.site import Site
from stream_server.supervision import Supervisor, cancelled
from stream_server.telemetry.alerts import AlertDesk
from stream_server.telemetry.stage_times import StageTimes
from stream_server.timetable.clock import SessionClock
from stream_server.tls.identity import TlsIdentity
from stream_server.traces.frames import Measure, Store
from stream_server.traces.tracing import start_traces
from stream_server.tunnel.choice import line_of, make_keeper
from stream_server.tunnel.keeper import TunnelKeeper
from stream_server.webhooks.dispatcher import Dispatcher
from stream_server.webhooks.register import WebhookRegister
from stream_server.webhooks.sender import Sender

log = logging.getLogger("rollcall")

CLOSE_RESTART = 1012
REFUSED_MAX = 1000


def create_app(settings: Settings, *, identity: TlsIdentity | None = None) -> FastAPI:
    """The application. Its parts are built when it starts, and `app.state.startup_error` says why it could not.

    `identity` is the certificate that its listener shows, if it does; the application keeps it valid.
    """
    fitted = fit_to_host(settings)
    settings = fitted.settings
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
        # Its own traces hold addresses with what was searched for, its logs the words of errors; `traces` has ours.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.settings = settings
    app.state.fitted = fitted
    app.state.services = None
    app.state.traces = None
    app.state.startup_error = None
    app.state.identity = identity
    app.state.traffic = Traffic()
    app.state.new_token = token if new else None
    install_error_handlers(app)
    include_routes(app, settings)
    install_layers(app, settings, token=token)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        try:
            app.state.services = await _build(app, settings, stack)
        except RollcallError as error:
            app.state.startup_error = error
            raise
        except Exception:
            log.exception("the server could not start")
            raise
        yield
        app.state.services = None


async def _build(app: FastAPI, settings: Settings, stack: AsyncExitStack) -> Services:
    traces = app.state.traces = await asyncio.to_thread(start_traces, settings)
    if traces is not None:
        stack.push_async_callback(traces.close)
    line = line_of(settings)  # before all else: what is missing for a tunnel, nothing below would find
    cv2.setNumThreads(1)  # our threads are the parallelism
    models = await asyncio.to_thread(LoadedModels, settings)
    executor = RecognitionExecutor(
        models.make_recogniser,
        threads=settings.recognition.threads,
        max_waiting=settings.recognition.pictures_waiting_max,
    )
    stack.callback(executor.close)
    # Loading takes half a second of other threads' time: it goes on while the database is connected.
    warm_up = asyncio.create_task(executor.warm_up() if settings.models.preload else asyncio.sleep(0), name="warm-up")
    stack.push_async_callback(cancelled, warm_up)

    supervisor = Supervisor()
    dsn = await database_dsn(settings, stack, supervisor)
    database = await Database.connect(
        dsn, pool_max=settings.storage.pool_max, on_query=None if traces is None else traces.query
    )
    stack.push_async_callback(database.close)

    box = SecretBox.from_settings(
        settings.secrets.key.get_secret_value() if settings.secrets.key else None,
        settings.data_dir,
        [old.get_secret_value() for old in settings.secrets.old_keys],
    )
    site = Site(settings.site, database)
    people = PeopleKeeper(database, models.chosen.model_id, box)
    cameras = CameraRegistry(database, auto_register=settings.cameras.auto_register)
    bus = EventBus(OutboxSource(database, dsn), max_followers=settings.http.max_subscribers)
    await bus.start()  # before the gallery is read: what changes in between is then heard of
    await site.load()
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
    times = StageTimes()
    store: Store = partial(_store_sighting, database, settings, site)
    measure: Measure = times.take
    if traces is not None:
        store, measure = traces.frames.storing(store), traces.frames.measuring(measure)
    recorder = Recorder(store, spool, refused, measure=times.take_stored)
    forgetter = Forgetter(database, recorder)
    sampler = Sampler(
        Pacing(
            max_fps=settings.cameras.max_fps,
            min_fps=settings.cameras.min_fps,
            threads=settings.recognition.threads,
            frame_deadline_s=settings.cameras.frame_deadline_s,
        )
    )
    credentials = CredentialMaker(await load_keys(database, box))
    desk = ReviewDesk(database, settings, site)
    codes = CodeWatch(database, settings, site, credentials)
    glances = Glances(allowed=settings.cameras.glances)
    unknown = UnknownFaceCollector(
        database,
        box,
        ClusterPolicy(
            distance_max=settings.unknown_faces.distance_max,
            members_max=settings.unknown_faces.max_faces,
            clusters_max=settings.unknown_faces.max_people,
        ),
        crops=settings.unknown_faces.crops,
        # Enrolled people whose templates cannot be opened look like strangers.
        may_collect=lambda: people.unreadable == 0,
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
        review=desk.offer,
        codes=codes,
        measure=measure,
        seen=glances.seen,
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
        memory_refusal=lambda more_bytes: governor.refusal_of(more_bytes),
    )
    sender = Sender(settings.webhooks)
    dispatcher = Dispatcher(database, settings.webhooks, box, sender, now=utc_now)
    attempts = SharedAttempts(database, credentials.digest)
    pairing = Pairing(database, cameras, lifetime_s=settings.auth.pairing_lifetime_s, attempts=attempts, now=utc_now)
    passwords = Passwords(
        memory_kib=settings.auth.password_memory_kib,
        passes=settings.auth.password_passes,
        length_min=settings.auth.password_min_length,
    )
    stack.callback(passwords.close)
    accounts = Accounts(database, passwords, settings.auth, attempts=attempts, now=utc_now)
    api_tokens = ApiTokens(database, now=utc_now)
    lookups = {DEVICE_TOKEN: pairing.find, API_TOKEN: api_tokens.find, SESSION_TOKEN: accounts.find}
    access = Access(Identities(database, lookups, now=utc_now), webrtc, now=utc_now)
    invitation = Invitation(settings.phones, codes=pairing)
    governor = Governor(
        fitted=app.state.fitted,
        sampler=sampler,
        hub=hub,
        models=models,
        executor=executor,
        reader_pids=lambda: pulls.supervisor.reader_pids,
    )
    alerts = AlertDesk(database, now=utc_now)
    tunnel: TunnelKeeper | None = None
    if line is not None:
        tunnel = make_keeper(line, settings, traffic=app.state.traffic, invitation=invitation, now=utc_now)
    services = Services(
        settings=settings,
        site=site,
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
        reports=ReportMaker(database, site, at_once=settings.http.max_reports, now=utc_now),
        webhooks=WebhookRegister(database, settings.webhooks, box, sender, now=utc_now, changed=dispatcher.look),
        access=access,
        pairing=pairing,
        accounts=accounts,
        api_tokens=api_tokens,
        invitation=invitation,
        tunnel=tunnel,
        credentials=credentials,
        desk=desk,
        codes=codes,
        governor=governor,
        alerts=alerts,
        times=times,
        deliveries=dispatcher.counts,
        glances=glances,
    )
    bus.on_event(people.on_event)
    bus.on_connect(people.look_again)
    if traces is not None:
        bus.on_event(traces.frames.on_event)
    bus.on_event(hub.on_event)
    bus.on_event(dispatcher.on_event)
    bus.on_connect(dispatcher.look)
    bus.on_event(access.on_event)
    bus.on_connect(access.identities.look_again)
    bus.on_event(cameras.on_event)
    bus.on_connect(cameras.look_again)
    bus.on_event(pulls.share.on_event)
    bus.on_connect(pulls.share.look_again)
    cameras.on_removed(hub.end_camera)
    cameras.on_removed(webrtc.end_camera)
    bus.on_event(site.on_event)
    bus.on_connect(site.look_again)
    bus.on_event(codes.on_event)
    bus.on_connect(codes.look_again)
    bus.on_event(forgetter.on_event)
    bus.on_connect(forgetter.look_again)
    # Taken down in reverse: cameras end first, then what they feed.
    stack.push_async_callback(recorder.close)
    for name, work in (
        ("recorder", recorder.run),
        ("events", bus.run),
        ("gallery", people.run),
        ("cameras", cameras.run),
        ("forgetting", forgetter.run),
        ("unknown-faces", unknown.run),
        ("housekeeping", partial(housekeeping.run, services)),
        ("memory", housekeeping.give_back_memory),
        ("code", housekeeping.let_go_of_code),
        ("governor", governor.run),
        ("alerts", partial(alerts.run, services)),
        ("status", partial(health.watch, services, warm_up)),
        ("recognition", hub.run),
        ("camera-states", pulls.run),
        ("clock", SessionClock(services).run),
        ("reviews", desk.run),
        ("codes", codes.run),
        ("site", site.run),
        ("webhooks", dispatcher.run),
    ):
        stack.push_async_callback(cancelled, supervisor.start(name, work))
    stack.push_async_callback(webrtc.close_all)
    stack.callback(hub.end_all, CLOSE_RESTART, "the server stops")
    stack.push_async_callback(pulls.share.close)
    await pulls.share.look()
    stack.push_async_callback(pulls.supervisor.close)
    stack.push_async_callback(cancelled, supervisor.start("camera-leases", pulls.share.run))
    stack.push_async_callback(cancelled, supervisor.start("pull", pulls.supervisor.run))
    if app.state.identity is not None:
        stack.push_async_callback(cancelled, supervisor.start("certificate", app.state.identity.run))
    if tunnel is not None:
        await asyncio.to_thread(tunnel.usage.load)
        stack.push_async_callback(tunnel.close)
        stack.push_async_callback(cancelled, supervisor.start("tunnel", tunnel.run))
        stack.push_async_callback(cancelled, supervisor.start("tunnel-usage", tunnel.count))
    return services


async def _store_sighting(database: Database, settings: Settings, site: Site, sighting: Sighting) -> bool:
    """Whether it was stored, or had been; not for a person who has taken consent back or was erased meanwhile."""
    async with database.acquire() as connection:
        recorded = await attendance.record_sighting(connection, sighting, site.zone, settings.attendance.policy)
    return recorded.session_id is not None
