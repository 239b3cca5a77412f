"""What stands for the base image, which cannot be fetched where there is no registry."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.proof.layers import NotPossible

_PACKAGES = "ca-certificates,python3,python3-venv,python3-pip"
# What the slim images of Debian leave out, too, and what only building needs.
_LEFT_OUT = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "var/cache/apt",
    "var/lib/apt/lists",
)
_SUITE = re.compile(r"-slim-([a-z]+)$")


@dataclass(frozen=True, slots=True)
class Base:
    """Folders that the first stage is built on, the topmost first, and what they are."""

    layers: tuple[Path, ...]
    what: str
    measured: bool
    """Whether its size says something of the base image's."""


def make_base(image: str, folder: Path, *, host: bool, say: Callable[[str], None]) -> Base:
    """A root with the image's Debian and its Python, made by debootstrap and kept in `folder`.

    With `host` this machine's own root instead: the steps are the same, the base's size says nothing. Raises
    NotPossible when debootstrap is not there or fails.
    """
    if host:
        return Base((Path("/"),), "this machine's own root (nothing fresh, its size is not counted)", measured=False)
    suite = _SUITE.search(image)
    if suite is None:
        raise NotPossible(f"{image} does not name a Debian suite")
    program = shutil.which("debootstrap") or shutil.which("/usr/sbin/debootstrap")
    if program is None:
        raise NotPossible("debootstrap is missing: `apt-get install debootstrap`, or --host to build on this root")
    root = folder / f"debian-{suite[1]}"
    if not (root / "usr/bin/python3").exists():
        shutil.rmtree(root, ignore_errors=True)
        say(f"debootstrap {suite[1]} (kept in {folder})")
        command = [program, "--variant=minbase", f"--include={_PACKAGES}", suite[1], str(root)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            shutil.rmtree(root, ignore_errors=True)
            raise NotPossible(f"debootstrap failed: {run.stdout[-500:]}{run.stderr[-500:]}")
        for path in _LEFT_OUT:
            shutil.rmtree(root / path, ignore_errors=True)
            (root / path).mkdir(parents=True)
    return Base((root,), f"Debian {suite[1]} by debootstrap (minbase) with its own Python, compiled", measured=True)
