"""Runs the peers: accuracy and start in fresh processes, then time in interleaved rounds, then the transport."""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measurement import median, rounded
from benchmarks.peers import accuracy, speed, transport
from benchmarks.peers.catalogue import BASE, ROOT, TRANSPORT_BASE, Kind, Peer
from benchmarks.peers.environment import Installed, NotInstalled, install, part_bytes, size_of
from benchmarks.peers.process import PeerFailed, PeerProcess, runner
from benchmarks.peers.sets import STRANGERS, PictureSets, picture_sets
from recognition.embedding import FaceInBothRoles
from recognition.models.store import FACE_RECOGNITION_INT8, YUNET, ModelStore

Row = dict[str, Any]
Advance = Callable[[str, float], None]
"""Called with a peer's name or a step, and the part of it that is done, 0..1."""

SFACE = "face_recognition_sface_2021dec.onnx"
# What recognition alone imports of Rollcall's environment; the rest is the server.
_RECOGNITION_PACKAGES = ("numpy", "cv2", "opencv_python_headless", "onnxruntime", "flatbuffers", "google", "protobuf")
_OWN_PACKAGES = ("recognition", "storage", "stream_server")
_CODE = ("*.py", "*.toml", "*.sql", "*.html", "*.json", "*.mako", "*.ini")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    starts: int
    load: transport.Load
    accuracy: bool = True


FULL = Plan(rounds=25, starts=5, load=transport.FULL)
QUICK = Plan(rounds=2, starts=1, load=transport.QUICK)


@dataclass(slots=True)
class _Work:
    """A peer on its way: its row so far, and how to run it."""

    peer: Peer
    row: Row
    command: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def process(self) -> PeerProcess:
        return PeerProcess(self.peer.name, self.command, variables=self.variables)

    def fail(self, error: Exception) -> None:
        self.row["error"] = str(error)


def measure(
    peers: Sequence[Peer],
    models_dir: Path,
    *,
    faces_dir: Path | None,
    mirror: Path | None,
    plan: Plan,
    advance: Advance,
    folder: Path | None = None,
) -> list[Row]:
    """One row for each peer, in their order. A peer that cannot be installed or fails has `error` in its row."""
    works = [_prepared(peer, models_dir, mirror, advance, folder) for peer in peers]
    with tempfile.TemporaryDirectory(prefix="rollcall-peers-") as temporary:
        sets = picture_sets(models_dir, faces_dir, Path(temporary))
        recognisers = [work for work in works if work.peer.kind is Kind.RECOGNITION]
        for work in recognisers:
            _attempt(work, lambda work: _start(work, sets, plan, advance))
            if plan.accuracy:
                _attempt(work, lambda work: work.row.update(accuracy=_accuracy(work, sets, advance)))
        if timed := [work for work in recognisers if not work.row["error"]]:
            _speed(timed, sets, plan, advance)
        receivers = [work for work in works if work.peer.kind is Kind.TRANSPORT and not work.row["error"]]
        if receivers:
            _transport(receivers, sets.timed["four"].read_bytes(), plan, advance)
    return [work.row for work in works]


def _attempt(work: _Work, step: Callable[[_Work], None]) -> None:
    if work.row["error"]:
        return
    try:
        step(work)
    except PeerFailed as error:
        work.fail(error)


def _prepared(peer: Peer, models_dir: Path, mirror: Path | None, advance: Advance, folder: Path | None) -> _Work:
    row: Row = {
        "name": peer.name,
        "title": peer.title,
        "kind": peer.kind.value,
        "ours": peer.ours,
        "how": peer.how,
        "error": None,
        "recognises": peer.kind is Kind.RECOGNITION,
    }
    work = _Work(peer, row)
    advance(f"{peer.name}: install", 0.0)
    try:
        installed = install(peer.environment) if folder is None else install(peer.environment, folder)
    except NotInstalled as error:
        work.fail(error)
        return work
    finally:
        advance(f"{peer.name}: install", 1.0)
    script = str(runner(peer.runner))
    work.command = [str(installed.program), script, *peer.arguments]
    store = ModelStore(models_dir)
    models: list[Path] = []
    if peer.ours:
        work.variables = {"PYTHONPATH": str(ROOT), "ROLLCALL_MODELS__DIR": str(models_dir)}
        if peer.kind is Kind.RECOGNITION:
            work.command = [str(installed.program), script, str(models_dir), *peer.arguments]
            models = [models_dir / store.best_detector(), models_dir / FACE_RECOGNITION_INT8]
    elif peer.environment.is_npm:
        work.command = [str(installed.program), script, str(installed.folder)]
    elif peer.name == "opencv":
        models = [models_dir / YUNET, *_sface(models_dir, mirror)]
        row["recognises"] = len(models) > 1
        row["title"] += " and FaceRecognizerSF" if row["recognises"] else ", detection only"
        if not models[0].is_file():
            work.fail(NotInstalled(f"{YUNET} is not in the model folder"))
        work.command = [str(installed.program), script, *map(str, models)]
    row["installed"] = _weight(peer, installed, models)
    return work


def _sface(models_dir: Path, mirror: Path | None) -> list[Path]:
    places = [folder / SFACE for folder in (models_dir, mirror) if folder is not None]
    return [path for path in places if path.is_file()][:1]


def _weight(peer: Peer, installed: Installed, models: Sequence[Path]) -> Row:
    """Megabytes on disk: what was installed, its models, and for Rollcall its own code."""
    models_bytes = size_of(path for path in models if path.is_file())
    own = size_of(file for name in _OWN_PACKAGES for kind in _CODE for file in (ROOT / name).rglob(kind))
    total = installed.bytes + models_bytes + (own if peer.ours else 0)
    weight: Row = {"mb": rounded(total / 1e6), "models_mb": rounded(models_bytes / 1e6)}
    if peer.ours and peer.kind is Kind.RECOGNITION:
        # The whole server is what is installed; the peers are libraries that recognise and do nothing else.
        recognition = part_bytes(installed, _RECOGNITION_PACKAGES) + models_bytes
        weight["recognition_alone_mb"] = rounded(recognition / 1e6)
    return weight


def _start(work: _Work, sets: PictureSets, plan: Plan, advance: Advance) -> None:
    """Seconds from the start of the process to its first answer. One more start goes before, which reads from disk."""
    taken_s = []
    for number in range(plan.starts + 1):
        with work.process() as process:
            process.ask(do="look", picture=str(sets.timed["four"]))
            if number:
                taken_s.append(time.perf_counter() - process.started_at)
            else:
                work.row["facts"] = process.ask(do="facts")
        advance(f"{work.peer.name}: start", (number + 1) / (plan.starts + 1))
    work.row["first_answer_s"] = rounded(median(taken_s))


def _accuracy(work: _Work, sets: PictureSets, advance: Advance) -> Row:
    limit = work.peer.distance_max if work.row["recognises"] else None
    step = f"{work.peer.name}: accuracy"
    count = len(sets.large) + len(sets.small) + len(sets.portraits) + len(sets.scenes)
    asked = 0
    with work.process() as process:

        def told(order: str, path: Path) -> Any:
            nonlocal asked
            asked += 1
            answer = process.ask(do=order, picture=str(path))
            advance(step, asked / count)
            return answer["faces"] if order == "look" else answer["face"]

        large = [told("look", picture.path) for picture in sets.large]
        small = [told("look", picture.path) for picture in sets.small]
        result: Row = {
            "photographs": {
                "large": accuracy.recall(large, sets.large).as_dict(),
                "small": accuracy.recall(small, sets.small).as_dict(),
            }
        }
        if limit is not None:
            templates, persons = accuracy.labelled_faces(large, sets.large)
            probes, _ = accuracy.labelled_faces(small, sets.small)
            result["photographs"] |= accuracy.photograph_figures(templates, probes, persons, limit)
        if sets.portraits:
            faces = [told("portrait", path) for path, _ in sets.portraits]
            enrolled = [None if face is None or limit is None else _roles(face) for face in faces]
            result["portraits"] = (
                accuracy.portrait_figures(enrolled, [person for _, person in sets.portraits], limit)
                if limit is not None
                else {"images": len(faces), "faces_found": sum(face is not None for face in faces)}
            )
        if sets.scenes:
            seen = [told("look", path) for path, _ in sets.scenes]
            result["scenes"] = accuracy.recall_by_count(seen, [people for _, people in sets.scenes]).as_dict()
            unknown = [face for (path, _), found in zip(sets.scenes, seen, strict=True) for face in found
                       if path.name == STRANGERS]  # fmt: skip
            if limit is not None and sets.portraits:
                result["scenes"]["strangers"] = len(unknown)
                result["scenes"]["strangers_accepted"] = accuracy.strangers_accepted(unknown, enrolled, limit)
        result["peak_mb"] = process.peak_mb()
    return result


def _roles(face: Row) -> FaceInBothRoles:
    template, probe = accuracy.both_roles(face["template"]), accuracy.both_roles(face["probe"])
    assert template is not None
    assert probe is not None
    return FaceInBothRoles(template.template, probe.probe)


def _speed(works: Sequence[_Work], sets: PictureSets, plan: Plan, advance: Advance) -> None:
    by_name = {work.peer.name: work for work in works}
    with ExitStack() as stack:
        running = {name: stack.enter_context(work.process()) for name, work in by_name.items()}
        rounds = speed.interleaved(
            running,
            sets.timed,
            rounds=plan.rounds,
            advance=lambda done: advance("time, in rounds", done),
            failed=lambda name, error: by_name[name].fail(error),
        )
        for name, work in by_name.items():
            if not work.row["error"]:
                work.row["peak_mb"] = _rounded(running[name].peak_mb())
    for name, work in by_name.items():
        if not work.row["error"]:
            work.row["time"] = speed.figures(rounds, name, BASE)
            work.row["per_face_ratio"] = speed.per_face_ratios(rounds, name, BASE, "four")


def _transport(works: Sequence[_Work], jpeg: bytes, plan: Plan, advance: Advance) -> None:
    rounds: dict[str, list[dict[str, transport.Passage]]] = {work.peer.name: [] for work in works}
    with ExitStack() as stack:
        running = {}
        for work in works:
            process = stack.enter_context(work.process())
            try:
                running[work.peer.name] = (process, int(process.hear()["port"]))
            except PeerFailed as error:
                work.fail(error)
            else:
                work.row["first_answer_s"] = rounded(time.perf_counter() - process.started_at)
        for number in range(plan.load.rounds):
            for work in works:
                if work.row["error"]:
                    continue
                process, port = running[work.peer.name]
                try:
                    rounds[work.peer.name].append(transport.measured(process, port, jpeg, plan.load))
                except PeerFailed as error:
                    work.fail(error)
            advance("transport, in rounds", (number + 1) / plan.load.rounds)
        for work in works:
            if not work.row["error"]:
                process, _ = running[work.peer.name]
                work.row["peak_mb"] = _rounded(process.peak_mb())
                work.row["facts"] = {"versions": process.ask(do="tell")["versions"]}
    for work in works:
        if not work.row["error"]:
            work.row["transport"] = transport.figures(rounds[work.peer.name], rounds.get(TRANSPORT_BASE, []))
            work.row["transport"]["frame_bytes"] = len(jpeg)


def _rounded(value: float | None) -> float | None:
    return None if value is None else rounded(value)
