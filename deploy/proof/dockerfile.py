"""Reads a Dockerfile: as much of its language as ours uses, and an error for the rest.

The reference: docs.docker.com/reference/dockerfile.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = frozenset(
    {
        "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "USER", "VOLUME",
        "WORKDIR",
    }
)  # fmt: skip
_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class DockerfileError(ValueError):
    """The text is no Dockerfile, or one that uses more of the language than is known here."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. `flags` may repeat (`--mount`); `words` is set for the JSON form, such as `CMD ["serve"]`."""

    name: str
    value: str
    line: int
    flags: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] | None = None

    def flag(self, name: str) -> str | None:
        """The value of a flag that may be there once."""
        return next((value for key, value in self.flags if key == name), None)

    def pairs(self) -> dict[str, str]:
        """What ENV and LABEL set, as it is written: variables are still in it."""
        pairs = (word.partition("=") for word in shlex.split(self.value))
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Stage:
    """From one FROM to the next. `base` is an image, an earlier stage, or `scratch`."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        """The stage's instructions of one kind."""
        return [instruction for instruction in self.instructions if instruction.name == name]

    def last(self, name: str) -> Instruction:
        """The one that counts of those that replace each other. Raises DockerfileError when there is none."""
        found = self.all(name)
        if not found:
            raise DockerfileError(f"stage {self.name} has no {name}")
        return found[-1]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All stages in their order, and the ARGs before the first."""

    stages: tuple[Stage, ...]
    arguments: Mapping[str, str] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        """The stage of that name. Raises DockerfileError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise DockerfileError(f"there is no stage {name}")

    def is_stage(self, name: str) -> bool:
        """Whether a name is one of a stage, and not of an image."""
        return any(stage.name == name for stage in self.stages)

    @property
    def target(self) -> Stage:
        """The stage that becomes the image."""
        return self.stages[-1]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with `$NAME` and `${NAME}` replaced; what is not set becomes nothing."""
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), text)


def read(path: Path) -> Dockerfile:
    """The Dockerfile at that path. Raises DockerfileError, OSError."""
    return parse(path.read_text())


def parse(text: str) -> Dockerfile:
    """The Dockerfile in a text. Raises DockerfileError."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            words = instruction.value.split()
            if len(words) != 3 or words[1].upper() != "AS":
                raise DockerfileError(f"line {instruction.line}: write FROM image AS name")
            stages.append(Stage(words[2], expand(words[0], arguments), ()))
        elif stages:
            last = stages[-1]
            stages[-1] = Stage(last.name, last.base, (*last.instructions, instruction))
        elif instruction.name == "ARG":
            name, _, value = instruction.value.partition("=")
            arguments[name] = value
        else:
            raise DockerfileError(f"line {instruction.line}: {instruction.name} before the first FROM")
    if not stages:
        raise DockerfileError("there is no FROM")
    return Dockerfile(tuple(stages), arguments)


def _instructions(text: str) -> list[Instruction]:
    found: list[Instruction] = []
    pending, started = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("#") or (not line and not pending):
            continue
        started = started or number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        found.append(_instruction(pending + line, started))
        pending, started = "", 0
    if pending:
        raise DockerfileError(f"line {started}: the text ends in the middle of an instruction")
    return found


def _instruction(text: str, line: int) -> Instruction:
    name, _, rest = text.partition(" ")
    name, rest = name.upper(), rest.strip()
    if name not in KNOWN:
        raise DockerfileError(f"line {line}: {name} is not known here")
    flags: list[tuple[str, str]] = []
    while match := _FLAG.match(rest):
        flags.append((match[1], match[2]))
        rest = rest[match.end() :]
    words = None
    plain = rest.removeprefix("CMD ").strip() if name == "HEALTHCHECK" else rest
    if plain.startswith("["):
        try:
            words = tuple(json.loads(plain))
        except ValueError as error:
            raise DockerfileError(f"line {line}: {plain} is no list in JSON") from error
    return Instruction(name, rest, line, tuple(flags), words)
