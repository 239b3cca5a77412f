import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recognition.models import store as store_module
from recognition.models.store import YUNET, ModelStore, load_pack, parse_pack
from stream_server import model_source
from stream_server.commands.models import models
from stream_server.settings.models import ModelsSettings

CONTENT = {YUNET: b"yunet", "blazeface_256.onnx": b"blazeface"}
PACK = parse_pack(
    "\n".join(
        f"""
        [files."{name}"]
        title = "{name}"
        role = "detector"
        recipe = "download"
        url = "http://127.0.0.1:1/{name}"
        licence = "Apache-2.0"
        size_bytes = {len(content)}
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        optional = {"true" if name == YUNET else "false"}
        """
        for name, content in CONTENT.items()
    )
)

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name, content in CONTENT.items():
        (mirror / name).write_bytes(content)
    return mirror


@pytest.fixture
def run(folder: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder.parent)  # away from any .env
    monkeypatch.setenv("ROLLCALL_MODELS__DIR", str(folder))
    monkeypatch.setenv("ROLLCALL_MODELS__MIRROR", str(mirror))
    monkeypatch.setattr(store_module, "load_pack", lambda: PACK)
    monkeypatch.setattr("recognition.models.selftest.test_of", lambda name: None)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(models, arguments)

    return run


def test_build_fills_the_folder_and_then_has_nothing_to_do(run: Run, folder: Path) -> None:
    first = run("build", "--json")
    assert first.exit_code == 0
    assert [file["action"] for file in json.loads(first.stdout)["files"]] == ["built", "built"]
    assert (folder / YUNET).read_bytes() == b"yunet"
    second = run("build")
    assert second.exit_code == 0
    assert "0 built, 2 kept" in second.stdout
    assert second.stderr == ""


def test_build_warns_on_standard_error_when_yunet_cannot_be_had(run: Run, mirror: Path) -> None:
    (mirror / YUNET).unlink()
    result = run("build")
    assert result.exit_code == 0
    assert "BlazeFace stands in" in result.stderr
    assert "1 built, 0 kept" in result.stdout
    document = json.loads(run("build", "--json").stdout)
    assert document["ok"] is True
    assert len(document["warnings"]) == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_a_build_that_fails_says_why_and_what_to_do(run: Run, mirror: Path, as_json: bool) -> None:
    (mirror / YUNET).write_bytes(b"YUNET")
    result = run("build", *(["--json"] if as_json else []))
    assert result.exit_code == 3
    if as_json:
        error = json.loads(result.stdout)["error"]
        assert error["code"] == "mirror_wrong_digest"
        assert error["hint"]
    else:
        assert result.stdout == ""
        assert "is not the pinned file" in result.stderr
        assert "mirror folder" in result.stderr


def test_list_shows_source_licence_size_digest_and_state(run: Run, folder: Path) -> None:
    run("build")
    (folder / YUNET).write_bytes(b"yu")
    result = run("list", "--json")
    assert result.exit_code == 0
    files = {file["name"]: file for file in json.loads(result.stdout)["files"]}
    assert files[YUNET]["state"] == "truncated"
    other = files["blazeface_256.onnx"]
    assert (other["role"], other["licence"], other["size_bytes"], other["state"]) == (
        "detector",
        "Apache-2.0",
        9,
        "ok",
    )
    assert other["sha256"] == hashlib.sha256(b"blazeface").hexdigest()
    text = run("list").stdout
    assert all(part in text for part in (YUNET, "truncated", "Apache-2.0", "http://127.0.0.1:1/", other["sha256"]))


def test_verify_passes_a_complete_folder(run: Run) -> None:
    run("build")
    result = run("verify", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["ok"] is True
    assert run("verify").exit_code == 0


def test_verify_passes_a_folder_without_yunet_and_names_the_stand_in(run: Run, folder: Path) -> None:
    run("build")
    (folder / YUNET).unlink()
    result = run("verify")
    assert result.exit_code == 0
    assert "blazeface_256.onnx stands in" in result.stderr


@pytest.mark.parametrize("name", list(CONTENT))
def test_verify_fails_on_a_damaged_file(run: Run, folder: Path, name: str) -> None:
    run("build")
    (folder / name).write_bytes(CONTENT[name].upper())
    result = run("verify", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert [file["name"] for file in document["files"] if file["problem"]] == [name]
    told = run("verify")
    assert told.exit_code == 1
    assert "rollcall models build" in told.stderr


def test_verify_fails_when_a_network_computes_something_else(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("build")
    wrong = "it finds 3 of 22 faces"
    monkeypatch.setattr("recognition.models.selftest.test_of", lambda name: lambda folder, content: wrong)
    result = run("verify")
    assert result.exit_code == 1
    assert wrong in result.stdout


def test_the_reference_names_every_file_with_its_size_and_digest() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "models.md").read_text("utf-8")
    for file in load_pack().files.values():
        assert f"`{file.name}`" in text
        assert file.sha256[:12] in text, f"docs/reference/models.md has another digest of {file.name}"
        assert f"{file.size_bytes:,}" in text


def test_fetch_brings_what_the_settings_ask_for_and_all_tells_of_every_file(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def fetch(store: ModelStore, settings: ModelsSettings, names: list[str]) -> list[str]:
        asked.append(list(names))
        return names[:1]

    monkeypatch.setattr(model_source, "fetch", fetch)
    assert run("fetch").stdout == f"Models in {folder}: 1 fetched, 1 kept.\n"
    told = json.loads(run("fetch", "--all", "--json").stdout)
    assert told["files"] == [
        {"name": YUNET, "action": "fetched"},
        {"name": "blazeface_256.onnx", "action": "kept"},
    ]
    assert asked == [[YUNET, "face_recognition_int8.onnx"], list(CONTENT)]


def test_fetch_without_a_source_says_what_to_set(run: Run) -> None:
    ended = run("fetch", "--all", "--json")
    assert ended.exit_code == 3
    assert json.loads(ended.stdout)["error"]["code"] == "model_source_failed"
    assert "set ROLLCALL_MODELS__SOURCE" in ended.stderr
