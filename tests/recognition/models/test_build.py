import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from recognition.errors import ModelError
from recognition.models import build as build_module
from recognition.models import selftest
from recognition.models.build import Action, build
from recognition.models.store import FileState, ModelStore, Package, parse_pack

DETECTOR, EMBEDDER, PHOTOGRAPH = b"detector", b"embedder", b"photograph"


def entry(name: str, content: bytes, rest: str) -> str:
    return f"""
    [files."{name}"]
    title = "{name}"
    role = "detector"
    licence = "MIT"
    size_bytes = {len(content)}
    sha256 = "{hashlib.sha256(content).hexdigest()}"
    {rest}
    """


# Port 1 refuses at once, so that this address stands for one that cannot be reached.
PACK = parse_pack(
    "[packages.p]\nname = '@example/p'\nversion = '1'\nintegrity = 'sha512-'\nlicence = 'MIT'\n"
    + entry("detector.onnx", DETECTOR, "recipe = 'download'\nurl = 'http://127.0.0.1:1/d'\noptional = true")
    + entry("embedder.onnx", EMBEDDER, "recipe = 'copy'\npackage = 'p'\nmembers = ['e']")
    + entry("photographs/a.jpg", PHOTOGRAPH, "recipe = 'copy'\npackage = 'p'\nmembers = ['a']")
)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", PACK)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the package registry holds; changing it changes what a build gets."""
    members = {"e": EMBEDDER, "a": PHOTOGRAPH}
    fetched: list[set[str]] = []

    def fetch_package(package: Package, wanted: Iterable[str]) -> dict[str, bytes]:
        fetched.append(set(wanted))
        return {member: members[member] for member in wanted}

    monkeypatch.setattr(build_module.fetch, "fetch_package", fetch_package)
    members["#fetched"] = fetched  # type: ignore[assignment]
    return members


def actions(outcomes: list[build_module.Outcome]) -> list[str]:
    return [outcome.action for outcome in outcomes]


def test_an_empty_folder_is_filled_and_a_full_one_left_alone(
    store: ModelStore, registry: dict[str, bytes], tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "detector.onnx").write_bytes(DETECTOR)
    assert actions(build(store, mirror=mirror)) == [Action.BUILT] * 3
    assert all(store.state(name) is FileState.OK for name in PACK.files)
    assert registry["#fetched"] == [{"e", "a"}], "one package is fetched once"

    steps: list[tuple[str, int, int]] = []
    assert actions(build(store, progress=lambda *step: steps.append(step))) == [Action.KEPT] * 3
    assert steps == []


def test_without_the_optional_detector_the_build_succeeds_and_says_how_to_get_it(
    store: ModelStore, registry: dict[str, bytes]
) -> None:
    outcome, *others = build(store)
    assert outcome.action is Action.UNAVAILABLE
    assert outcome.warning is not None
    assert "BlazeFace stands in" in outcome.warning
    assert "ROLLCALL_MODELS__MIRROR" in outcome.warning
    assert actions(others) == [Action.BUILT] * 2
    assert actions(build(store)) == [Action.UNAVAILABLE, Action.KEPT, Action.KEPT], "it is tried again each time"


def test_a_wrong_file_in_the_mirror_stops_the_build(
    store: ModelStore, registry: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "detector.onnx").write_bytes(b"another")
    with pytest.raises(ModelError) as caught:
        build(store, mirror=tmp_path)
    assert caught.value.code == "mirror_wrong_digest"
    assert store.state("detector.onnx") is FileState.MISSING


def test_only_what_is_damaged_is_built_again(store: ModelStore, registry: dict[str, bytes]) -> None:
    build(store)
    store.path("embedder.onnx").write_bytes(b"cut")
    steps: list[tuple[str, int, int]] = []
    outcomes = build(store, progress=lambda *step: steps.append(step))
    assert actions(outcomes) == [Action.UNAVAILABLE, Action.BUILT, Action.KEPT]
    assert registry["#fetched"][-1] == {"e"}
    assert steps[-1] == ("done", 2, 2)


def test_a_build_that_fails_half_way_goes_on_where_it_ended(store: ModelStore, registry: dict[str, bytes]) -> None:
    registry["a"] = b"another picture"
    with pytest.raises(ModelError) as caught:
        build(store)
    assert caught.value.code == "model_self_test_failed"
    assert store.state("embedder.onnx") is FileState.OK
    assert store.state("photographs/a.jpg") is FileState.MISSING

    registry["a"] = PHOTOGRAPH
    assert actions(build(store))[1:] == [Action.KEPT, Action.BUILT]


@pytest.mark.parametrize("problem", [None, "it finds nothing"])
def test_a_file_with_a_digest_of_its_own_is_kept_only_after_its_self_test(
    store: ModelStore, registry: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, problem: str | None
) -> None:
    monkeypatch.setattr(selftest, "test_of", lambda name: lambda folder, content: problem)
    registry["e"] = b"same network, other bytes"
    if problem:
        with pytest.raises(ModelError, match=problem):
            build(store)
        assert store.state("embedder.onnx") is FileState.MISSING
        return
    outcome = build(store)[1]
    assert outcome.warning is not None
    assert "digest" in outcome.warning
    assert store.digest("embedder.onnx") == hashlib.sha256(registry["e"]).hexdigest()
    assert build(store)[1].action is Action.KEPT


def test_without_the_build_extra_the_error_says_what_to_install(
    store: ModelStore, registry: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_onnx(self: object, file: object) -> bytes:
        raise ModuleNotFoundError("No module named 'onnx'", name="onnx")

    text = entry("n.onnx", b"n", "recipe = 'blazeface'")
    monkeypatch.setattr(build_module._Build, "_convert", without_onnx)
    with pytest.raises(ModelError, match="onnx") as caught:
        build(ModelStore(store.folder, parse_pack(text)))
    assert caught.value.code == "onnx_missing"
    assert "build" in caught.value.hint
