"""Model files from a web server and from an S3-compatible store, both real ones on this machine."""

import hashlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from recognition.errors import ModelError
from recognition.models.store import FACE_RECOGNITION_INT8, YUNET, ModelFile, ModelStore, Pack, Recipe, Role
from stream_server import model_source
from stream_server.settings import Settings
from stream_server.settings.models import ModelsSettings

CONTENT = {YUNET: b"detector" * 1000, FACE_RECOGNITION_INT8: b"embedder" * 20_000}
# Of its own, in an environment of its own: what it is made of wants an older python-dateutil than we do.
MOTO = "moto[s3,server]==5.2.5"
BUCKET = "school"


def a_pack() -> Pack:
    return Pack(
        {
            name: ModelFile(
                name=name,
                title=name,
                role=Role.DETECTOR,
                recipe=Recipe.DOWNLOAD,
                licence="none",
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            )
            for name, content in CONTENT.items()
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """An empty model folder of two small files."""
    return ModelStore(tmp_path / "models", a_pack())


class Quiet(SimpleHTTPRequestHandler):
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the web server shows; it holds both files."""
    shown = tmp_path / "shown" / "pack"
    shown.mkdir(parents=True)
    for name, content in CONTENT.items():
        (shown / name).write_bytes(content)
    return shown


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    """The address of a web server that shows the folder as /pack."""
    asked: list[tuple[str, str | None]] = []
    handler = partial(type("Handler", (Quiet,), {"asked": asked}), directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = asked  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/pack"
        server.shutdown()


def settings(source: str, **more: object) -> ModelsSettings:
    return ModelsSettings.model_validate({"source": source, **more})


def test_what_is_missing_is_fetched_checked_and_kept(store: ModelStore, web: str, folder: Path) -> None:
    assert model_source.fetch(store, settings(web), CONTENT) == list(CONTENT)
    assert {name: store.path(name).read_bytes() for name in CONTENT} == CONTENT
    for name in CONTENT:
        (folder / name).unlink()
    # Nothing is asked for again.
    assert model_source.fetch(store, settings(web), CONTENT) == []


def test_what_is_damaged_is_replaced_and_nothing_else(store: ModelStore, web: str) -> None:
    store.write(YUNET, CONTENT[YUNET])
    store.write(FACE_RECOGNITION_INT8, b"short")
    assert model_source.fetch(store, settings(f"{web}/"), CONTENT) == [FACE_RECOGNITION_INT8]


@pytest.mark.parametrize("wrong", [b"detectoR" * 1000, b"detector" * 999, b"detector" * 300_000, b""])
def test_of_a_file_that_is_not_the_pinned_one_nothing_is_kept(
    store: ModelStore, web: str, folder: Path, wrong: bytes
) -> None:
    (folder / YUNET).write_bytes(wrong)
    with pytest.raises(ModelError) as raised:
        model_source.fetch(store, settings(web), [YUNET])
    assert raised.value.code == "model_source_wrong_file"
    assert not store.folder.exists()


def test_a_file_that_is_not_there_is_named_and_a_password_is_not(
    store: ModelStore, web: str, folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    (folder / YUNET).unlink()
    source = web.replace("://", "://user:geheim@")
    with pytest.raises(model_source.ModelSourceAway) as raised:
        model_source.fetch(store, settings(source), CONTENT)
    assert f"{web}: {YUNET}: there is no such file" in raised.value.detail
    told = capfd.readouterr()
    assert "geheim" not in f"{raised.value!s}{raised.value.__cause__}{caplog.text}{told.out}{told.err}"
    assert raised.value.__suppress_context__


def test_a_server_that_does_not_answer_is_told_soon(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_source, "RETRIES", 0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(model_source.ModelSourceAway, match="no answer that can be used"):
        model_source.fetch(store, settings(f"http://127.0.0.1:{port}/pack"), CONTENT)


def test_without_a_source_it_says_what_to_set(store: ModelStore) -> None:
    with pytest.raises(model_source.ModelSourceAway, match="ROLLCALL_MODELS__SOURCE"):
        model_source.fetch(store, ModelsSettings(), CONTENT)


@pytest.mark.parametrize(
    ("recognition", "wanted"),
    [
        ({}, (YUNET, FACE_RECOGNITION_INT8)),
        ({"detector": "blazeface", "precision": "fp32"}, ("blazeface_256.onnx", "face_recognition_fp32.onnx")),
    ],
)
def test_a_server_wants_what_its_settings_load(
    recognition: dict[str, str], wanted: tuple[str, ...], tmp_path: Path
) -> None:
    asked = Settings(_env_file=None, models={"dir": tmp_path}, recognition=recognition)
    assert model_source.wanted_files(asked) == wanted
    assert model_source.missing_files(asked) == list(wanted)


def test_the_library_is_not_loaded_by_the_server() -> None:
    code = "import sys, stream_server.app, stream_server.commands.serve; print('obstore' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "False\n"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3-compatible server that asks for keys, with both files in the bucket's folder `pack`."""
    pytest.importorskip("uv")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "--no-config", "--python", sys.executable]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--from", MOTO, "moto_server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        ends = time.monotonic() + 100
        while True:
            if server.poll() is not None or time.monotonic() > ends:
                pytest.skip(f"{MOTO} cannot be had: {log.read_text()[-300:]}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        endpoint = f"http://127.0.0.1:{port}"
        _fill(endpoint)
        yield endpoint
    finally:
        server.terminate()
        server.wait(20)


def _fill(endpoint: str) -> None:
    # moto takes the word of whoever names a key; only without one it looks at who may read.
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"}
    httpx.put(f"{endpoint}/{BUCKET}", headers=signed).raise_for_status()
    for name, content in CONTENT.items():
        open_to_all = {"x-amz-acl": "public-read"} if name == YUNET else {}
        put = httpx.put(f"{endpoint}/{BUCKET}/pack/{name}", headers={**signed, **open_to_all}, content=content)
        put.raise_for_status()


def test_files_come_from_an_s3_compatible_server(
    store: ModelStore, s3: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    given = settings(f"s3://{BUCKET}/pack", source_endpoint=s3)
    assert model_source.fetch(store, given, CONTENT) == list(CONTENT)
    assert {name: store.path(name).read_bytes() for name in CONTENT} == CONTENT
    store.path(YUNET).unlink()
    with pytest.raises(model_source.ModelSourceAway, match=r"s3://school/none: .* there is no such file"):
        model_source.fetch(store, settings(f"s3://{BUCKET}/none", source_endpoint=s3), CONTENT)
    told = capfd.readouterr()
    assert "geheim" not in told.out + told.err


def test_a_public_bucket_needs_no_keys(store: ModelStore, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    given = settings(f"s3://{BUCKET}/pack", source_endpoint=s3, source_public=True)
    assert model_source.fetch(store, given, [YUNET]) == [YUNET]
    with pytest.raises(model_source.ModelSourceAway, match="may not read it"):
        model_source.fetch(store, given, [FACE_RECOGNITION_INT8])
