from pathlib import Path

import pytest

from stream_server.serving.local_address import AddressFile, LocalAddress, address_of
from stream_server.settings import HttpSettings, Settings
from stream_server.settings.access import HttpsSettings

BOTH = LocalAddress("https://127.0.0.1:8443", "https://192.168.1.20:8443")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path / "data")


@pytest.mark.parametrize("address", [BOTH, LocalAddress("http://[::1]:9000")])
def test_commands_find_the_address_that_the_server_has_written(settings: Settings, address: LocalAddress) -> None:
    file = AddressFile(settings.data_dir, address)
    file.write()
    assert address_of(settings) == address
    assert [path.name for path in settings.data_dir.iterdir()] == ["address"]
    file.remove()
    assert list(settings.data_dir.iterdir()) == []
    file.remove()  # that it is gone already is no error


def test_a_server_that_stops_leaves_the_address_of_its_successor(settings: Settings) -> None:
    AddressFile(settings.data_dir, BOTH).write()
    old = AddressFile(settings.data_dir, LocalAddress("http://127.0.0.1:8000"))
    old.remove()
    assert address_of(settings) == BOTH


@pytest.mark.parametrize("content", [b"", b"\n", b"nonsense\n", b"\xff\xfe", b"ftp://x\n"])
def test_without_a_server_commands_look_where_the_settings_would_have_it(settings: Settings, content: bytes) -> None:
    assert address_of(settings) == LocalAddress("http://127.0.0.1:8000")
    settings.data_dir.mkdir()
    (settings.data_dir / "address").write_bytes(content)
    assert address_of(settings) == LocalAddress("http://127.0.0.1:8000")
    other = settings.model_copy(update={"http": HttpSettings(port=8123), "https": HttpsSettings(cert="auto")})
    assert address_of(other) == LocalAddress("https://127.0.0.1:8123")


async def test_a_folder_that_cannot_be_written_keeps_no_server_from_serving(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    said: list[str] = []
    done: list[str] = []

    async def listening() -> None:
        done.append("listening")

    await AddressFile(tmp_path / "data", BOTH).written_before(listening, said.append)()
    assert done == ["listening"]
    assert len(said) == 1
    assert "--server" in said[0]


async def test_the_address_is_there_before_anything_is_announced(settings: Settings) -> None:
    seen: list[LocalAddress] = []

    async def listening() -> None:
        seen.append(address_of(settings))

    await AddressFile(settings.data_dir, BOTH).written_before(listening, seen.append)()  # type: ignore[arg-type]
    assert seen == [BOTH]
