from pathlib import Path

import pytest

from stream_server.child import ChildFailed, ChildServer, temporary_folder


def child(folder: Path, **settings: str) -> ChildServer:
    return ChildServer(data_dir=folder / "data", models_dir=folder / "models", settings=settings)


def test_a_child_never_gets_the_database_that_somebody_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@127.0.0.1:1/in-use")
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", "of-somebody-else-here")
    environment = child(tmp_path)._environment
    assert environment["DATABASE_URL"] == ""
    assert environment["ROLLCALL_AUTH__TOKEN"] != "of-somebody-else-here"
    assert environment["ROLLCALL_DATA_DIR"] == str(tmp_path / "data")
    assert child(tmp_path, DATABASE_URL="postgresql://test")._environment["DATABASE_URL"] == "postgresql://test"


def test_children_have_ports_of_their_own(tmp_path: Path) -> None:
    first, second = child(tmp_path), child(tmp_path)
    assert first.url == f"http://127.0.0.1:{first.port}"
    assert second.client().base_url == second.url


async def test_a_child_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = child(tmp_path, ROLLCALL_LOG_LEVEL="loud")
    with pytest.raises(ChildFailed) as raised:
        await server.start()
    assert raised.value.code == "server_did_not_start"
    assert "ROLLCALL_LOG_LEVEL" in raised.value.detail
    assert await server.stop() == 1


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="ROLLCALL_LOG_LEVEL"):
        child(tmp_path, ROLLCALL_LOG_LEVEL="loud").upgrade()


async def test_a_child_that_was_never_started_is_stopped_without_a_word(tmp_path: Path) -> None:
    assert await child(tmp_path).stop() is None


def test_a_folder_for_a_child_can_be_passed_through_and_goes_away() -> None:
    with temporary_folder() as name:
        assert Path(name).stat().st_mode & 0o055 == 0o055
    assert not Path(name).exists()
