"""The built web client: how much a phone has to load, and that nothing comes from anywhere else."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stream_server.pages import BUILT

CLIENT = Path(__file__).resolve().parent.parent / "web_client"
FIRST_LOAD_MAX_BYTES = 40_000  # of 120,000 that a camera page may have at most


@pytest.fixture
def camera_page() -> str:
    path = BUILT / "camera.html"
    if not path.is_file():
        pytest.skip("the web pages are not built (run `make web`)")
    return path.read_text()


def loaded_by(page: str) -> list[str]:
    found = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(found) >= 3
    return found


def test_the_first_load_of_the_camera_page_is_small(camera_page: str) -> None:
    files = [BUILT / "camera.html", *(BUILT / address.lstrip("/") for address in loaded_by(camera_page))]
    # What the script loads on its own later counts as well: the encoder's worker.
    files += [path for path in (BUILT / "assets").glob("*.js") if path not in files]
    for suffix in (".br", ".gz"):
        sizes = {path.name: path.with_name(path.name + suffix).stat().st_size for path in files}
        assert sum(sizes.values()) <= FIRST_LOAD_MAX_BYTES, sizes


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


def test_everything_comes_from_this_server_and_nothing_is_inline(camera_page: str) -> None:
    assert all(address.startswith("/assets/") for address in loaded_by(camera_page))
    assert re.findall(r"<script(?![^>]*\ssrc=)", camera_page) == []
    assert "<style" not in camera_page
    assert not re.search(r"\s(style|on\w+)=", camera_page)


def test_names_of_files_change_with_their_content(camera_page: str) -> None:
    for address in loaded_by(camera_page):
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
