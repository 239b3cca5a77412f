"""Who is in the demo: the people to enrol, the cameras, what they see, and who should be marked.

The photographs that come with the model package show 21 people, one of them twice. Those of photographs 1, 2 and 4
are enrolled, each with a crop; photographs 2 to 6 are streamed. So the woman of photograph 1 has to be found in
another picture of her, the others of photograph 1 are absent, and most of the people of photographs 3, 5 and 6 are
strangers who must not get a name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Made-up names; nobody knows who these people are.
_NAMES = (
    "Ada Alvarez", "Ben Brandt", "Cleo Costa", "Dana Dietrich", "Emil Eriksen", "Fay Fischer", "Gus Garcia",
    "Hana Haddad", "Ivo Ivanov", "Jun Jansen", "Kim Keller", "Lia Lopez", "Max Meyer", "Nia Novak", "Oto Olsen",
    "Pia Park", "Quin Quist", "Ria Rossi", "Sam Silva", "Tea Tanaka", "Uma Usman", "Vic Vega",
)  # fmt: skip
_ENROLLED_FROM = ("sample1.jpg", "sample2.jpg", "sample4.jpg")
_STREAMED = ("sample2.jpg", "sample3.jpg", "sample4.jpg", "sample5.jpg", "sample6.jpg")
_CROP_MARGIN = 0.35
# On a machine that is too slow for five cameras the photographs are shown for so many times as long, if need be.
PATIENCE = 8
# Photographed from the side, where a template would be worth nothing.
_IN_PROFILE = "person-04"


@dataclass(frozen=True, slots=True)
class Cast:
    """What the demo plays.

    `people` maps names to encoded photographs. `frames` gives a camera's encoded frames at a pace, each with its time
    in seconds. `expected` are the names that should be marked, None when that is not
    known. `description` is for people.
    """

    people: Mapping[str, list[bytes]]
    cameras: tuple[str, ...]
    frames: Callable[[str, float], Iterator[tuple[float, bytes]]]
    seconds: float
    expected: frozenset[str] | None
    description: str


def enrolled_people() -> dict[str, str]:
    """Whom the demo enrols: made-up names by what `photographs.toml` calls the person."""
    from recognition.models.photographs import photographs

    names = _names()
    shown = {face.person for one in photographs() if one.name in _ENROLLED_FROM for face in one.faces}
    return {person: name for person, name in names.items() if person in shown - {_IN_PROFILE}}


def _names() -> dict[str, str]:
    from recognition.models.photographs import photographs

    persons = sorted({face.person for photograph in photographs() for face in photograph.faces})
    return dict(zip(persons, _NAMES, strict=False))


def portrait(person: str, models_dir: Path) -> bytes:
    """The photograph that somebody of `enrolled_people` is enrolled with, as JPEG. Raises ModelError without it."""
    from recognition.models.photographs import photographs, read
    from stream_server.demo.views import encode_jpeg

    # Of somebody who is on two of them the later one.
    photograph, face = [
        (one, face)
        for one in photographs()
        if one.name in _ENROLLED_FROM
        for face in one.faces
        if face.person == person
    ][-1]
    x1, y1, x2, y2 = face.box_xyxy
    margin = round(_CROP_MARGIN * max(x2 - x1, y2 - y1))
    image_bgr = read(photograph, models_dir)
    return encode_jpeg(image_bgr[max(0, y1 - margin) : y2 + margin, max(0, x1 - margin) : x2 + margin], 90)


def are_photographs_there(models_dir: Path) -> None:
    """Raises ModelError when those that people are enrolled with are not there, or are others."""
    from recognition.models.photographs import photographs, read

    for photograph in photographs():
        if photograph.name in _ENROLLED_FROM:
            read(photograph, models_dir)


def photograph_cast(models_dir: Path, seconds: float) -> Cast:
    """The cast of the photographs. Raises ModelError when they are not there."""
    from recognition.models.photographs import photographs, read
    from stream_server.demo.views import MovingView

    people = {name: [portrait(person, models_dir)] for person, name in enrolled_people().items()}
    views: dict[str, MovingView] = {}
    streamed: set[str] = set()
    names = _names()
    for photograph in photographs():
        if photograph.name in _STREAMED:
            image_bgr = read(photograph, models_dir)
            views[f"camera-{len(views) + 1}"] = MovingView(image_bgr, seed=len(views) + 1)
            streamed |= {names[face.person] for face in photograph.faces}

    def frames(camera: str, fps: float) -> Iterator[tuple[float, bytes]]:
        for number in range(int(PATIENCE * seconds * fps)):
            yield number / fps, views[camera].jpeg(number / fps)

    expected = frozenset(streamed & set(people))
    description = f"{len(views)} cameras show {len(streamed)} people: {len(expected)} of them, and strangers"
    return Cast(people, tuple(views), frames, seconds, expected, description)


def own_cast(folder: Path, video: Path) -> Cast:
    """One's own people and a video. A picture in the folder is a person, and so is a folder of pictures.

    Raises RequestError when there are no pictures, ImageError when one has to be encoded anew and cannot be read.
    """
    import av

    from recognition.picture_files import pictures_of_people, read_picture
    from stream_server.demo.views import VideoUnusable, encode_jpeg, video_frames

    people: dict[str, list[bytes]] = {}
    for picture in pictures_of_people(folder):
        encoded = picture.path.read_bytes() if picture.is_sendable else encode_jpeg(read_picture(picture.path), 95)
        people.setdefault(picture.person, []).append(encoded)
    try:
        with av.open(str(video)) as container:
            seconds = (container.duration or 0) / av.time_base
    except av.FFmpegError as error:
        raise VideoUnusable(f"{video} cannot be played: {error}", hint="is it a video file?") from error

    def frames(_: str, fps: float) -> Iterator[tuple[float, bytes]]:
        for at_s, image_bgr in video_frames(str(video), fps, max_width_px=1280):
            yield at_s, encode_jpeg(image_bgr, 92)

    return Cast(people, ("camera-1",), frames, seconds, None, f"one camera shows {video.name}")
