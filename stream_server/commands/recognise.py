"""`rollcall recognise`: a quick look at pictures, without a server and without storing anything."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recognition.errors import ImageError, RequestError
from stream_server.commands.command import Command, json_option
from stream_server.commands.evaluate import chosen_settings, detector_option, engine_option, precision_option

if TYPE_CHECKING:
    from recognition.gallery import Gallery
    from recognition.pipeline import Recogniser
    from recognition.types import FaceResult


@click.command(cls=Command)
@click.argument("images", metavar="IMAGE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--gallery",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the people to recognise: name/*.jpg, or name.jpg.",
)
@detector_option
@engine_option
@precision_option
@json_option
def recognise(
    images: tuple[Path, ...],
    folder: Path,
    detector: str | None,
    engine: str | None,
    precision: str | None,
    *,
    as_json: bool,
) -> None:
    """Say who is in each IMAGE, after the people in a folder."""
    from stream_server.models import LoadedModels

    recogniser = LoadedModels(chosen_settings(detector, engine, precision)).make_recogniser()
    gallery = _gallery(folder, recogniser)
    report = {"images": [_look(path, recogniser, gallery) for path in images]}
    click.echo(json.dumps(report)) if as_json else _print(report)


def _gallery(folder: Path, recogniser: "Recogniser") -> "Gallery":
    from recognition.gallery import Gallery
    from recognition.picture_files import pictures_of_people, read_picture
    from recognition.types import Template

    templates = []
    for picture in pictures_of_people(folder):
        try:
            enrolment = recogniser.enrol(read_picture(picture.path))
        except ImageError as error:
            click.echo(f"{picture.path} is left out: {error.detail}", err=True)
            continue
        if enrolment.embedding is None:
            click.echo(f"{picture.path} is left out: {enrolment.refusal}", err=True)
            continue
        templates.append(Template(str(picture.path), picture.person, recogniser.model_id, enrolment.embedding))
    if not templates:
        raise RequestError(f"nobody could be enrolled from {folder}", hint="each picture must show one clear face")
    return Gallery(templates, model_id=recogniser.model_id)


def _look(path: Path, recogniser: "Recogniser", gallery: "Gallery") -> dict[str, Any]:
    from recognition.picture_files import read_picture_scaled

    picture = read_picture_scaled(path)
    faces = recogniser.recognise_picture(picture.image_bgr, gallery, reduction=picture.reduction)
    return {
        "image": str(path),
        "width": picture.width_px,
        "height": picture.height_px,
        "faces": [_as_json(face) for face in faces],
    }


def _as_json(face: "FaceResult") -> dict[str, Any]:
    match = face.match
    runner_up = None if match is None else match.runner_up_distance
    return {
        "box_xyxy": [round(value, 1) for value in face.box_xyxy],
        "name": face.person_id,
        "state": face.state.value,
        "distance": None if match is None else round(match.distance, 4),
        "runner_up": None if runner_up is None else round(runner_up, 4),
        "score": round(face.score, 3),
    }


def _print(report: dict[str, Any]) -> None:
    for image in report["images"]:
        click.echo(f"{image['image']}: {image['width']} x {image['height']}, {len(image['faces'])} faces")
        for face in image["faces"]:
            x0, y0, x1, y1 = face["box_xyxy"]
            distance = "" if face["distance"] is None else f"  distance {face['distance']:.2f}"
            click.echo(
                f"  {face['name'] or '-':20} {face['state']:8} at {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}{distance}"
            )
