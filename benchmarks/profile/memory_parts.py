"""`python -m benchmarks.profile.memory_parts`: what a server's process holds after each step of its start, as JSON.

A process of its own, because what has once been imported cannot be taken away again.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from stream_server.loaded_code import let_go
from stream_server.memory import give_back, limit_malloc

_STATUS = Path("/proc/self/status")


def steps() -> Iterator[str]:
    """The steps of a start, one after the other; each is done when its name is given."""
    yield "Python"
    import numpy as np

    yield "numpy"
    import cv2

    cv2.setNumThreads(1)
    yield "OpenCV"
    import pydantic_settings

    yield "pydantic"
    import fastapi

    yield "FastAPI"
    import asyncpg
    import uvicorn
    import uvloop

    yield "asyncpg, uvicorn, uvloop"
    from stream_server.app import create_app
    from stream_server.serving import server
    from stream_server.settings import load_settings

    yield "Rollcall's own modules"
    settings = load_settings()
    create_app(settings)
    yield "the application's routes"
    import onnxruntime

    yield "ONNX Runtime"
    from recognition.gallery import Gallery
    from stream_server.models import LoadedModels

    recogniser = LoadedModels(settings).make_recogniser()
    yield "both networks"
    let_go()
    yield "code of the start let go of"
    picture_bgr = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    recogniser.recognise_picture(picture_bgr, Gallery([], model_id=recogniser.model_id))
    yield "the first picture: the detector's buffers"
    assert all((pydantic_settings, fastapi, asyncpg, uvicorn, uvloop, server, onnxruntime))


def held_mb() -> tuple[float, float]:
    """Memory of its own and pages of files that are resident, in MB."""
    status = _STATUS.read_text()
    own, file = (re.search(rf"{name}:\s+(\d+)", status) for name in ("RssAnon", "RssFile"))
    return tuple(0.0 if found is None else int(found[1]) * 1024 / 1e6 for found in (own, file))  # type: ignore[return-value]


def main() -> None:
    """Print a list of [step, MB of its own, MB of files] as each stands after the step."""
    limit_malloc()
    found = []
    for step in steps():
        give_back()
        found.append([step, *held_mb()])
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
