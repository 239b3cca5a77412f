"""How much memory a piece of work takes in a process of its own.

Python's own counters do not see what OpenCV and the decoders allocate; the kernel's peak of a fresh process does.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Before the work starts, whatever it needs is imported and has run once; the peak is then that of the work alone.
_CHILD = """
import json, sys
import cv2, numpy as np
from recognition.detection import detect_close_up
from recognition.errors import ImageError
from recognition.frames import PHOTOGRAPH_LIMITS, decode

def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

def decoded(data):
    try:
        return list(decode(data, PHOTOGRAPH_LIMITS).shape)
    except ImageError as error:
        return error.code

class Blind:
    def detect(self, image_bgr):
        self.shape = list(image_bgr.shape)
        return []

cv2.setNumThreads(1)
decoded(cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes())
detect_close_up(Blind(), np.zeros((64, 64, 3), np.uint8))
data = sys.stdin.buffer.read()
before_kb = peak_kb()
answer = WORK
print(json.dumps([answer, (peak_kb() - before_kb) / 1000]))
"""


def measured(work: str, data: bytes = b"") -> tuple[Any, float]:
    """What the expression `work` gives for `data`, and by how many MB the process grew at most meanwhile."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the kernel does not tell the peak of a process here")
    child = subprocess.run(
        [sys.executable, "-c", _CHILD.replace("WORK", work)], input=data, capture_output=True, check=True
    )
    answer, grown_mb = json.loads(child.stdout)
    return answer, grown_mb
