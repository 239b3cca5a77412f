"""How the server starts, and how it says that it cannot."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recognition.models.store import FACE_RECOGNITION_INT8, YUNET
from stream_server.child import ChildServer, temporary_folder


def serve(data_dir: Path, models_dir: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `rollcall serve` that is expected to end by itself."""
    environment = {
        **os.environ,
        "DATABASE_URL": "",
        "ROLLCALL_DATA_DIR": str(data_dir),
        "ROLLCALL_MODELS__DIR": str(models_dir),
        "ROLLCALL_HTTP__PORT": "0",
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "stream_server", "serve"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def model_copy(models_dir: Path, tmp_path: Path) -> Path:
    """A model folder that a test may damage."""
    return Path(shutil.copytree(models_dir, tmp_path / "models"))


def test_a_database_that_is_away_is_a_clear_error_and_exit_code_3(tmp_path: Path, models_dir: Path) -> None:
    done = serve(tmp_path, models_dir, DATABASE_URL="postgresql://rollcall:very-secret@127.0.0.1:1/rollcall")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "check that PostgreSQL runs" in done.stderr
    assert "Traceback" not in done.stderr
    assert "very-secret" not in done.stderr + done.stdout


def test_a_database_without_tables_says_which_command_makes_them(
    tmp_path: Path, models_dir: Path, empty_database_dsn: str
) -> None:
    done = serve(tmp_path, models_dir, DATABASE_URL=empty_database_dsn)
    assert done.returncode == 3
    assert "rollcall db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_a_damaged_model_is_a_clear_error_before_the_first_face(model_copy: Path, tmp_path: Path, damage: str) -> None:
    path = model_copy / FACE_RECOGNITION_INT8
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    if damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = serve(tmp_path, model_copy)
    assert done.returncode == 3
    assert FACE_RECOGNITION_INT8 in done.stderr
    assert "rollcall models build" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path, models_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = serve(tmp_path, models_dir, ROLLCALL_HTTP__PORT=str(other.getsockname()[1]))
    assert done.returncode == 3
    assert "--port" in done.stderr


def test_a_bad_setting_is_named(tmp_path: Path, models_dir: Path) -> None:
    done = serve(tmp_path, models_dir, ROLLCALL_SITE__TIME_ZONE="Mars/Olympus")
    assert done.returncode != 0
    assert "ROLLCALL_SITE__TIME_ZONE" in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_token_is_made_at_the_first_start_and_a_log_does_not_show_it(
    own_server: Callable[..., ChildServer],
) -> None:
    server = own_server(ROLLCALL_AUTH__TOKEN="")
    await asyncio.to_thread(server.upgrade)
    token_path = server.data_dir / "token"
    server.launch()
    async with asyncio.timeout(20):
        while not (token_path.exists() and "listens" in server.log_path.read_text()):
            await asyncio.sleep(0.05)
    token = token_path.read_text().strip()
    assert token_path.stat().st_mode & 0o777 == 0o600
    log = server.log_path.read_text()
    assert (token in log, log.count(f"it is in {token_path}")) == (False, 1)
    assert "/camera" in log
    server.token = token
    async with server.client() as client, asyncio.timeout(20):
        while (await _quiet(client.readiness)) is None:
            await asyncio.sleep(0.05)
    assert await server.stop() == 0
    await server.start()
    assert await server.stop() == 0
    assert server.log_path.read_text().count("A token was made") == 1
    assert token not in server.log_path.read_text()


async def _quiet(call: Callable[[], Any]) -> Any:
    try:
        return await call()
    except Exception:
        return None


async def test_without_yunet_the_server_works_on_blazeface_and_says_so(
    model_copy: Path, blank_jpeg: bytes, pictures: Any
) -> None:
    (model_copy / YUNET).unlink(missing_ok=True)
    with temporary_folder() as folder:
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=model_copy)
        async with server, server.client() as client:
            readiness = await client.readiness()
            assert readiness["status"] == "degraded"
            assert readiness["detector"]["stand_in"] is True
            assert any("BlazeFace" in reason for reason in readiness["reasons"])
            seen = await client.call("POST", "/api/v1/recognise", photo=pictures.crop("sample1.jpg", 0))
            assert len(seen["faces"]) == 1
        assert "BlazeFace" in server.log_path.read_text()


async def test_the_parts_that_only_webrtc_needs_are_not_loaded(own_server: Any) -> None:
    async with own_server() as server:
        maps = Path(f"/proc/{server.pid}/maps")
        if not maps.exists():
            pytest.skip("this system does not show what a process has loaded")
        loaded = maps.read_text()
    assert "onnxruntime" in loaded
    for name in ("aiortc", "pylibsrtp", "sqlalchemy", "/av/", "onnx_cpp2py"):
        assert name not in loaded, name
