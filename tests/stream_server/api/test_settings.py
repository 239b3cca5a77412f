from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from stream_server.api.settings import list_settings
from stream_server.messages.settings import SettingBody
from stream_server.settings import AuthSettings, HttpSettings, Settings, SiteSettings

SECRETS = ("owner-token-of-the-test", "postgresql://ada:hidden@db/rollcall", "ngrok-secret")


async def told(**groups: Any) -> dict[str, SettingBody]:
    services: Any = SimpleNamespace(settings=Settings(_env_file=None, **groups))
    return {setting.variable: setting for setting in (await list_settings(services)).settings}


async def test_every_setting_of_the_documentation_is_told_by_its_variable() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "settings.md").read_text()
    documented = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert set(await told()) == documented


async def test_what_was_set_is_told_apart_from_what_was_not() -> None:
    settings = await told(site=SiteSettings(name="School"), http=HttpSettings(allowed_origins=["https://a.example"]))
    name, zone = settings["ROLLCALL_SITE__NAME"], settings["ROLLCALL_SITE__TIME_ZONE"]
    assert (name.value, name.given) == ("School", True)
    assert (zone.value, zone.given) == ("UTC", False)
    assert settings["ROLLCALL_HTTP__ALLOWED_ORIGINS"].value == ["https://a.example"]
    assert isinstance(settings["ROLLCALL_DATA_DIR"].value, str)


async def test_of_a_secret_it_is_only_told_that_it_is_set() -> None:
    settings = await told(
        auth=AuthSettings(token=SecretStr(SECRETS[0])), DATABASE_URL=SECRETS[1], NGROK_AUTHTOKEN=SECRETS[2]
    )
    for variable in ("ROLLCALL_AUTH__TOKEN", "DATABASE_URL", "NGROK_AUTHTOKEN", "ROLLCALL_SECRETS__KEY"):
        assert settings[variable].secret, variable
        assert settings[variable].value is None
    assert settings["ROLLCALL_AUTH__TOKEN"].given
    assert not settings["ROLLCALL_SECRETS__KEY"].given
    assert not (await told(DATABASE_URL=""))["DATABASE_URL"].given, "empty is not set"
    text = " ".join(setting.model_dump_json() for setting in settings.values())
    assert not any(secret in text or "hidden" in text for secret in SECRETS)
