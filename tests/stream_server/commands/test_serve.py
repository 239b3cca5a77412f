"""How `rollcall serve` reads what it is told; that it serves is part of tests/integration."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from recognition.errors import UnavailableError
from stream_server.commands import serve as serve_module
from stream_server.commands.serve import (
    _addresses,
    _announcer,
    _host,
    _invite_owner,
    _lan_host,
    _tell_token,
    listen,
    serve,
)
from stream_server.serving.local_address import LocalAddress
from stream_server.settings import AuthSettings, HttpSettings, Settings
from stream_server.settings.access import HttpsSettings, TunnelSettings

AUTO = HttpsSettings(cert="auto")


def settings_of(**groups: Any) -> Settings:
    return Settings(_env_file=None, **groups)


def known(*addresses: str, names: tuple[str, ...] = ("room5.local",)) -> Any:
    return SimpleNamespace(known=SimpleNamespace(addresses=addresses, names=names, authority_sha256="ab" * 32))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """The settings that the server would have been run with."""
    monkeypatch.chdir(tmp_path)
    seen: list[Settings] = []
    monkeypatch.setattr(serve_module, "run", seen.append)
    return seen


def test_what_is_said_on_the_command_line_wins(ran: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_TUNNEL__PROVIDER", "cloudflared")
    monkeypatch.setenv("ROLLCALL_HTTPS__CERT", "/srv/cert.pem")
    monkeypatch.setenv("ROLLCALL_HTTPS__KEY", "/srv/key.pem")
    assert CliRunner().invoke(serve, []).exit_code == 0
    assert CliRunner().invoke(serve, ["--tunnel", "ngrok", "--https", "auto", "--port", "1"]).exit_code == 0
    assert CliRunner().invoke(serve, ["--https", "b.pem", "--key", "b.key"]).exit_code == 0
    assert [settings.tunnel.provider for settings in ran] == ["cloudflared", "ngrok", "cloudflared"]
    assert [(settings.https.cert, settings.https.key) for settings in ran] == [
        ("/srv/cert.pem", Path("/srv/key.pem")),
        ("auto", None),
        ("b.pem", Path("b.key")),
    ]
    assert ran[1].http.port == 1


@pytest.mark.parametrize(
    "arguments", [["--tunnel", "pigeon"], ["--https", "a.pem"], ["--key", "a.key"], ["--host", ""]]
)
def test_what_cannot_be_is_wrong_usage(ran: list[Settings], arguments: list[str]) -> None:
    assert CliRunner().invoke(serve, arguments).exit_code == 2
    assert ran == []


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_new_token_is_shown_on_a_terminal_and_never_in_a_log(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    app: Any = SimpleNamespace(state=SimpleNamespace(new_token="very-secret"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    _tell_token(settings_of(data_dir=tmp_path), app)
    said = capsys.readouterr().err
    assert ("very-secret" in said) is on_terminal
    assert (str(tmp_path / "token") in said) is not on_terminal


def test_https_is_for_others_in_the_network_unless_an_address_is_named() -> None:
    assert _host(settings_of()) == "127.0.0.1"
    assert _host(settings_of(https=AUTO)) == "0.0.0.0"
    assert _host(settings_of(https=AUTO, http=HttpSettings(host="127.0.0.1"))) == "127.0.0.1"


def test_a_tunnel_alone_opens_nothing_in_the_network() -> None:
    assert _host(settings_of(tunnel=TunnelSettings(provider="ngrok"))) == "127.0.0.1"


def test_phones_are_told_an_address_which_every_phone_can_resolve() -> None:
    everywhere = settings_of(https=AUTO)
    assert _lan_host(everywhere, known("192.168.1.20", "127.0.0.1")) == "192.168.1.20"
    assert _lan_host(everywhere, known()) == "room5.local"
    assert _lan_host(settings_of(https=AUTO, http=HttpSettings(host="10.0.0.4")), known("192.168.1.20")) == "10.0.0.4"


def test_with_a_certificate_of_ones_own_they_are_told_its_name() -> None:
    own = HttpsSettings(cert="a.pem", key=Path("a.key"), names=("rollcall.school.example",))
    assert _lan_host(settings_of(https=own), SimpleNamespace(known=None)) == "rollcall.school.example"  # type: ignore[arg-type]


def test_commands_on_this_machine_are_told_an_address_that_the_certificate_is_good_for() -> None:
    own = HttpsSettings(cert="a.pem", key=Path("a.key"), names=("rollcall.school.example",))
    with listen("127.0.0.1", 0) as main:
        port = main.getsockname()[1]

        def addresses(identity: Any, **groups: Any) -> LocalAddress:
            return _addresses(settings_of(**groups), {"main": main}, identity)

        assert addresses(None) == LocalAddress(f"http://127.0.0.1:{port}")
        assert addresses(None, http=HttpSettings(host="0.0.0.0")) == LocalAddress(f"http://127.0.0.1:{port}")
        assert addresses(None, http=HttpSettings(host="::")) == LocalAddress(f"http://[::1]:{port}")
        assert addresses(known("192.168.1.20"), https=AUTO) == LocalAddress(
            f"https://127.0.0.1:{port}", f"https://192.168.1.20:{port}"
        )
        named = f"https://rollcall.school.example:{port}"
        assert addresses(SimpleNamespace(known=None), https=own) == LocalAddress(named, named)


async def no() -> bool:
    return False


async def yes() -> bool:
    return True


async def away() -> bool:
    raise UnavailableError("the database is away")


@pytest.mark.parametrize("on_terminal", [True, False])
async def test_the_first_owner_is_shown_where_to_begin_and_the_token_on_a_terminal_only(
    on_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    (tmp_path / "token").write_text("owner-token-of-the-test")
    settings = settings_of(data_dir=tmp_path)
    for asked in (no, away):
        services: Any = SimpleNamespace(accounts=SimpleNamespace(needs_set_up=asked))
        await _invite_owner(settings, services, "http://127.0.0.1:8000")
    assert capsys.readouterr().err == ""
    services = SimpleNamespace(accounts=SimpleNamespace(needs_set_up=yes))
    await _invite_owner(settings, services, "http://127.0.0.1:8000")
    said = capsys.readouterr().err
    assert "http://127.0.0.1:8000/welcome" in said
    assert ("#token=owner-token-of-the-test" in said) is on_terminal
    # One that somebody chose is shown nowhere.
    chosen = settings_of(data_dir=tmp_path, auth=AuthSettings(token=SecretStr("chosen" * 4)))
    await _invite_owner(chosen, services, "http://127.0.0.1:8000")
    assert "token" not in capsys.readouterr().err


async def test_when_the_doors_are_open_the_tunnel_is_told_its_port_and_phones_are_invited(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ports: list[int] = []
    shown: list[tuple[str, ...]] = []

    async def show(*texts: str) -> None:
        shown.append(texts)
        if len(shown) > 1:
            raise UnavailableError("the database is away")

    services = SimpleNamespace(
        accounts=SimpleNamespace(needs_set_up=no),
        tunnel=SimpleNamespace(listening=ports.append),
        invitation=SimpleNamespace(show=show),
    )
    app: Any = SimpleNamespace(state=SimpleNamespace(services=services, identity=known("192.168.1.20")))
    with listen("127.0.0.1", 0) as main, listen("127.0.0.1", 0) as plain, listen("127.0.0.1", 0) as tunnel:
        announce = _announcer(settings_of(https=AUTO), app, {"main": main, "plain": plain, "tunnel": tunnel})
        await announce()
        await announce()  # the second time no code can be made: said, and not fatal
        assert ports == [tunnel.getsockname()[1]] * 2
        address, trust, fingerprint = shown[0]
        assert address == f"https://192.168.1.20:{main.getsockname()[1]}"
        assert trust.endswith(f"http://192.168.1.20:{plain.getsockname()[1]}/phone")
        assert fingerprint.endswith("AB:AB:AB")
    assert "the database is away" in capsys.readouterr().err


def test_migrations_and_missing_models_come_before_the_server_only_when_asked_for(
    ran: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[dict[str, bool]] = []
    monkeypatch.setattr(serve_module, "prepare", lambda **steps: prepared.append(steps))
    monkeypatch.delenv("ROLLCALL_MODELS__DIR", raising=False)
    assert CliRunner().invoke(serve, []).exit_code == 0
    assert CliRunner().invoke(serve, ["--upgrade-db"]).exit_code == 0
    monkeypatch.setenv("ROLLCALL_MODELS__SOURCE", "s3://school/models")
    assert CliRunner().invoke(serve, []).exit_code == 0
    assert prepared == [
        {"models": False, "database": False},
        {"models": False, "database": True},
        {"models": True, "database": False},
    ]
    assert len(ran) == 3
