"""Pulled cameras as they are kept: their addresses and credentials sealed in the database, their states told of."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from recognition.errors import RequestError, UnavailableError
from storage import cameras
from storage.database import Database
from stream_server.ingest.pull.address import AddressRules, CameraAddress, NameUnknown, parse, resolve, shown
from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.life import Patience
from stream_server.ingest.pull.share import PullShare
from stream_server.ingest.pull.state import PullState
from stream_server.ingest.pull.supervisor import PullSupervisor
from stream_server.privacy.secrets import SecretBox, SecretUnreadable
from stream_server.settings import PullSettings, Settings

log = logging.getLogger("rollcall.pull")

CHANGES_MAX = 1000
RETRY_S = 1.0
RESOLVE_TIMEOUT_S = 3.0


class NotPulled(RequestError):
    """The camera has no address that the server could open."""

    code = "camera_without_address"


@dataclass(frozen=True, slots=True)
class SourceChange:
    """What somebody wants to change; None: it stays. `address` is the new one, or "" for none."""

    address: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    transport: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """What is sealed: the whole address, which may hold a password in its path, and the credentials."""

    url: str = field(repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def has_credentials(self) -> bool:
        """Whether there is a user or a password."""
        return bool(self.username or self.password or shown(self.url) != self.url)


class PullKeeper:
    """Tells the supervisor what to pull, and the database how it does."""

    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        box: SecretBox,
        supervisor: Callable[[Callable[[str, PullState, str], None]], PullSupervisor],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._settings = settings
        self._box = box
        self._now = now
        self._changes: deque[tuple[str, PullState, str, datetime]] = deque(maxlen=CHANGES_MAX)
        self._news = asyncio.Event()
        self.supervisor = supervisor(self._note)
        self.share = PullShare(database=database, supervisor=self.supervisor, order=self.order)

    async def change(self, camera_id: str, change: SourceChange) -> None:
        """Store a change and act on it. Raises AddressInvalid, AddressNotAllowed, NotFound, SecretUnreadable."""
        async with self._database.acquire() as connection:
            camera = await cameras.get(connection, camera_id)
        address, login = await self._changed_login(camera, change)
        sealed = None if login is None else self._seal(camera_id, login)
        async with self._database.acquire() as connection:
            await cameras.set_source(
                connection,
                camera_id,
                address=address,
                sealed=sealed,
                transport=change.transport or camera.transport,
                enabled=camera.enabled if change.enabled is None else change.enabled,
            )
        await self.share.look_after_change()

    async def check(self, change: SourceChange) -> None:
        """Refuse an address that cannot be used before anything is stored. Raises as `change` does."""
        if change.address:
            address, _, _ = parse(change.address, self.rules)
            await _check_name(address, self.rules)

    def has_credentials(self, camera: cameras.Camera) -> bool:
        """Whether a user or a password is kept."""
        try:
            login = self._login(camera)
        except SecretUnreadable:
            return True
        return login is not None and login.has_credentials

    def order(self, camera: cameras.Camera) -> Order:
        """What a reader has to know. Raises NotPulled, SecretUnreadable."""
        login = self._login(camera)
        if login is None:
            raise NotPulled(
                f"the camera {camera.camera_id} has no address", hint=f"PUT /api/v1/cameras/{camera.camera_id} sets one"
            )
        return self._order(camera.camera_id, login, camera.transport)

    async def order_of(self, text: str, username: str, password: str, transport: str) -> Order:
        """What a reader has to know of an address that no camera has yet. Credentials beside it go before those in it.

        Raises AddressInvalid, AddressNotAllowed.
        """
        address, in_it, secret_in_it = parse(text, self.rules)
        await _check_name(address, self.rules)
        login = Login(address.url, username or in_it or "", password or secret_in_it or "")
        return self._order("", login, transport)

    def _order(self, camera_id: str, login: Login, transport: str) -> Order:
        pull, limits = self._settings.pull, self._settings.cameras
        return Order(
            camera=camera_id,
            attempt=0,
            url=login.url,
            username=login.username,
            password=login.password,
            transport=transport,
            pace_fps=limits.max_fps,
            open_s=pull.open_timeout_s,
            read_s=pull.read_timeout_s,
            max_pixels=limits.max_frame_pixels,
            max_bytes=limits.max_frame_bytes,
            max_side_px=pull.max_side_px,
            verify_tls=pull.verify_tls,
            allow_private=pull.allow_private,
            allow_loopback=pull.allow_loopback,
            replay_dir=None if pull.replay_dir is None else str(pull.replay_dir.resolve()),
        )

    @property
    def rules(self) -> AddressRules:
        """What the site allows."""
        pull = self._settings.pull
        return AddressRules(pull.allow_private, pull.allow_loopback, pull.replay_dir)

    async def run(self) -> None:
        """Store changes of state in order, for ever; while the database is away they wait, the newest thousand."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._changes:
                camera_id, state, reason, at = self._changes[0]
                try:
                    async with self._database.acquire() as connection:
                        await cameras.set_state(connection, camera_id, state.value, reason, at)
                except UnavailableError as error:
                    log.info("the state of camera %s is not stored yet: %s", camera_id, error)
                    await asyncio.sleep(RETRY_S)
                    continue
                if self._changes and self._changes[0] == (camera_id, state, reason, at):
                    self._changes.popleft()

    def _note(self, camera_id: str, state: PullState, reason: str) -> None:
        self._changes.append((camera_id, state, reason, self._now()))
        self._news.set()

    async def _changed_login(self, camera: cameras.Camera, change: SourceChange) -> tuple[str | None, Login | None]:
        if change.address == "":
            return None, None
        if change.address is None:
            # Giving the credentials anew mends a login that cannot be read, but its address would be lost.
            login = self._login(camera)
            if login is None:
                if change.username or change.password:
                    raise NotPulled("credentials need an address", hint="give `address` as well")
                return None, None
        else:
            login = await self._new_login(camera, change.address)
        username = login.username if change.username is None else change.username
        password = login.password if change.password is None else change.password
        return shown(login.url), Login(login.url, username, password)

    async def _new_login(self, camera: cameras.Camera, text: str) -> Login:
        address, username, password = parse(text, self.rules)
        try:
            old = self._login(camera)
            same = old is not None and parse(old.url, AddressRules(True, True))[0].origin == address.origin
        except (RequestError, SecretUnreadable):
            old, same = None, False
        # A password goes along to another path of the same camera, and to no other machine.
        kept = old if old is not None and same else Login("")
        return Login(
            address.url,
            kept.username if username is None else username,
            kept.password if password is None else password,
        )

    def _login(self, camera: cameras.Camera) -> Login | None:
        if camera.sealed is None:
            return None
        return Login(**json.loads(self._box.open(camera.sealed, f"camera {camera.camera_id}")))

    def _seal(self, camera_id: str, login: Login) -> bytes:
        text = json.dumps({"url": login.url, "username": login.username, "password": login.password})
        return self._box.seal(text, f"camera {camera_id}")


def patience_of(pull: PullSettings) -> Patience:
    """The settings' times. FFmpeg's time-outs come after about twice the time that they are set to."""
    return Patience(
        stall_after_s=pull.stall_after_s,
        retry_max_s=pull.retry_max_s,
        refused_retry_s=pull.refused_retry_s,
        hung_after_s=2 * (pull.open_timeout_s + pull.read_timeout_s) + 25.0,
    )


async def _check_name(address: CameraAddress, rules: AddressRules) -> None:
    """Refuse a name that stands for a forbidden address; one that cannot be resolved now may be later."""
    if address.is_file:
        return
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            await loop.run_in_executor(None, partial(resolve, address, rules))
    except (NameUnknown, TimeoutError):
        return
