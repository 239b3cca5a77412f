"""What `rollcall devices pair` makes of an address; that phones are paired is part of tests/integration."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recognition.errors import RequestError
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.commands.devices import check_phone_address, devices, is_this_machine
from stream_server.serving.local_address import AddressFile, LocalAddress

TUNNEL = "https://example.ngrok-free.app"
LAN = "https://192.168.1.20:8000"


class Server:
    """Answers in place of a server, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tunnel: str | None = None

    async def call(self, client: ServerClient, method: str, path: str, **_: object) -> Any:
        self.asked.append(path)
        if path == "/api/v1/tunnel":
            if self.tunnel is None:
                raise ServerSaidNo("there is none", code="no_tunnel")
            return {"address": self.tunnel}
        return {"code": "7KQ2-M9XD", "expires_at": "2026-03-02T12:10:00Z", "camera_id": "room-5"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROLLCALL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", "open-sesame-open-sesame")
    server = Server()

    async def call(client: ServerClient, method: str, path: str, **more: object) -> Any:
        return await server.call(client, method, path, **more)

    monkeypatch.setattr(ServerClient, "call", call)
    return server


def pair(*arguments: str) -> Result:
    return CliRunner().invoke(devices, ["pair", "room-5", *arguments])


@pytest.mark.parametrize(
    "address",
    ["school.example", "https://", "https://[", "ftp://school.example", "https://a b", "", "https://u@school.example"],
)
def test_what_is_no_address_is_refused_before_a_code_is_issued(server: Server, address: str) -> None:
    result = pair("--address", address)
    assert result.exit_code == 1
    assert "is no address of a server" in result.stderr
    assert server.asked == []


def test_http_is_refused_for_no_phone_gives_it_the_camera(server: Server) -> None:
    result = pair("--address", "http://192.168.1.20:8000")
    assert result.exit_code == 1
    assert "--https auto" in result.stderr
    assert server.asked == []


def test_an_address_of_this_machine_alone_is_said_to_be_one(server: Server) -> None:
    result = pair()
    assert result.exit_code == 0
    assert "http://127.0.0.1:8000/camera#code=7KQ2-M9XD" in result.stdout
    assert "only a browser on this machine" in result.stderr
    assert "only a browser" not in pair("--address", LAN).stderr


def test_the_address_is_the_tunnels_or_that_of_https_in_the_network(server: Server, tmp_path: Path) -> None:
    AddressFile(tmp_path, LocalAddress("https://127.0.0.1:8000", LAN)).write()
    assert f"{LAN}/camera#code=" in pair().stdout
    server.tunnel = TUNNEL
    assert f"{TUNNEL}/camera#code=" in pair().stdout
    assert "https://school.example/camera#code=" in pair("--address", "https://school.example/").stdout


def test_a_server_that_is_named_is_not_given_the_address_of_another(server: Server, tmp_path: Path) -> None:
    AddressFile(tmp_path, LocalAddress("https://127.0.0.1:8000", LAN)).write()
    assert "https://other.example/camera#code=" in pair("--server", "https://other.example").stdout
    assert pair("--server", "http://other.example").exit_code == 1


def test_an_id_that_can_be_none_is_told_with_one_that_can(server: Server) -> None:
    result = CliRunner().invoke(devices, ["pair", "Bad Id"])
    assert result.exit_code == 1
    assert "bad-id" in result.stderr
    assert server.asked == []


@pytest.mark.parametrize(
    "address", ["http://localhost", "https://127.8.0.1:1", "http://[::1]:8000", "http://a.localhost"]
)
def test_loopback_is_this_machine(address: str) -> None:
    assert is_this_machine(address)
    check_phone_address(address)


def test_a_port_that_is_none_makes_no_address() -> None:
    with pytest.raises(RequestError):
        check_phone_address("https://school.example:99999")
