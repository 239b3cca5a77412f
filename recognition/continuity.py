"""Whether a track still shows the same view: a cheap doubt, long before anything is embedded again.

A tracker follows places, not persons. When a camera cuts, or one person steps where another stood, the box goes on
while the face changes; a name must not go on with it. The figures behind the limit are in docs/why/recognition.md.
"""

import numpy as np
from numpy.typing import NDArray

from recognition.types import ImageBgr

_SIDE_PX = 16

# The same face, turning and moving, keeps 0.3 to 1.0 between frames; another face in its place gives about 0.
CONTINUITY_MIN = 0.4


def view_signature(image_bgr: ImageBgr, box_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a box of the picture looks like from afar: float32 (256,), zero mean, length 1 (or 0 for a flat picture)."""
    import cv2

    height, width = image_bgr.shape[:2]
    x0, y0, x1, y1 = np.clip(np.round(box_xyxy), 0, [width - 1, height - 1, width, height]).astype(int)
    part = image_bgr[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    small = cv2.resize(part, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    grey: NDArray[np.float32] = small.mean(axis=2, dtype=np.float32).ravel()
    grey -= grey.mean()
    grey /= max(float(np.linalg.norm(grey)), 1.0)
    return grey


def is_same_view(before: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
    """Whether two signatures correlate as those of one face in successive frames do."""
    return float(before @ now) >= CONTINUITY_MIN
