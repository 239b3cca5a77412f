"""OpenCV's own face detector in a loop, and its own face recogniser where the model of that is at hand.

`python opencv_peer.py DETECTOR.onnx [RECOGNISER.onnx]`
"""

import sys

import cv2
import numpy as np
from answering import Face, answer_orders


def main(detector_path: str, recogniser_path: str | None = None) -> None:
    """Answer orders."""
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(detector_path, "", (640, 480))
    recogniser = None if recogniser_path is None else cv2.FaceRecognizerSF.create(recogniser_path, "")

    def look(data: bytes) -> list[Face]:
        image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        detector.setInputSize((image_bgr.shape[1], image_bgr.shape[0]))
        _, found = detector.detect(image_bgr)
        faces: list[Face] = []
        for face in [] if found is None else found:
            x, y, width, height = face[:4]
            embedding = None
            if recogniser is not None:
                embedding = recogniser.feature(recogniser.alignCrop(image_bgr, face)).ravel()
                embedding = embedding / np.linalg.norm(embedding)
            faces.append(((x, y, x + width, y + height), embedding))
        return faces

    facts = {"versions": {"opencv": cv2.__version__, "numpy": np.__version__}, "recognises": recogniser is not None}
    answer_orders(look, facts=facts)


if __name__ == "__main__":
    main(*sys.argv[1:3])
