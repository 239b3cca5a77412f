"""The built web client: how much a phone has to load, and that nothing comes from anywhere else."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stream_server.serving.pages import BUILT

CLIENT = Path(__file__).resolve().parent.parent / "web_client"
# Compressed, with everything that a page's script loads before it shows something, the encoder's worker included.
CAMERA_MAX_BYTES = 40_000  # of 120,000 that it may have at most
OFFICE_MAX_BYTES = 60_000  # of 250,000, with the page that is shown first


def page_named(name: str) -> str:
    path = BUILT / name
    if not path.is_file():
        pytest.skip("the web pages are not built (run `make web`)")
    return path.read_text()


@pytest.fixture(params=["camera.html", "office.html"])
def page(request: pytest.FixtureRequest) -> str:
    return page_named(request.param)


def loaded_by(page: str) -> list[str]:
    found = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(found) >= 3
    return found


def loaded_at_first(page: str, also: str) -> set[Path]:
    """What a browser fetches for a page, and for the files of these names with what they import."""
    files: set[Path] = set()
    waiting = [BUILT / address.lstrip("/") for address in loaded_by(page)] + list((BUILT / "assets").glob(also))
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            imported = re.findall(r'(?:from|import)"\./([^"]+)"', path.read_text()) if path.suffix == ".js" else []
            waiting += [path.with_name(name) for name in imported]
    return files


@pytest.mark.parametrize(
    ("name", "also", "most_bytes"),
    [
        ("camera.html", "encode.worker-*.js", CAMERA_MAX_BYTES),
        ("office.html", "Dashboard-*.*s", OFFICE_MAX_BYTES),
    ],
)
def test_the_first_load_of_a_page_is_small(name: str, also: str, most_bytes: int) -> None:
    files = loaded_at_first(page_named(name), also)
    assert any(path.match(also) for path in files)
    for suffix in (".br", ".gz"):
        sizes = {path.name: path.with_name(path.name + suffix).stat().st_size for path in (BUILT / name, *files)}
        assert sum(sizes.values()) <= most_bytes, sizes


def test_a_page_loads_nothing_of_the_others() -> None:
    camera = loaded_at_first(page_named("camera.html"), "encode.worker-*.js")
    office = loaded_at_first(page_named("office.html"), "Dashboard-*.js")
    assert not any(path.name.startswith(("office", "Dashboard")) for path in camera)
    assert not any(path.name.startswith(("camera", "encode")) for path in office)


def test_every_built_file_has_its_compressed_copies() -> None:
    if not BUILT.is_dir():
        pytest.skip("the web pages are not built (run `make web`)")
    files = [path for path in BUILT.rglob("*") if path.suffix in (".html", ".js", ".css", ".svg")]
    assert files
    for path in files:
        for suffix in (".br", ".gz"):
            copy = path.with_name(path.name + suffix)
            assert copy.is_file(), copy
            assert copy.stat().st_mtime >= path.stat().st_mtime, f"{copy} is of an earlier build"


def test_everything_comes_from_this_server_and_nothing_is_inline(page: str) -> None:
    assert all(address.startswith("/assets/") for address in loaded_by(page))
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    assert "<style" not in page
    assert not re.search(r"\s(style|on\w+)=", page)


def test_names_of_files_change_with_their_content(page: str) -> None:
    for address in loaded_by(page):
        assert re.search(r"-[A-Za-z0-9_-]{8}\.\w+$", address), address


def test_the_lock_file_names_no_host_to_fetch_from_and_pins_every_package() -> None:
    packages = json.loads((CLIENT / "package-lock.json").read_text())["packages"]
    assert len(packages) > 50
    for name, package in packages.items():
        assert "resolved" not in package, name
        if name and not package.get("inBundle"):
            assert package["integrity"].startswith("sha512-"), name
    assert not urlsplit((CLIENT / ".npmrc").read_text()).netloc
    assert "registry=" not in (CLIENT / ".npmrc").read_text()


def test_versions_are_exact() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name


def test_all_words_are_in_the_catalogue() -> None:
    """Text between tags of a component is a word that cannot be translated."""
    for path in (CLIENT / "src").rglob("*.tsx"):
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)
        loose = re.findall(r">\s*([A-Z][a-z]+[^<>{}=;()]*)</", code)
        assert loose == [], path.name
