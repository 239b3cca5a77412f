"""How large the image is, part by part. Sizes are those of files, as `docker images` adds them up."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.proof.base import Base

# Parts of packages that lie beside them, by the package's own folder.
_BELONGS_TO = {"opencv_python_headless.libs": "cv2", "av.libs": "av", "numpy.libs": "numpy"}
_SHOWN_MIN_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the image."""

    name: str
    size_bytes: int


def size_of(folder: Path) -> int:
    """The sum of the sizes of all regular files below a folder; a file with several names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        entry = path.stat()
        if (entry.st_dev, entry.st_ino) not in seen:
            seen.add((entry.st_dev, entry.st_ino))
            total += entry.st_size
    return total


def parts_of(layer: Path, base: Base) -> list[Part]:
    """The parts of the last stage, the largest first; `layer` holds what it adds to the base."""
    parts = [Part(f"base: {base.what}", size_of(base.layers[0]))] if base.measured else []
    packages = next((layer / "opt/rollcall/lib").glob("python3*")) / "site-packages"
    parts += _packages(packages)
    known = {
        "models and sample photographs": layer / "opt/models",
        "web pages": layer / "opt/web",
        "Rollcall itself": layer / "app",
    }
    parts += [Part(name, size_of(folder)) for name, folder in known.items()]
    counted = sum(part.size_bytes for part in parts if not part.name.startswith("base"))
    parts.append(Part("the rest (compiled standard library, users)", size_of(layer) - counted))
    return sorted(parts, key=lambda part: -part.size_bytes)


def _packages(folder: Path) -> Iterable[Part]:
    sizes: Counter[str] = Counter()
    for entry in folder.iterdir():
        name = _BELONGS_TO.get(entry.name, entry.name)
        sizes[name] += size_of(entry) if entry.is_dir() else entry.stat().st_size
    small = sum(size for size in sizes.values() if size < _SHOWN_MIN_BYTES)
    count = sum(size < _SHOWN_MIN_BYTES for size in sizes.values())
    yield from (Part(f"package {name}", size) for name, size in sizes.items() if size >= _SHOWN_MIN_BYTES)
    yield Part(f"{count} smaller packages", small)


def slimmed(layer: Path) -> list[dict[str, object]]:
    """What `deploy.slim` wrote down when it ran in the build."""
    rows: list[dict[str, object]] = json.loads((layer / "opt/rollcall/slim.json").read_text())
    return rows
