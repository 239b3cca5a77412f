"""QR codes in a picture."""

import cv2

from recognition.types import ImageBgr

CODES_MAX = 8
"""Codes of one picture; nobody holds up more."""


def read_codes(image_bgr: ImageBgr) -> tuple[str, ...]:
    """The texts of the QR codes in a picture, uint8 (height, width, 3). One that cannot be read is left out.

    A detector for each call: it keeps state, and making one costs microseconds.
    """
    try:
        _, texts, _, _ = cv2.QRCodeDetector().detectAndDecodeMulti(image_bgr)
    except (cv2.error, UnicodeDecodeError):
        # The decoder throws on patterns that only look like a code, and on texts that are none.
        return ()
    return tuple(text for text in texts[:CODES_MAX] if text)
