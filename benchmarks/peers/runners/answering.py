"""What every measured process in Python does: take orders as JSON lines, answer each with one.

`{"do": "look", "picture": path}` gives the faces, `{"do": "portrait", "picture": path}` the one that a portrait is of,
`{"do": "time", "picture": path, "times": n}` the milliseconds of n looks. Needs the standard library only, because it
runs in the environments of peers.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Face = tuple[Sequence[float], Sequence[float] | None]
"""The box (x0, y0, x1, y1) in pixels of the picture, and the embedding; None from what only detects."""


def answer_orders(
    look: Callable[[bytes], list[Face]],
    *,
    recognise: Callable[[bytes], int] | None = None,
    portrait: Callable[[bytes], dict[str, Any] | None] | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Answer until standard input ends. `recognise` is what is timed; it returns a number of faces. Default: `look`."""
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    recognise = recognise or (lambda data: len(look(data)))
    portrait = portrait or (lambda data: _largest(look(data)))
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = _answer(order, look, recognise, portrait, facts or {})
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(
    order: dict[str, Any],
    look: Callable[[bytes], list[Face]],
    recognise: Callable[[bytes], int],
    portrait: Callable[[bytes], dict[str, Any] | None],
    facts: dict[str, Any],
) -> dict[str, Any]:
    if order["do"] == "facts":
        return facts
    data = Path(order["picture"]).read_bytes()
    if order["do"] == "look":
        faces = [{"box": _numbers(box), "embedding": _numbers(embedding)} for box, embedding in look(data)]
        return {"faces": faces}
    if order["do"] == "portrait":
        return {"face": portrait(data)}
    taken_ms, faces_seen = [], 0
    used_s = time.process_time()
    for _ in range(order["times"]):
        began = time.perf_counter()
        faces_seen = recognise(data)
        taken_ms.append((time.perf_counter() - began) * 1e3)
    used_s = time.process_time() - used_s
    return {"ms": taken_ms, "cpu_ms": used_s * 1e3 / order["times"], "faces": faces_seen}


def _largest(faces: list[Face]) -> dict[str, Any] | None:
    if not faces:
        return None
    _, embedding = max(faces, key=lambda face: (face[0][2] - face[0][0]) * (face[0][3] - face[0][1]))
    return {"template": _numbers(embedding), "probe": _numbers(embedding)}


def _numbers(values: Any) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
