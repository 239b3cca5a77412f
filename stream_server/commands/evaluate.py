"""`rollcall evaluate`: how well this installation tells faces apart, on pictures of one's own."""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recognition.errors import ImageError, RequestError
from stream_server.commands.command import Command, json_option
from stream_server.settings import Settings, load_settings

if TYPE_CHECKING:
    from recognition.embedding import FaceInBothRoles
    from recognition.pipeline import Recogniser


def chosen_settings(detector: str | None, engine: str | None, precision: str | None) -> Settings:
    """The settings of the environment, with what the command line says instead."""
    settings = load_settings()
    given = {"detector": detector, "engine": engine, "precision": precision}
    changed = {name: value for name, value in given.items() if value is not None}
    return settings.model_copy(update={"recognition": settings.recognition.model_copy(update=changed)})


detector_option = click.option("--detector", type=click.Choice(["auto", "yunet", "blazeface"]), help="Finds faces.")
engine_option = click.option("--engine", type=click.Choice(["opencv", "onnxruntime"]), help="Runs the detector.")
precision_option = click.option("--precision", type=click.Choice(["int8", "fp32"]), help="Which face network.")


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--enrol", type=click.IntRange(min=1), default=1, show_default=True, help="Pictures enrolled per person.")
@click.option("--pairs", type=click.Path(path_type=Path), help="CSV of file_a,file_b,same instead of a folder.")
@detector_option
@engine_option
@precision_option
@json_option
def evaluate(
    folder: Path | None,
    enrol: int,
    pairs: Path | None,
    detector: str | None,
    engine: str | None,
    precision: str | None,
    *,
    as_json: bool,
) -> None:
    """Measure accuracy on FOLDER/person/*.jpg (also PNG, WebP, PGM), or on a list of pairs."""
    from stream_server.models import LoadedModels

    if (folder is None) == (pairs is None):
        raise click.UsageError("give either FOLDER or --pairs CSV")
    loaded = LoadedModels(chosen_settings(detector, engine, precision))
    recogniser = loaded.make_recogniser()
    figures = _by_pairs(pairs, recogniser) if pairs is not None else _by_folder(folder, recogniser, enrol)  # type: ignore[arg-type]  # one of the two is given
    figures |= {
        "model": loaded.chosen.embedder.removesuffix(".onnx"),
        "model_digest": loaded.chosen.model_id,
        "detector": loaded.chosen.detector.removesuffix(".onnx"),
        "engine": loaded.engine.value,
    }
    click.echo(json.dumps(figures)) if as_json else _print_table(figures)


def _by_folder(folder: Path, recogniser: "Recogniser", enrol: int) -> dict[str, Any]:
    from recognition.evaluation import identification, pair_distances, verification
    from recognition.picture_files import pictures_of_people

    pictures = pictures_of_people(folder, single_files=False)
    faces, ms_per_image = _embed([picture.path for picture in pictures], recogniser)
    by_picture = [faces[picture.path] for picture in pictures]
    persons = [picture.person for picture in pictures]
    found = [(face, person) for face, person in zip(by_picture, persons, strict=True) if face is not None]
    one_to_one = verification(*pair_distances([face for face, _ in found], [person for _, person in found]))
    one_to_many = identification(by_picture, persons, enrol=enrol)
    return {
        "images": len(pictures),
        "faces_found": len(found),
        "people": len(set(persons)),
        "enrolled_per_person": enrol,
        "rank1": _rounded(one_to_many.rank1),
        "d_prime": _rounded(one_to_one.d_prime),
        "tar_at_fmr": _rates(one_to_one.tar_at_fmr),
        "fnir_at_fpir": _rates(one_to_many.fnir_at_fpir),
        "ms_per_image": ms_per_image,
    }


def _by_pairs(path: Path, recogniser: "Recogniser") -> dict[str, Any]:
    import numpy as np

    from recognition.evaluation import FPIR_POINTS, read_pairs, verification

    pairs = read_pairs(path)
    files = list(dict.fromkeys(file for pair in pairs for file in (pair.path_a, pair.path_b)))
    faces, ms_per_image = _embed(files, recogniser)
    genuine: list[float] = []
    impostor: list[float] = []
    for pair in pairs:
        enrolled, searched = faces[pair.path_a], faces[pair.path_b]
        if enrolled is not None and searched is not None:
            distance = float(np.linalg.norm(enrolled.template - searched.probe))
            (genuine if pair.same else impostor).append(distance)
    figures = verification(np.asarray(genuine, np.float32), np.asarray(impostor, np.float32))
    return {
        "images": len(files),
        "faces_found": sum(face is not None for face in faces.values()),
        "people": None,
        "pairs": len(pairs),
        "pairs_compared": len(genuine) + len(impostor),
        "rank1": None,
        "d_prime": _rounded(figures.d_prime),
        "tar_at_fmr": _rates(figures.tar_at_fmr),
        "fnir_at_fpir": {f"{point:g}": None for point in FPIR_POINTS},
        "ms_per_image": ms_per_image,
    }


def _embed(paths: list[Path], recogniser: "Recogniser") -> tuple[dict[Path, "FaceInBothRoles | None"], float]:
    """The largest face of each file, and milliseconds a file. What cannot be read has no face."""
    import cv2

    from recognition.picture_files import read_picture

    # The figure in milliseconds is that of one thread.
    cv2.setNumThreads(1)
    faces: dict[Path, FaceInBothRoles | None] = {}
    seconds = 0.0
    for path in _with_progress(paths):
        started = time.perf_counter()
        try:
            faces[path] = recogniser.embed_largest(read_picture(path))
        except ImageError as error:
            click.echo(f"{path}: {error.detail}", err=True)
            faces[path] = None
        seconds += time.perf_counter() - started
    if not any(face is not None for face in faces.values()):
        raise RequestError("no face was found in any picture", hint="check that the pictures show faces")
    return faces, round(seconds * 1e3 / max(1, len(paths)), 2)


def _with_progress(paths: list[Path]) -> Iterator[Path]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    tracked: Iterable[Path] = track(
        paths, description="Looking at pictures", console=console, transient=True, disable=not console.is_terminal
    )
    yield from tracked


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _rates(rates: dict[float, float | None]) -> dict[str, float | None]:
    return {f"{point:g}": _rounded(rate) for point, rate in rates.items()}


def _print_table(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value")
    for name, value in figures.items():
        if isinstance(value, dict):
            for point, rate in value.items():
                table.add_row(f"{name} {point}", str(rate))
        else:
            table.add_row(name, str(value))
    Console().print(table)
