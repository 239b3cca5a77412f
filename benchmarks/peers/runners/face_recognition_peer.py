"""face_recognition as its README uses it: locations by HOG, then encodings, everything by default."""

import io
from importlib.metadata import version

import face_recognition
from answering import Face, answer_orders


def look(data: bytes) -> list[Face]:
    """The faces of an encoded picture."""
    image_rgb = face_recognition.load_image_file(io.BytesIO(data))
    locations = face_recognition.face_locations(image_rgb)
    encodings = face_recognition.face_encodings(image_rgb, known_face_locations=locations)
    return [
        ((left, top, right, bottom), encoding)
        for (top, right, bottom, left), encoding in zip(locations, encodings, strict=True)
    ]


if __name__ == "__main__":
    packages = ("face-recognition", "dlib-bin", "numpy", "pillow")
    answer_orders(look, facts={"versions": {name: version(name) for name in packages}})
