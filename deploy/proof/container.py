"""Runs a built stage as an engine would: its command is process 1, its user has no rights, its root is read-only."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.proof.build import Built
from deploy.proof.dockerfile import DockerfileError, expand

STOP_TIMEOUT_S = 30.0
# The same as those of docker-compose.yml.
TMP_OPTIONS = "size=16m,mode=1777,noexec,nosuid,nodev"
_DEVICES = (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9))


@dataclass(frozen=True, slots=True)
class Image:
    """What an engine knows of an image besides its files."""

    layers: tuple[Path, ...]
    env: Mapping[str, str]
    user: str
    workdir: str
    volume: str
    command: tuple[str, ...]
    health: tuple[str, ...]
    port: int

    @classmethod
    def of(cls, built: Built) -> "Image":
        """That of a finished stage."""
        stage = built.stage
        words = [stage.last(name).words for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK")]
        if None in words:
            raise DockerfileError("ENTRYPOINT, CMD and HEALTHCHECK are written as JSON lists: no shell is process 1")
        entry, command, health = (word or () for word in words)
        return cls(
            layers=built.layer.stack,
            env=dict(built.env),
            user=built.user,
            workdir=built.workdir,
            volume=expand(stage.last("VOLUME").value, built.env),
            command=(*entry, *command),
            health=health,
            port=int(stage.last("EXPOSE").value),
        )


@dataclass(slots=True)
class Container:
    """One run of an image. `data` becomes its volume, and stays when it ends.

    `joined_by` goes before its command and puts it within limits (`benchmarks.cgroups`).
    """

    image: Image
    root: Path
    data: Path
    env: Mapping[str, str] = field(default_factory=dict)
    joined_by: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None

    def start(self, *command: str) -> None:
        """Start it, with its own command unless another is given."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        uid, _, gid = self.image.user.partition(":")
        os.chown(self.data, int(uid), int(gid))
        self.data.chmod(0o700)
        self.log = self.root.with_suffix(".log")
        script = (
            "set -e\n" + "\n".join(self._preparations()) + f"\nexec {self._entering(command or self.image.command)}"
        )
        namespaces = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*self.joined_by, *namespaces, "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _preparations(self) -> list[str]:
        root = shlex.quote(str(self.root))
        below = ":".join(str(path) for path in self.image.layers)
        lines = [
            # Without a layer of changes an overlay cannot be written to.
            f"mount -t overlay overlay -o ro,lowerdir={below} {root}",
            f"mount --bind {shlex.quote(str(self.data))} {root}{self.image.volume}",
            f"mount -t tmpfs -o {TMP_OPTIONS} tmpfs {root}/tmp",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs -o mode=0755 tmpfs {root}/dev",
            f"mkdir -m 1777 {root}/dev/shm",
            f"ln -s /proc/self/fd {root}/dev/fd",
        ]
        return lines + [f"mknod -m 666 {root}/dev/{name} c 1 {minor}" for name, minor in _DEVICES]

    def _entering(self, command: Sequence[str]) -> str:
        return shlex.join(["chroot", str(self.root), *self._as_user(), *command])

    def _as_user(self) -> list[str]:
        uid, _, gid = self.image.user.partition(":")
        rights = ["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        variables = [f"{name}={value}" for name, value in {**self.image.env, **self.env}.items()]
        return [
            *("/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid}", *rights, "--"),
            *("/usr/bin/env", "-i", "-C", self.image.workdir, *variables),
        ]

    @property
    def pid(self) -> int:
        """The number of its process 1, as seen from outside. Raises RuntimeError when it has ended."""
        assert self.process is not None
        ends = time.monotonic() + 5
        while time.monotonic() < ends and self.process.poll() is None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise RuntimeError(f"the container has ended: {self.output()}")

    def execute(self, *command: str, timeout_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, as `docker exec` does."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--ipc", "--uts", "--root", "--"]
        return subprocess.run(
            [*enter, *self._as_user(), *command], capture_output=True, text=True, check=False, timeout=timeout_s
        )

    def status(self) -> dict[str, str]:
        """The lines of `/proc/PID/status` of process 1."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def stop(self) -> tuple[int, float]:
        """Ask process 1 to stop by SIGTERM; its exit code, and the seconds that it took."""
        assert self.process is not None
        os.kill(self.pid, signal.SIGTERM)
        started = time.monotonic()
        code = self.process.wait(STOP_TIMEOUT_S)
        return code, time.monotonic() - started

    def wait(self, timeout_s: float) -> int:
        """Its exit code, when it ends by itself."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def end(self) -> None:
        """Take it away, whatever it does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log is not None else ""
