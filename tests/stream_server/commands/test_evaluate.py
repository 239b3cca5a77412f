import json

import cv2
import pytest
from click.testing import CliRunner

from recognition.models.photographs import photographs
from stream_server.commands.evaluate import evaluate
from stream_server.commands.recognise import recognise

pytestmark = pytest.mark.models

BLAZEFACE = ["--detector", "blazeface", "--engine", "onnxruntime"]


@pytest.fixture(autouse=True)
def models_here(models_dir, monkeypatch):
    monkeypatch.setenv("ROLLCALL_MODELS__DIR", str(models_dir))


@pytest.fixture(scope="module")
def cast(models_dir, tmp_path_factory):
    """A folder of six people cut out of a sample photograph, each twice: once as it is, once paler."""
    folder = tmp_path_factory.mktemp("cast")
    photograph = next(photograph for photograph in photographs() if len(photograph.faces) >= 3)
    image_bgr = cv2.imread(str(models_dir / "photographs" / photograph.name))
    for number, face in enumerate(photograph.faces):
        x0, y0, x1, y1 = (int(value) for value in face.box_xyxy)
        side = max(x1 - x0, y1 - y0)
        cut = image_bgr[max(0, y0 - side // 2) : y1 + side // 2, max(0, x0 - side // 2) : x1 + side // 2]
        person = folder / f"person{number}"
        person.mkdir()
        cv2.imwrite(str(person / "1.png"), cut)
        cv2.imwrite(str(person / "2.pgm"), cv2.cvtColor((cut * 0.7 + 40).astype("uint8"), cv2.COLOR_BGR2GRAY))
    return folder, len(photograph.faces), models_dir / "photographs" / photograph.name


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_evaluate_prints_one_json_document_of_the_agreed_shape(cast):
    folder, people, _ = cast
    result = run(evaluate, folder, "--json", *BLAZEFACE)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["images"] == figures["faces_found"] == 2 * people
    assert figures["people"] == people
    assert figures["rank1"] == 1.0
    assert set(figures["tar_at_fmr"]) == {"0.01", "0.001"}
    assert set(figures["fnir_at_fpir"]) == {"0.01"}
    assert figures["d_prime"] > 2
    assert figures["model"] == "face_recognition_int8"
    assert figures["detector"] == "blazeface_256"
    assert figures["ms_per_image"] > 0


def test_evaluate_takes_a_list_of_pairs_instead_of_a_folder(cast, tmp_path):
    folder, _, _ = cast
    pairs = tmp_path / "pairs.csv"
    rows = [f"{folder}/person0/1.png,{folder}/person0/2.pgm,1", f"{folder}/person1/1.png,{folder}/person1/2.pgm,1"]
    rows += [f"{folder}/person0/1.png,{folder}/person1/{name},0" for name in ("1.png", "2.pgm")]
    pairs.write_text("file_a,file_b,same\n" + "\n".join(rows))
    result = run(evaluate, "--pairs", pairs, "--json", *BLAZEFACE)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["images"], figures["pairs"], figures["pairs_compared"]) == (4, 4, 4)
    assert figures["tar_at_fmr"]["0.01"] == 1.0
    assert figures["rank1"] is None


def test_evaluate_shows_a_table_to_people(cast):
    result = run(evaluate, cast[0], *BLAZEFACE)
    assert result.exit_code == 0
    assert "d_prime" in result.stdout


def test_evaluate_goes_on_past_a_file_that_cannot_be_read(cast, tmp_path):
    folder, _, _ = cast
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "broken.jpg").write_bytes(b"x")
    (tmp_path / "ada" / "whole.png").write_bytes((folder / "person0" / "1.png").read_bytes())
    result = run(evaluate, tmp_path, "--json", *BLAZEFACE)
    assert result.exit_code == 0
    assert "broken.jpg" in result.stderr
    figures = json.loads(result.stdout)
    assert (figures["images"], figures["faces_found"], figures["d_prime"]) == (2, 1, None)


@pytest.mark.parametrize("arguments", [[], ["folder", "--pairs", "pairs.csv"]])
def test_evaluate_wants_a_folder_or_a_list(arguments):
    assert run(evaluate, *arguments).exit_code == 2


def test_recognise_prints_one_json_document_of_the_agreed_shape(cast):
    folder, people, photograph = cast
    result = run(recognise, photograph, "--gallery", folder, "--json", *BLAZEFACE)
    assert result.exit_code == 0, result.output
    (image,) = json.loads(result.stdout)["images"]
    assert set(image) == {"image", "width", "height", "faces"}
    assert len(image["faces"]) == people
    for face in image["faces"]:
        assert set(face) == {"box_xyxy", "name", "state", "distance", "runner_up", "score"}
        assert len(face["box_xyxy"]) == 4
        assert face["state"] in {"known", "review", "unknown", "unusable"}
        assert (face["name"] is not None) == (face["state"] == "known")
    names = {face["name"] for face in image["faces"]}
    assert len(names - {None}) >= people - 1


def test_recognise_takes_a_gallery_of_single_files(cast, tmp_path):
    folder, _, photograph = cast
    (tmp_path / "ada.png").write_bytes((folder / "person0" / "1.png").read_bytes())
    (tmp_path / "notes.txt").write_text("not a picture")
    result = run(recognise, photograph, "--gallery", tmp_path, *BLAZEFACE)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("ada") == 1


def test_recognise_tells_size_and_boxes_in_pixels_of_the_file_though_it_is_decoded_smaller(cast, tmp_path):
    folder, people, photograph = cast
    image_bgr = cv2.imread(str(photograph))
    larger = tmp_path / "larger.jpg"
    cv2.imwrite(str(larger), cv2.resize(image_bgr, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC))
    (small,), (large,) = (
        json.loads(run(recognise, path, "--gallery", folder, "--json", *BLAZEFACE).stdout)["images"]
        for path in (photograph, larger)
    )
    assert (large["width"], large["height"]) == (6 * small["width"], 6 * small["height"])
    assert large["width"] * large["height"] > 25_000_000
    boxes = [sorted(face["box_xyxy"] for face in image["faces"]) for image in (small, large)]
    assert len(boxes[0]) == len(boxes[1]) == people
    for box, larger_box in zip(*boxes, strict=True):
        assert larger_box == pytest.approx([6 * value for value in box], abs=0.15 * 6 * (box[2] - box[0]))
