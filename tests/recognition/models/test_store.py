import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recognition.decision import DecisionPolicy
from recognition.detection import DetectionSettings
from recognition.errors import ModelError
from recognition.models import store as store_module
from recognition.models.store import BLAZEFACE, YUNET, FileState, ModelStore, Recipe, Role, load_pack, parse_pack

CONTENT = {YUNET: b"yunet", BLAZEFACE: b"blazeface"}


def pack_text() -> str:
    return "\n".join(
        f"""
        [files."{name}"]
        title = "{name}"
        role = "detector"
        recipe = "download"
        url = "https://example.org/{name}"
        licence = "MIT"
        size_bytes = {len(content)}
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        """
        for name, content in CONTENT.items()
    )


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    store = ModelStore(tmp_path / "models", parse_pack(pack_text()))
    for name, content in CONTENT.items():
        store.write(name, content)
    return store


def test_a_verified_file_is_handed_out_with_its_digest(store: ModelStore) -> None:
    assert store.state(YUNET) is FileState.OK
    assert store.path(YUNET).read_bytes() == b"yunet"
    assert store.digest(YUNET) == hashlib.sha256(b"yunet").hexdigest()


@pytest.mark.parametrize(
    ("content", "state", "code"),
    [
        (None, FileState.MISSING, "model_missing"),
        (b"yune", FileState.TRUNCATED, "model_truncated"),
        (b"YUNET", FileState.WRONG_DIGEST, "model_wrong_digest"),
        (b"yunet and more", FileState.WRONG_DIGEST, "model_wrong_digest"),
    ],
    ids=["missing", "cut short", "changed", "too long"],
)
def test_a_damaged_file_is_refused_with_what_to_do(
    store: ModelStore, content: bytes | None, state: FileState, code: str
) -> None:
    path = store.path(YUNET)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert store.state(YUNET) is state
    for ask in (store.path, store.digest):
        with pytest.raises(ModelError) as caught:
            ask(YUNET)
        assert caught.value.code == code
        assert "rollcall models build" in caught.value.hint


def test_an_unknown_name_is_refused(store: ModelStore) -> None:
    with pytest.raises(ModelError) as caught:
        store.path("../secrets")
    assert caught.value.code == "model_unknown"


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert ModelStore(tmp_path / "nowhere").state(YUNET) is FileState.MISSING


def test_a_file_is_hashed_once_until_it_changes(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    real = hashlib.file_digest

    def counted(stream: object, name: str) -> object:
        hashed.append(name)
        return real(stream, name)

    monkeypatch.setattr(store_module.hashlib, "file_digest", counted)
    for _ in range(3):
        store.path(YUNET)
        store.digest(YUNET)
    assert len(hashed) == 1
    path = store.path(YUNET)
    path.write_bytes(b"YUNET")
    os.utime(path, ns=(0, 0))
    assert store.state(YUNET) is FileState.WRONG_DIGEST
    assert len(hashed) == 2


def test_blazeface_stands_in_only_where_yunet_is_missing(store: ModelStore) -> None:
    assert store.best_detector() == YUNET
    store.path(YUNET).write_bytes(b"YUNET")
    assert store.best_detector() == YUNET, "a damaged file is an error to report, not to work around"
    (store.folder / YUNET).unlink()
    assert store.best_detector() == BLAZEFACE


@pytest.mark.parametrize("own", [b"own", b"its own build"], ids=["shorter", "longer"])
def test_a_tested_file_of_this_machine_is_accepted_under_its_own_digest(store: ModelStore, own: bytes) -> None:
    digest = hashlib.sha256(own).hexdigest()
    store.accept(YUNET, digest, len(own))
    store.write(YUNET, own)
    assert store.state(YUNET) is FileState.OK
    assert store.digest(YUNET) == digest
    assert store.state(BLAZEFACE) is FileState.OK


def test_the_pinned_file_is_still_accepted_after_a_file_of_ones_own(store: ModelStore) -> None:
    store.accept(YUNET, hashlib.sha256(b"other").hexdigest(), len(b"other"))
    assert store.digest(YUNET) == hashlib.sha256(b"yunet").hexdigest()


def test_a_new_pin_ends_the_acceptance_of_an_own_file(store: ModelStore) -> None:
    store.accept(YUNET, hashlib.sha256(b"other").hexdigest(), len(b"other"))
    store.write(YUNET, b"other")
    pack = parse_pack(pack_text().replace(hashlib.sha256(b"yunet").hexdigest(), "0" * 64))
    assert ModelStore(store.folder, pack).state(YUNET) is FileState.WRONG_DIGEST


@pytest.mark.parametrize("text", ["", "[]", '{"yunet_n_dynamic.onnx": 1}', '{"yunet_n_dynamic.onnx": {}}', "\xff"])
def test_a_damaged_record_of_own_files_counts_for_nothing(store: ModelStore, text: str) -> None:
    (store.folder / "accepted.json").write_text(text, "latin-1")
    assert store.state(YUNET) is FileState.OK


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(ModelError, match="No space") as caught:
        store.write(YUNET, b"half of a new one")
    assert caught.value.code == "model_folder_unwritable"
    assert store.state(YUNET) is FileState.OK
    assert sorted(p.name for p in store.folder.iterdir()) == sorted(CONTENT)


def test_a_file_that_cannot_be_read_is_an_error_that_says_so(store: ModelStore) -> None:
    path = store.path(YUNET)
    path.unlink()
    (path / "in the way").mkdir(parents=True)
    # A folder's size is the file system's affair; below the expected size it counts as cut short.
    with pytest.raises(ModelError) as caught:
        store.path(YUNET)
    assert caught.value.code in ("model_unreadable", "model_truncated")


def test_every_file_of_the_pack_can_be_built_and_is_pinned() -> None:
    pack = load_pack()
    assert len([file for file in pack.files.values() if file.role is Role.PHOTOGRAPH]) == 6
    for file in pack.files.values():
        assert len(file.sha256) == 64
        assert file.size_bytes > 0
        assert file.licence
        assert (file.url is not None) == (file.recipe is Recipe.DOWNLOAD)
        assert (file.package is None) == (file.recipe is Recipe.DOWNLOAD)
        assert len(file.members) == {Recipe.DOWNLOAD: 0, Recipe.COPY: 1}.get(file.recipe, 2)
        assert file.optional == (file.name == YUNET), "only YuNet has a stand-in"
        assert file.package is None or file.package.integrity.startswith("sha512-")
        assert (file.landmarks is not None) == (file.role is Role.DETECTOR)
        assert (file.metric is not None) == (file.role is Role.EMBEDDER)


def test_the_thresholds_of_the_pack_are_those_that_the_code_decides_by() -> None:
    sources = {Role.DETECTOR: DetectionSettings(), Role.EMBEDDER: DecisionPolicy(), Role.PHOTOGRAPH: None}
    names = {
        Role.DETECTOR: {"score_min", "overlap_max"},
        Role.EMBEDDER: {"accept_distance", "review_distance", "margin"},
    }
    for file in load_pack().files.values():
        assert set(file.thresholds) == names.get(file.role, set()), file.name
        for name, value in file.thresholds.items():
            assert value == getattr(sources[file.role], name), (file.name, name)


def test_the_store_imports_nothing_heavy() -> None:
    heavy = "{'cv2', 'onnx', 'onnxruntime', 'httpx', 'rich'}"
    code = f"import sys, recognition.models.store; sys.exit(bool({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
