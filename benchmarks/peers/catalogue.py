"""Who is measured, and how each of them is run: its defaults, and whatever its own documentation recommends."""

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Kind(StrEnum):
    """What is measured of it."""

    RECOGNITION = "recognition"
    TRANSPORT = "transport"


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed together. `lock` is a requirements file with hashes, or a folder with package-lock.json."""

    name: str
    lock: Path

    @property
    def is_npm(self) -> bool:
        """Whether npm installs it."""
        return self.lock.is_dir()


@dataclass(frozen=True, slots=True)
class Peer:
    """One measured program.

    `distance_max` is the largest Euclidean distance of two embeddings that its own documentation calls the same
    person; None for what only detects or only receives. `how` tells readers how it is run.
    """

    name: str
    title: str
    kind: Kind
    environment: Environment
    runner: str
    how: str
    arguments: tuple[str, ...] = ()
    distance_max: float | None = None
    ours: bool = False


OURS = Environment("rollcall", ROOT / "requirements" / "runtime.txt")
FACE_RECOGNITION = Environment("face_recognition", HERE / "requirements" / "face_recognition.txt")
HUMAN = Environment("human", HERE / "human")
OPENCV = Environment("opencv", HERE / "requirements" / "opencv.txt")
WEBSOCKETS = Environment("websockets", HERE / "requirements" / "websockets.txt")

# The one that ratios are to: Rollcall as it is without any setting.
BASE = "rollcall"
TRANSPORT_BASE = "rollcall-receiver"
SLOWEST_KNOWN = "face_recognition"

_OURS_HOW = (
    "Timed is a frame on its way through the pipeline, each from a camera that was never seen, so that tracking saves "
    "nothing: every face is embedded, and compared with 1,000 people, which the peers do not do. Accepts at a distance "
    "of 0.55 (its default)."
)

PEERS: tuple[Peer, ...] = (
    Peer(
        "rollcall",
        "Rollcall (default: OpenCV DNN)",
        Kind.RECOGNITION,
        OURS,
        "rollcall_recognition.py",
        _OURS_HOW,
        ("opencv",),
        distance_max=0.55,
        ours=True,
    ),
    Peer(
        "rollcall-onnxruntime",
        "Rollcall (ONNX Runtime)",
        Kind.RECOGNITION,
        OURS,
        "rollcall_recognition.py",
        _OURS_HOW,
        ("onnxruntime",),
        distance_max=0.55,
        ours=True,
    ),
    Peer(
        "face_recognition",
        "face_recognition (dlib)",
        Kind.RECOGNITION,
        FACE_RECOGNITION,
        "face_recognition_peer.py",
        "`face_locations` (HOG, upsampled once) and `face_encodings`, all by default; its tolerance of 0.6.",
        distance_max=0.6,
    ),
    Peer(
        "human",
        "@vladmandic/human (Node, WASM)",
        Kind.RECOGNITION,
        HUMAN,
        "human_peer.mjs",
        "The WASM backend, whose models and binaries come with its packages (that of tfjs-node is downloaded from "
        "elsewhere at installation). Face detector, mesh, rotation and description, as its documentation recommends "
        "for comparing faces, and up to 100 faces; body, hand, gesture, iris and emotion, which are on by default, are "
        "off in its favour. Nothing is carried over from the picture before (`cacheSensitivity` 0). A match is a "
        "similarity of 0.5 or more, which is a distance of 10. sharp decodes.",
        # similarity = ((1 - 5 d / 100) - 0.2) / 0.6 for the distance d, with the default options of `match.similarity`.
        distance_max=10.0,
    ),
    Peer(
        "opencv",
        "OpenCV FaceDetectorYN",
        Kind.RECOGNITION,
        OPENCV,
        "opencv_peer.py",
        "`imdecode`, `FaceDetectorYN.detect` with its defaults on the whole picture (Rollcall's YuNet file), and "
        "`FaceRecognizerSF` where `face_recognition_sface_2021dec.onnx` lies in the model folder or the mirror; "
        "else detection only. A match is a cosine of 0.363 or more.",
        # Of vectors of length one: d^2 = 2 - 2 cos.
        distance_max=math.sqrt(2 - 2 * 0.363),
    ),
    Peer(
        "rollcall-receiver",
        "Rollcall's camera WebSocket",
        Kind.TRANSPORT,
        OURS,
        "rollcall_receiver.py",
        "The server's route, HTTP protocol and limits, sampler, pace and lanes on uvloop, with a recogniser that sees "
        "nobody: each frame is counted and held to the pace, and those that are used are answered with their faces. "
        "Without the guard at the door, which asks once for each connection.",
        ours=True,
    ),
    Peer(
        "websockets",
        "bare `websockets` receiver",
        Kind.TRANSPORT,
        WEBSOCKETS,
        "websockets_peer.py",
        "`async for message in socket`, as its documentation shows it: messages and bytes are counted, nothing else.",
    ),
)


def named(name: str) -> Peer:
    """A peer by its name. KeyError when there is none."""
    return next((peer for peer in PEERS if peer.name == name), None) or _none(name)


def _none(name: str) -> Peer:
    raise KeyError(name)
