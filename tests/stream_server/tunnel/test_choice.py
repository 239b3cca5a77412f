from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stream_server.access.door import Traffic
from stream_server.access.phones import Invitation
from stream_server.settings import Settings
from stream_server.settings.access import PhoneSettings, TunnelSettings
from stream_server.tunnel.choice import line_of, make_keeper
from stream_server.tunnel.cloudflared import CloudflaredLine
from stream_server.tunnel.line import TunnelUnusable
from stream_server.tunnel.ngrok_line import NgrokLine
from tests.partners.cloudflared import install


def settings_of(folder: Path, **tunnel: Any) -> Settings:
    return Settings(_env_file=None, data_dir=folder, ngrok_authtoken=SecretStr("2abc"), tunnel=TunnelSettings(**tunnel))


def now() -> datetime:
    return datetime(2026, 11, 23, tzinfo=UTC)


def test_without_a_wish_there_is_none(tmp_path: Path) -> None:
    assert line_of(settings_of(tmp_path)) is None


def test_a_tunnel_for_which_something_is_missing_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(TunnelUnusable):
        line_of(settings_of(tmp_path, provider="cloudflared", cloudflared_path=tmp_path / "none"))


async def test_the_allowance_is_that_of_ngrok_and_cloudflare_has_none(tmp_path: Path) -> None:
    pytest.importorskip("ngrok")
    limits = {"ngrok_monthly_bytes": 5_000_000, "ngrok_monthly_requests": 7}
    found = []
    for provider, kind in (("ngrok", NgrokLine), ("cloudflared", CloudflaredLine)):
        settings = settings_of(tmp_path, provider=provider, cloudflared_path=install(tmp_path), **limits)
        line = line_of(settings)
        assert isinstance(line, kind)
        said: list[str] = []
        invitation = Invitation(PhoneSettings(show_code="never"), codes=None, say=said.append)  # type: ignore[arg-type]
        keeper = make_keeper(line, settings, traffic=Traffic(), invitation=invitation, now=now)
        await keeper._announce("https://a.example", True)
        await keeper._announce("https://a.example", False)
        assert f"used through {provider}: 0.0" in said[0]
        assert said[1] == "The tunnel is open again: https://a.example"
        found.append((keeper.usage.allowance.bytes_max, keeper.usage.allowance.requests_max))
    assert found == [(5_000_000, 7), (0, 0)]
