"""Performs the steps of a Dockerfile, each stage in a root of its own, as a builder would."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.proof.context import Context
from deploy.proof.dockerfile import Dockerfile, DockerfileError, Instruction, Stage, expand
from deploy.proof.layers import Layer, mount

# What the machine's own settings of networks and package registries come to inside, as an engine hands on proxies.
HANDED_ON = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL",
    "NPM_CONFIG_REGISTRY",
)  # fmt: skip
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
_CA_VARIABLES = ("PIP_CERT", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "NPM_CONFIG_CAFILE")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StepFailed(RuntimeError):
    """A step of the Dockerfile ended with an error."""


@dataclass(slots=True)
class Built:
    """A finished stage."""

    stage: Stage
    layer: Layer
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    seconds: float = 0.0


class Builder:
    """Builds stages when they are asked for, and each once."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        context: Context,
        work: Path,
        *,
        base: tuple[Path, ...],
        contexts: Mapping[str, Path],
        say: Callable[[str], None],
    ) -> None:
        """`base` stands for the base image; `contexts` take the place of stages (`--build-context`)."""
        self._dockerfile = dockerfile
        self._context = context
        self._work = work
        self._base = base
        self._contexts = contexts
        self._say = say
        self._built: dict[str, Built] = {}

    @property
    def built(self) -> list[Built]:
        """What was built so far, in this order."""
        return list(self._built.values())

    def build(self, name: str) -> Built:
        """A stage, after those that it needs. Raises StepFailed, DockerfileError."""
        if name in self._built:
            return self._built[name]
        stage = self._dockerfile.stage(name)
        below: tuple[Path, ...] = ()
        parent: Built | None = None
        if self._dockerfile.is_stage(stage.base):
            parent = self.build(stage.base)
            below = parent.layer.stack
        elif stage.base != "scratch":
            below = self._base
        for needed in self._needs(stage):
            self.build(needed)
        built = Built(stage, Layer(self._work / "stages" / name, below))
        if parent is not None:
            built.env, built.workdir, built.user = dict(parent.env), parent.workdir, parent.user
        elif below:
            built.env = {"PATH": _PATH}
        built.layer.open()
        started = time.monotonic()
        try:
            for instruction in stage.instructions:
                self._perform(built, instruction)
        finally:
            built.seconds = time.monotonic() - started
            built.layer.close()
        self._say(f"{name}: {built.seconds:.1f} s")
        self._built[name] = built
        return built

    def _needs(self, stage: Stage) -> list[str]:
        sources = [instruction.flag("from") for instruction in stage.all("COPY")]
        sources += [options.get("from") for run in stage.all("RUN") for options in _mounts(run)]
        return [name for name in sources if name and name not in self._contexts]

    def _perform(self, built: Built, step: Instruction) -> None:
        match step.name:
            case "ENV":
                for name, value in step.pairs().items():
                    built.env[name] = expand(value, built.env)
            case "WORKDIR":
                built.workdir = os.path.join(built.workdir, expand(step.value, built.env))  # noqa: PTH118
                _inside(built, built.workdir).mkdir(parents=True, exist_ok=True)
            case "USER":
                built.user = step.value
            case "COPY":
                self._copy(built, step)
            case "RUN":
                self._run(built, step)
            case "LABEL" | "EXPOSE" | "VOLUME" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                pass  # of use when it runs
            case _:
                raise DockerfileError(f"line {step.line}: {step.name} cannot be performed within a stage")

    def _copy(self, built: Built, step: Instruction) -> None:
        *sources, target = shlex.split(expand(step.value, built.env))
        folder = _inside(built, os.path.join(built.workdir, target))  # noqa: PTH118
        into = target.endswith("/") or len(sources) > 1 or target == "."
        origin = step.flag("from")
        for source in sources:
            if origin is None:
                self._copy_from_context(source, folder, into)
                continue
            found = self._built[origin].layer.find(source)
            if found is None:
                raise StepFailed(f"line {step.line}: {origin} has no {source}")
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", f"{found}/." if found.is_dir() else str(found), str(folder)], check=True)

    def _copy_from_context(self, source: str, folder: Path, into: bool) -> None:
        files = list(self._context.files(source))
        if not files:
            raise StepFailed(f"COPY {source}: the context has no such file (.dockerignore?)")
        for path, below in files:
            place = folder / below if into or not (self._context.folder / source).is_file() else folder
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)

    def _run(self, built: Built, step: Instruction) -> None:
        root = built.layer.root
        opened: list[Path] = []

        def open_mount(target: str, *arguments: str) -> None:
            place = root / target.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            mount(*arguments, str(place))
            opened.append(place)

        try:
            open_mount("/proc", "-t", "proc", "proc")
            open_mount("/dev", "--rbind", "/dev")
            open_mount("/tmp", "-t", "tmpfs", "tmpfs")
            open_mount("/run", "-t", "tmpfs", "tmpfs")
            for options in _mounts(step):
                if options["type"] == "cache":
                    kept = self._work / "cache" / options["target"].strip("/").replace("/", "_")
                    kept.mkdir(parents=True, exist_ok=True)
                    open_mount(options["target"], "--bind", str(kept))
                else:
                    open_mount(options["target"], "--bind", str(self._source_of(options)))
            env = {**_network_environment(root), **built.env, "HOME": "/root"}
            self._say(f"  RUN {step.value[:110]}")
            self._call(built, step, env)
        finally:
            for place in reversed(opened):
                subprocess.run(["umount", "--recursive", "--lazy", str(place)], check=False, capture_output=True)

    def _call(self, built: Built, step: Instruction, env: dict[str, str]) -> None:
        enter = ["/usr/sbin/chroot", f"--userspec={built.user}", str(built.layer.root)]
        command = [*enter, "/usr/bin/env", "-C", built.workdir, "/bin/sh", "-c", step.value]
        run = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        for line in run.stdout.splitlines():
            self._say(f"    {line}")
        if run.returncode != 0:
            raise StepFailed(f"line {step.line}: exit code {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-4000:]}")

    def _source_of(self, options: Mapping[str, str]) -> Path:
        name = options["from"]
        if name in self._contexts:
            return self._contexts[name]
        return self._built[name].layer.upper


def _mounts(run: Instruction) -> list[dict[str, str]]:
    mounts = [value for name, value in run.flags if name == "mount"]
    return [dict(part.split("=", 1) for part in value.split(",")) for value in mounts]


def _inside(built: Built, path: str) -> Path:
    return built.layer.root / path.lstrip("/")


def _network_environment(root: Path) -> dict[str, str]:
    """What a build needs to reach package registries here: proxies, and the machine's own certificate authorities."""
    env = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    if Path(CA_FILE).is_file():
        shutil.copy2(CA_FILE, root / "run" / "ca-certificates.crt")
        env |= dict.fromkeys(_CA_VARIABLES, "/run/ca-certificates.crt")
    return env
