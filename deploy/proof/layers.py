"""Mounts: each stage is an overlay above the one that it begins from, so that none is copied.

Everything happens in a mount namespace of this process's own (`enter_namespace`), and is gone with it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_INSIDE = "ROLLCALL_IMAGE_PROOF_INSIDE"


class NotPossible(RuntimeError):
    """This machine does not let us do it; the words say what is missing."""


def enter_namespace() -> None:
    """Start this program again in a mount namespace of its own, as root or as the root of a user namespace."""
    if os.environ.get(_INSIDE):
        return
    unshare = shutil.which("unshare")
    if unshare is None:
        raise NotPossible("the program unshare is missing (Debian: util-linux)")
    private = ["--mount", "--propagation", "private"]
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if subprocess.run([unshare, *users, *private, "true"], capture_output=True, check=False).returncode != 0:
        raise NotPossible("mount namespaces are not allowed here: run it as root")
    command = [unshare, *users, *private, sys.executable, "-m", "deploy.proof", *sys.argv[1:]]
    os.execve(unshare, command, {**os.environ, _INSIDE: "1"})


def mount(*arguments: str) -> None:
    """Call mount(8). Raises NotPossible with its words."""
    run = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise NotPossible(f"mount {' '.join(arguments)}: {run.stderr.strip()}")


def unmount(target: Path) -> None:
    """Take a mount away, with all that is mounted below it."""
    subprocess.run(["umount", "--recursive", str(target)], check=True, capture_output=True)


class Layer:
    """A folder of changes above other layers. `lower` is a stack of folders, the topmost first."""

    def __init__(self, folder: Path, lower: tuple[Path, ...]) -> None:
        self.upper = folder / "changes"
        self._work = folder / "work"
        self.root = folder / "root"
        self._lower = lower
        for path in (self.upper, self._work, self.root):
            path.mkdir(parents=True)

    @property
    def stack(self) -> tuple[Path, ...]:
        """This layer and those below, the topmost first."""
        return (self.upper, *self._lower)

    def open(self) -> None:
        """Mount it to be changed; `scratch` has nothing below and is only a folder."""
        if not self._lower:
            mount("--bind", str(self.upper), str(self.root))
            return
        below = ":".join(str(path) for path in self._lower)
        options = f"lowerdir={below},upperdir={self.upper},workdir={self._work}"
        mount("-t", "overlay", "overlay", "-o", options, str(self.root))

    def close(self) -> None:
        """Unmount it."""
        unmount(self.root)

    def find(self, path: str) -> Path | None:
        """Where a path of this layer lies, looked for from the top down; None when nothing is there.

        Only for what one layer holds as a whole, such as what one COPY or RUN made.
        """
        for layer in self.stack:
            found = layer / path.lstrip("/")
            if found.exists():
                return found
        return None
