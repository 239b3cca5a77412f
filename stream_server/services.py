"""The parts of a running server, in one value that the routes share. Built by `app.create_app` and nowhere else."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from storage.database import Database
from stream_server.access.accounts import Accounts
from stream_server.access.api_tokens import ApiTokens
from stream_server.access.holders import Access
from stream_server.access.pairing import Pairing
from stream_server.access.phones import Invitation
from stream_server.cameras import CameraRegistry
from stream_server.events.bus import EventBus
from stream_server.executor import RecognitionExecutor
from stream_server.glances import Glances
from stream_server.governor.governor import Governor
from stream_server.ingest.pull.keeper import PullKeeper
from stream_server.ingest.webrtc import WebRtcPeers
from stream_server.models import LoadedModels
from stream_server.people.code_watch import CodeWatch
from stream_server.people.credentials import CredentialMaker
from stream_server.people.keeper import PeopleKeeper
from stream_server.people.review_desk import ReviewDesk
from stream_server.people.unknown_faces import UnknownFaceCollector
from stream_server.privacy.auditing import SeenLately
from stream_server.privacy.secrets import SecretBox
from stream_server.recorder import Recorder
from stream_server.reports.making import ReportMaker
from stream_server.sampler import Sampler
from stream_server.session import CameraHub
from stream_server.settings import Settings
from stream_server.site import Site
from stream_server.supervision import Supervisor
from stream_server.telemetry.stage_times import StageTimes
from stream_server.tunnel.keeper import TunnelKeeper
from stream_server.webhooks.dispatcher import Deliveries
from stream_server.webhooks.register import WebhookRegister

if TYPE_CHECKING:
    from stream_server.telemetry.alerts import AlertDesk


def utc_now() -> datetime:
    """The server's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Services:
    """The running parts."""

    settings: Settings
    site: Site
    database: Database
    models: LoadedModels
    executor: RecognitionExecutor
    sampler: Sampler
    hub: CameraHub
    people: PeopleKeeper
    cameras: CameraRegistry
    recorder: Recorder
    unknown: UnknownFaceCollector
    bus: EventBus
    box: SecretBox
    pulls: PullKeeper
    supervisor: Supervisor
    webrtc: WebRtcPeers
    webhooks: WebhookRegister
    reports: ReportMaker
    access: Access
    pairing: Pairing
    accounts: Accounts
    api_tokens: ApiTokens
    invitation: Invitation
    credentials: CredentialMaker
    desk: ReviewDesk
    codes: CodeWatch
    governor: Governor
    alerts: "AlertDesk"
    times: StageTimes
    deliveries: Deliveries
    glances: Glances
    tunnel: TunnelKeeper | None = None
    now: Callable[[], datetime] = utc_now
    seen_lately: SeenLately = field(default_factory=SeenLately)
    models_ready: bool = False
    models_problem: str | None = None
    # Each is a process of its own.
    trials: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    # Each holds a file and its rows.
    imports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
