"""The build context: which files of the project a builder gets to see, by `.dockerignore`."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


class Context:
    """The files below `folder` that are not ignored. Patterns are those of Docker; the last that fits decides."""

    def __init__(self, folder: Path, ignore: str) -> None:
        self.folder = folder
        self._rules = []
        for raw in ignore.splitlines():
            line = raw.strip()
            if line and not line.startswith("#"):
                keep = line.startswith("!")
                self._rules.append((_pattern(line.removeprefix("!").strip("/")), keep))

    def holds(self, path: str) -> bool:
        """Whether the builder sees the file at this path below the folder."""
        visible = True
        # A pattern that fits a folder fits all that is in it.
        names = [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
        for pattern, keep in self._rules:
            if any(pattern.fullmatch(name) for name in (path, *names)):
                visible = keep
        return visible

    def files(self, source: str) -> Iterator[tuple[Path, str]]:
        """The files that `COPY source` names: each with its path below the source (or its name, for a file)."""
        start = self.folder / source
        if start.is_file():
            if self.holds(source.removeprefix("./")):
                yield start, start.name
            return
        for path in sorted(start.rglob("*")):
            below = path.relative_to(self.folder).as_posix()
            if path.is_file() and self.holds(below):
                yield path, path.relative_to(start).as_posix()


def _pattern(text: str) -> re.Pattern[str]:
    made = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?)", text):
        made += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return re.compile(made)
