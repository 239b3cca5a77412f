"""Processor time of each stage of a frame's way, one thread, and of what follows from it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from benchmarks import processes
from benchmarks.measurement import median
from benchmarks.pictures import picture_of_four
from benchmarks.profile.parts import Parts, gallery_of
from benchmarks.profile.streams import Stream
from recognition.alignment import aligned_chip
from recognition.continuity import view_signature
from recognition.detection import DetectionSettings, detector_on
from recognition.embedding import OnnxFaceEmbedder
from recognition.engines import EngineKind, make_engine
from recognition.frame_search import FrameSearch, SceneMemory, SearchSettings
from recognition.frames import decode
from recognition.models.store import FACE_RECOGNITION_FP32, ModelStore
from recognition.quality import QualityLimits, assess
from recognition.tracking import Tracker
from recognition.types import ImageBgr, Sighting
from storage import attendance, migrate, people
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from stream_server.child import temporary_folder
from stream_server.demo.views import encode_jpeg
from stream_server.messages.wire import Face, Faces

WIDTHS_PX = (320, 480, 640, 960)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: milliseconds of processor time, for what."""

    stage: str
    of: str
    cpu_ms: float


def cpu_ms(work: Callable[[], object], times: int) -> float:
    """The median of five shares of so many runs."""
    work()
    shares = []
    for _ in range(5):
        began = time.thread_time()
        for _ in range(times):
            work()
        shares.append((time.thread_time() - began) * 1e3 / times)
    return median(shares)


def of_a_frame(parts: Parts, still: Stream, times: int) -> Iterator[Row]:
    """From the bytes to the decision; `still` is a stream in which nothing happens."""
    jpeg = picture_of_four(parts.models_dir)
    image_bgr = decode(jpeg)
    yield Row("decode", "JPEG of 640 x 480", cpu_ms(lambda: decode(jpeg), times))
    for width, height in ((1280, 720), (1920, 1080)):
        large = encode_jpeg(_large(image_bgr, width, height), 80)
        title = f"JPEG of {width} x {height}, made smaller to 640"
        yield Row("decode", title, cpu_ms(lambda data=large: _smaller(decode(data)), times))  # type: ignore[misc]
    yield Row("motion gate", "nothing has changed", _gate_ms(parts, still, times))
    store = ModelStore(parts.models_dir)
    for kind, name in ((EngineKind.OPENCV, "OpenCV DNN"), (EngineKind.ONNXRUNTIME, "ONNX Runtime")):
        engine = make_engine(store.path(store.best_detector()), kind)
        for width in WIDTHS_PX:
            detector = detector_on(engine, settings=DetectionSettings(width_px=width))
            picture = _large(image_bgr, width, width * 3 // 4)
            took_ms = cpu_ms(lambda one=detector, shown=picture: one.detect(shown), max(3, times // 4))  # type: ignore[misc]
            yield Row("detection", f"{width} x {width * 3 // 4}, {name}", took_ms)
    faces = parts.detectors[EngineKind.OPENCV].detect(image_bgr)
    tracker = Tracker()
    tracker.update(faces, 0.0)
    yield Row("tracking", f"{len(faces)} faces", cpu_ms(lambda: tracker.update(faces, 0.1), times))
    face = faces[0]
    view_ms = cpu_ms(lambda: view_signature(image_bgr, face.box_xyxy), times)
    yield Row("alignment", "is it the same view? one face", view_ms)
    yield Row("alignment", "chip of one face", cpu_ms(lambda: aligned_chip(image_bgr, face), times))
    chips = [aligned_chip(image_bgr, each) for each in faces]
    yield Row("alignment", "quality of one face", cpu_ms(lambda: assess(face, chips[0], QualityLimits()), times))
    fp32 = OnnxFaceEmbedder(store.path(FACE_RECOGNITION_FP32), model_id="fp32")
    for title, network in (("int8", parts.embedder), ("fp32", fp32)):
        yield Row("embedding", f"one face, {title}", cpu_ms(lambda net=network: net.embed(chips[:1]), times))  # type: ignore[misc]
        yield Row("embedding", f"four faces, {title}", cpu_ms(lambda net=network: net.embed(chips[:4]), times))  # type: ignore[misc]
    probes = parts.embedder.embed(chips)
    for count in (1000, 10_000):
        gallery = gallery_of(parts.embedder, parts.models_dir, count)
        yield Row(
            "matching",
            f"{len(chips)} faces among {count:,} people",
            cpu_ms(lambda g=gallery: g.search_all(probes), times),  # type: ignore[misc]
        )
    yield Row("encode", "boxes of four faces as a message", cpu_ms(_message().model_dump_json, times))


def of_storing(times: int) -> list[Row]:
    """A sighting and what follows from it in one transaction; the processor time of this process, and of PostgreSQL."""
    return asyncio.run(_storing(times))


async def _storing(times: int) -> list[Row]:
    with temporary_folder() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        dsn = await asyncio.to_thread(postgres.start)
        try:
            await migrate.upgrade(dsn)
            database = await Database.connect(dsn, pool_max=2)
            try:
                return await _store_all(database, times)
            finally:
                await database.close()
        finally:
            await asyncio.to_thread(postgres.stop)


async def _store_all(database: Database, times: int) -> list[Row]:
    rows = []
    now = datetime.now(UTC)
    async with database.acquire() as connection:
        known = [
            await people.create(connection, name=f"Person {number}", at=now, consent=people.Consent.GRANTED)
            for number in range(times)
        ]
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        for title in ("a person's first sighting: record, event, outbox", "one more sighting of the same person"):
            of_backend, of_this = processes.cpu_s(backend), time.process_time()
            for person in known:
                await attendance.record_sighting(connection, _sighting(person.person_id, now), ZoneInfo("UTC"))
            rows.append(Row("storage and event", title, (time.process_time() - of_this) * 1e3 / times))
            after = processes.cpu_s(backend)
            if of_backend is not None and after is not None:
                rows.append(Row("storage and event", "the same, in PostgreSQL", (after - of_backend) * 1e3 / times))
    return rows


def _sighting(person_id: UUID, at: datetime) -> Sighting:
    return Sighting(uuid4(), person_id, "door", at, 0.3, 0.6, 0.9, 2, "model")


def _gate_ms(parts: Parts, still: Stream, times: int) -> float:
    search = FrameSearch(parts.detectors[EngineKind.OPENCV], SearchSettings(whole_every_s=1e9), lambda: 640)
    scene = SceneMemory()
    pictures = [decode(frame) for frame in still.frames[:2]]
    search.faces(pictures[0], scene, 0.0)
    return cpu_ms(lambda: search.faces(pictures[1], scene, 0.1), times)


def _large(image_bgr: ImageBgr, width: int, height: int) -> ImageBgr:
    return np.asarray(cv2.resize(image_bgr, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _smaller(image_bgr: ImageBgr) -> ImageBgr:
    size = 640, round(640 * image_bgr.shape[0] / image_bgr.shape[1])
    return np.asarray(cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def _message() -> Faces:
    face = Face(box=(10.5, 20.5, 100.5, 130.5), state="unknown", track=1, person=None, reason=None)
    return Faces(
        frame=1, captured_at=datetime.now(UTC), width_px=640, height_px=480, faces=(face,) * 4, received=1, dropped=0
    )
