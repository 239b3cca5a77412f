import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, SecretStr

from stream_server.settings import Settings, SettingsError, check_folders, load_settings

# A value for every setting that is not its default, as it is written and as it is read.
VALUES: dict[str, tuple[str, Any]] = {
    "ROLLCALL_DATA_DIR": ("/srv/rollcall", Path("/srv/rollcall")),
    "DATABASE_URL": ("postgresql://u:p@h/d", SecretStr("postgresql://u:p@h/d")),
    "NGROK_AUTHTOKEN": ("2abc", SecretStr("2abc")),
    "ROLLCALL_LOG_LEVEL": ("DEBUG", "DEBUG"),
    "ROLLCALL_TRACES__ENDPOINT": ("http://collector:4318", "http://collector:4318"),
    "ROLLCALL_TRACES__HEADERS": ("authorization=Basic%20eDp5", SecretStr("authorization=Basic%20eDp5")),
    "ROLLCALL_TRACES__SERVICE": ("rollcall-west", "rollcall-west"),
    "ROLLCALL_TRACES__FRAME_SHARE": ("0.5", 0.5),
    "ROLLCALL_TRACES__REQUEST_SHARE": ("0.5", 0.5),
    "ROLLCALL_SITE__NAME": ("Evening school", "Evening school"),
    "ROLLCALL_SITE__TIME_ZONE": ("Europe/Berlin", "Europe/Berlin"),
    "ROLLCALL_HTTP__HOST": ("0.0.0.0", "0.0.0.0"),
    "ROLLCALL_HTTP__PORT": ("8080", 8080),
    "ROLLCALL_HTTP__ALLOWED_ORIGINS": (
        '["https://a.example", "https://b.example"]',
        ("https://a.example", "https://b.example"),
    ),
    "ROLLCALL_HTTP__TRUSTED_PROXIES": ('["10.0.0.5", "fd00::/8"]', ("10.0.0.5", "fd00::/8")),
    "ROLLCALL_HTTP__MAX_CONNECTIONS": ("7", 7),
    "ROLLCALL_HTTP__MAX_CONNECTIONS_PER_CLIENT": ("5", 5),
    "ROLLCALL_HTTP__MAX_PHOTO_BYTES": ("2048", 2048),
    "ROLLCALL_HTTP__MAX_SUBSCRIBERS": ("3", 3),
    "ROLLCALL_HTTP__PAGES_DIR": ("/srv/pages", Path("/srv/pages")),
    "ROLLCALL_AUTH__TOKEN": ("open-sesame-1234", SecretStr("open-sesame-1234")),
    "ROLLCALL_AUTH__SESSION_IDLE_S": ("900", 900),
    "ROLLCALL_AUTH__SESSION_MAX_S": ("7200", 7200),
    "ROLLCALL_AUTH__PASSWORD_MIN_LENGTH": ("12", 12),
    "ROLLCALL_AUTH__PASSWORD_MEMORY_KIB": ("65536", 65536),
    "ROLLCALL_AUTH__PASSWORD_PASSES": ("3", 3),
    "ROLLCALL_AUTH__PAIRING_LIFETIME_S": ("120", 120.0),
    "ROLLCALL_MODELS__DIR": ("/srv/models", Path("/srv/models")),
    "ROLLCALL_MODELS__MIRROR": ("/srv/mirror", Path("/srv/mirror")),
    "ROLLCALL_MODELS__SOURCE": ("s3://school/models", SecretStr("s3://school/models")),
    "ROLLCALL_MODELS__SOURCE_ENDPOINT": ("https://minio.example", "https://minio.example"),
    "ROLLCALL_MODELS__SOURCE_PUBLIC": ("true", True),
    "ROLLCALL_MODELS__SOURCE_ALLOW_HTTP": ("true", True),
    "ROLLCALL_MODELS__PRELOAD": ("false", False),
    "ROLLCALL_MODELS__IDLE_S": ("60", 60.0),
    "ROLLCALL_RECOGNITION__DETECTOR": ("blazeface", "blazeface"),
    "ROLLCALL_RECOGNITION__ENGINE": ("onnxruntime", "onnxruntime"),
    "ROLLCALL_RECOGNITION__PRECISION": ("fp32", "fp32"),
    "ROLLCALL_RECOGNITION__ACCEPT_DISTANCE": ("0.5", 0.5),
    "ROLLCALL_RECOGNITION__REVIEW_DISTANCE": ("0.7", 0.7),
    "ROLLCALL_RECOGNITION__MARGIN": ("0.1", 0.1),
    "ROLLCALL_RECOGNITION__MIN_EVIDENCE_FRAMES": ("4", 4),
    "ROLLCALL_RECOGNITION__KIOSK": ("true", True),
    "ROLLCALL_RECOGNITION__THREADS": ("5", 5),
    "ROLLCALL_RECOGNITION__PICTURES_WAITING_MAX": ("2", 2),
    "ROLLCALL_RECOGNITION__DETECTORS": ("3", 3),
    "ROLLCALL_RECOGNITION__DETECTION_WIDTH_PX": ("800", 800),
    "ROLLCALL_RECOGNITION__FULL_SEARCH_S": ("0.5", 0.5),
    "ROLLCALL_CAMERAS__MAX_CAMERAS": ("9", 9),
    "ROLLCALL_CAMERAS__MAX_FPS": ("12.5", 12.5),
    "ROLLCALL_CAMERAS__MIN_FPS": ("0.25", 0.25),
    "ROLLCALL_CAMERAS__MAX_FRAME_BYTES": ("5000", 5000),
    "ROLLCALL_CAMERAS__MAX_FRAME_PIXELS": ("200000", 200_000),
    "ROLLCALL_CAMERAS__FRAME_DEADLINE_S": ("0.5", 0.5),
    "ROLLCALL_CAMERAS__WIDTH_PX": ("320", 320),
    "ROLLCALL_CAMERAS__HEIGHT_PX": ("240", 240),
    "ROLLCALL_CAMERAS__JPEG_QUALITY": ("55", 55),
    "ROLLCALL_CAMERAS__AUTO_REGISTER": ("true", True),
    "ROLLCALL_CAMERAS__GLANCES": ("false", False),
    "ROLLCALL_STORAGE__POOL_MAX": ("6", 6),
    "ROLLCALL_STORAGE__SPOOL_MAX_RECORDS": ("11", 11),
    "ROLLCALL_STORAGE__SPOOL_MAX_BYTES": ("8192", 8192),
    "ROLLCALL_STORAGE__OUTBOX_KEEP_DAYS": ("2", 2),
    "ROLLCALL_STORAGE__SIGHTINGS_KEEP_DAYS": ("3", 3),
    "ROLLCALL_STORAGE__ATTENDANCE_KEEP_DAYS": ("400", 400),
    "ROLLCALL_STORAGE__AUDIT_KEEP_DAYS": ("60", 60),
    "ROLLCALL_PULL__ALLOW_PRIVATE": ("true", True),
    "ROLLCALL_PULL__ALLOW_LOOPBACK": ("true", True),
    "ROLLCALL_PULL__REPLAY_DIR": ("/srv/replay", Path("/srv/replay")),
    "ROLLCALL_PULL__VERIFY_TLS": ("false", False),
    "ROLLCALL_PULL__GROUP_SIZE": ("2", 2),
    "ROLLCALL_PULL__OPEN_TIMEOUT_S": ("2.5", 2.5),
    "ROLLCALL_PULL__READ_TIMEOUT_S": ("3.5", 3.5),
    "ROLLCALL_PULL__STALL_AFTER_S": ("2", 2.0),
    "ROLLCALL_PULL__RETRY_MAX_S": ("9", 9.0),
    "ROLLCALL_PULL__REFUSED_RETRY_S": ("60", 60.0),
    "ROLLCALL_PULL__MAX_SIDE_PX": ("640", 640),
    "ROLLCALL_SECRETS__KEY": ("a2V5", SecretStr("a2V5")),
    "ROLLCALL_SECRETS__OLD_KEYS": ('["YWx0"]', (SecretStr("YWx0"),)),
    "ROLLCALL_UNKNOWN_FACES__KEEP_DAYS": ("3", 3),
    "ROLLCALL_UNKNOWN_FACES__CROPS": ("true", True),
    "ROLLCALL_UNKNOWN_FACES__DISTANCE_MAX": ("0.45", 0.45),
    "ROLLCALL_UNKNOWN_FACES__MAX_PEOPLE": ("20", 20),
    "ROLLCALL_UNKNOWN_FACES__MAX_FACES": ("3", 3),
    "ROLLCALL_UNKNOWN_FACES__IGNORED_KEEP_DAYS": ("30", 30),
    "ROLLCALL_WEBRTC__MAX_PEERS": ("0", 0),
    "ROLLCALL_WEBRTC__CONNECT_TIMEOUT_S": ("4", 4.0),
    "ROLLCALL_WEBRTC__IDLE_TIMEOUT_S": ("5", 5.0),
    "ROLLCALL_WEBRTC__MAX_KBPS": ("800", 800),
    "ROLLCALL_WEBRTC__MAX_FRAME_PIXELS": ("500000", 500_000),
    "ROLLCALL_WEBRTC__MEMORY_MAX_MB": ("220", 220),
    "ROLLCALL_WEBRTC__STUN_URLS": ('["stun:192.0.2.1"]', ("stun:192.0.2.1",)),
    "ROLLCALL_WEBRTC__TURN_URLS": (
        '["turns:turn.example.org:443?transport=tcp"]',
        ("turns:turn.example.org:443?transport=tcp",),
    ),
    "ROLLCALL_WEBRTC__TURN_SECRET": ("s3cret", SecretStr("s3cret")),
    "ROLLCALL_WEBRTC__TURN_LIFETIME_S": ("600", 600),
    "ROLLCALL_HTTP__MAX_REPORTS": ("1", 1),
    "ROLLCALL_WEBHOOKS__MAX_WEBHOOKS": ("3", 3),
    "ROLLCALL_WEBHOOKS__ALLOW_HTTP": ("true", True),
    "ROLLCALL_WEBHOOKS__ALLOW_PRIVATE": ("true", True),
    "ROLLCALL_WEBHOOKS__ALLOW_LOOPBACK": ("true", True),
    "ROLLCALL_WEBHOOKS__TIMEOUT_S": ("5", 5.0),
    "ROLLCALL_WEBHOOKS__CONCURRENCY": ("2", 2),
    "ROLLCALL_WEBHOOKS__DISABLE_AFTER_H": ("24", 24.0),
    "ROLLCALL_WEBHOOKS__KEEP_DAYS": ("7", 7),
    "ROLLCALL_TUNNEL__PROVIDER": ("ngrok", "ngrok"),
    "ROLLCALL_TUNNEL__NGROK_DOMAIN": ("roll.example.org", "roll.example.org"),
    "ROLLCALL_TUNNEL__NGROK_SERVER": ("ngrok.example.org:443", "ngrok.example.org:443"),
    "ROLLCALL_TUNNEL__NGROK_CA": ("/srv/ca.pem", Path("/srv/ca.pem")),
    "ROLLCALL_TUNNEL__CLOUDFLARED_PATH": ("/srv/cloudflared", Path("/srv/cloudflared")),
    "ROLLCALL_TUNNEL__OPEN_TIMEOUT_S": ("5", 5.0),
    "ROLLCALL_TUNNEL__RETRY_FIRST_S": ("0.5", 0.5),
    "ROLLCALL_TUNNEL__RETRY_MAX_S": ("9", 9.0),
    "ROLLCALL_TUNNEL__REFUSED_RETRY_S": ("7", 7.0),
    "ROLLCALL_TUNNEL__NGROK_MONTHLY_BYTES": ("5000000000", 5_000_000_000),
    "ROLLCALL_TUNNEL__NGROK_MONTHLY_REQUESTS": ("0", 0),
    "ROLLCALL_HTTPS__CERT": ("auto", "auto"),
    "ROLLCALL_HTTPS__KEY": ("/srv/key.pem", Path("/srv/key.pem")),
    "ROLLCALL_HTTPS__NAMES": ('["Rollcall.School.example"]', ("rollcall.school.example",)),
    "ROLLCALL_HTTPS__PLAIN_PORT": ("", None),
    "ROLLCALL_PHONES__CAMERA": ("door", "door"),
    "ROLLCALL_PHONES__NAME": ("Phone at the door", "Phone at the door"),
    "ROLLCALL_PHONES__SHOW_CODE": ("never", "never"),
    "ROLLCALL_ATTENDANCE__EARLY_S": ("60", 60),
    "ROLLCALL_ATTENDANCE__LATE_AFTER_S": ("0", 0),
    "ROLLCALL_ATTENDANCE__RE_ENTRY_S": ("30", 30),
    "ROLLCALL_ATTENDANCE__REVIEW_KEEP_HOURS": ("24", 24),
    "ROLLCALL_ATTENDANCE__PIN_FAILURES_MAX": ("3", 3),
    "ROLLCALL_GOVERNOR__MEMORY_MAX_MB": ("240", 240),
    "ROLLCALL_GOVERNOR__SOFT_SHARE": ("0.7", 0.7),
    "ROLLCALL_GOVERNOR__HARD_SHARE": ("0.85", 0.85),
    "ROLLCALL_GOVERNOR__EASE_FOR_S": ("30", 30.0),
    "ROLLCALL_METRICS__ENABLED": ("false", False),
    "ROLLCALL_METRICS__TOKEN": ("scrape-scrape-scrape", SecretStr("scrape-scrape-scrape")),
    "ROLLCALL_METRICS__CAMERAS": ("false", False),
    "ROLLCALL_LOG__FORMAT": ("json", "json"),
    "ROLLCALL_LOG__ACCESS": ("true", True),
}


# What has to be set besides.
NEEDS = {"ROLLCALL_HTTPS__KEY": {"ROLLCALL_HTTPS__CERT": "/srv/cert.pem"}}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    monkeypatch.chdir(tmp_path)  # away from any .env
    for name in list(os.environ):
        if name.startswith("ROLLCALL_") or name in ("DATABASE_URL", "NGROK_AUTHTOKEN"):
            monkeypatch.delenv(name)


def fields(model: type[BaseModel] = Settings, prefix: str = "ROLLCALL_") -> dict[str, tuple[str, ...]]:
    """Every variable, and the way to its field."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            deeper = fields(field.annotation, f"{prefix}{name.upper()}__")
            found |= {variable: (name, *way) for variable, way in deeper.items()}
        else:
            own = {"database_url": "DATABASE_URL", "ngrok_authtoken": "NGROK_AUTHTOKEN"}
            found[own.get(name, prefix + name.upper())] = (name,)
    return found


def read(settings: Settings, variable: str) -> Any:
    value: Any = settings
    for name in fields()[variable]:
        value = getattr(value, name)
    return value


def refusal(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> str:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "docs/reference/settings.md" in raised.value.hint
    return raised.value.detail


def test_every_setting_is_in_the_table_of_this_test() -> None:
    assert set(VALUES) == set(fields())


@pytest.mark.parametrize("variable", VALUES)
def test_a_variable_sets_its_setting(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written, value = VALUES[variable]
    assert read(load_settings(), variable) != value
    for other, needed in NEEDS.get(variable, {}).items():
        monkeypatch.setenv(other, needed)
    monkeypatch.setenv(variable, written)
    assert read(load_settings(), variable) == value


def test_every_setting_says_what_it_is() -> None:
    def check(model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                check(field.annotation)
            else:
                assert field.description, name

    check(Settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ROLLCALL_HTTP__PORT", "eighty"),
        ("ROLLCALL_HTTP__PORT", "65536"),
        ("ROLLCALL_HTTP__PORT", ""),
        ("ROLLCALL_HTTP__MAX_SUBSCRIBERS", "0"),
        ("ROLLCALL_LOG_LEVEL", "loud"),
        ("ROLLCALL_SITE__TIME_ZONE", "Mars/Olympus"),
        ("ROLLCALL_SITE__TIME_ZONE", "../../etc/passwd"),
        ("ROLLCALL_SITE__TIME_ZONE", ""),
        ("ROLLCALL_RECOGNITION__THREADS", "-1"),
        ("ROLLCALL_RECOGNITION__DETECTOR", "haar"),
        ("ROLLCALL_RECOGNITION__DETECTORS", "auto"),
        ("ROLLCALL_GOVERNOR__MEMORY_MAX_MB", "5"),
        ("ROLLCALL_GOVERNOR__HARD_SHARE", "0"),
        ("ROLLCALL_METRICS__TOKEN", "too-short"),
        ("ROLLCALL_LOG__FORMAT", "xml"),
        ("ROLLCALL_CAMERAS__MAX_FPS", "nan"),
        ("ROLLCALL_CAMERAS__MAX_FPS", "inf"),
        ("ROLLCALL_CAMERAS__MIN_FPS", "inf"),
        ("ROLLCALL_CAMERAS__FRAME_DEADLINE_S", "inf"),
        ("ROLLCALL_CAMERAS__AUTO_REGISTER", "perhaps"),
        ("ROLLCALL_STORAGE__AUDIT_KEEP_DAYS", "29"),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", "https://a.example"),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", '"https://a.example"'),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", "[1]"),
        ("ROLLCALL_HTTP__PROT", "8000"),
        ("ROLLCALL_HTP__PORT", "8000"),
        ("ROLLCALL_HTTP_PORT", "8000"),
        ("ROLLCALL_PORT", "8000"),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", '["*"]'),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", '["null"]'),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", '["https://a.example/page"]'),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", '["ftp://a.example"]'),
        ("ROLLCALL_AUTH__TOKEN", "a"),
        ("ROLLCALL_AUTH__TOKEN", "fifteen-letters"),
        ("ROLLCALL_SECRETS__OLD_KEYS", "YWx0"),
        ("ROLLCALL_WEBRTC__STUN_URLS", "stun:192.0.2.1"),
        ("ROLLCALL_WEBRTC__STUN_URLS", '["http://192.0.2.1"]'),
        ("ROLLCALL_WEBRTC__TURN_URLS", '["turn:192.0.2.1?transport=sctp"]'),
        ("ROLLCALL_WEBRTC__TURN_URLS", '["turn:192.0.2.1>; rel=x"]'),
        ("ROLLCALL_TUNNEL__PROVIDER", "carrier-pigeon"),
        ("ROLLCALL_TUNNEL__NGROK_DOMAIN", "https://roll.example.org"),
        ("ROLLCALL_HTTPS__NAMES", "rollcall.example"),
        ("ROLLCALL_HTTPS__NAMES", '["*.example"]'),
        ("ROLLCALL_PHONES__CAMERA", "Phone 1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, variable, value).startswith(f"{variable}: ")


def test_a_certificate_and_its_key_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "KEY is missing" in refusal(monkeypatch, "ROLLCALL_HTTPS__CERT", "/srv/cert.pem")
    monkeypatch.setenv("ROLLCALL_HTTPS__CERT", "auto")
    assert "CERT of your own" in refusal(monkeypatch, "ROLLCALL_HTTPS__KEY", "/srv/key.pem")


@pytest.mark.parametrize("value", ["8000", "port=8000", "{"])
def test_a_whole_group_in_one_variable_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, "ROLLCALL_HTTP", value).startswith("ROLLCALL_HTTP: ")


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_LOG_LEVEL", "loud")
    detail = refusal(monkeypatch, "ROLLCALL_HTTP__PORT", "eighty")
    assert "ROLLCALL_LOG_LEVEL: " in detail
    assert "ROLLCALL_HTTP__PORT: " in detail


def test_the_least_pace_is_not_above_the_greatest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CAMERAS__MAX_FPS", "2")
    detail = refusal(monkeypatch, "ROLLCALL_CAMERAS__MIN_FPS", "3")
    assert "ROLLCALL_CAMERAS" in detail
    assert "min_fps" in detail.lower()


@pytest.mark.parametrize(
    "variable",
    [
        "DATABASE_URL",
        "ROLLCALL_AUTH__TOKEN",
        "ROLLCALL_MODELS__DIR",
        "ROLLCALL_MODELS__MIRROR",
    ],
)
def test_an_empty_value_is_no_value(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "")
    assert read(load_settings(), variable) is None


def test_the_database_has_a_second_name_for_those_who_set_everything_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://h/d")
    assert load_settings().database_url == SecretStr("postgresql://h/d")


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hunter2@host/db")
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", "open-sesame-1234")
    settings = load_settings()
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.auth)
    assert "hunter2" not in shown
    assert "open-sesame" not in shown
    assert "hunter2" not in refusal(monkeypatch, "ROLLCALL_LOG_LEVEL", "hunter2")


def test_the_models_are_kept_in_the_data_folder_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_DATA_DIR", "elsewhere")
    assert load_settings().models_dir == Path("elsewhere/models")
    monkeypatch.setenv("ROLLCALL_MODELS__DIR", "models")
    assert load_settings().models_dir == Path("models")


def test_the_site_has_a_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_SITE__TIME_ZONE", "Asia/Kolkata")
    assert load_settings().site.zone == ZoneInfo("Asia/Kolkata")


def test_a_file_of_settings_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ROLLCALL_HTTP__PORT=1234\nROLLCALL_SITE__NAME=From the file\nUNRELATED=1\n")
    monkeypatch.setenv("ROLLCALL_SITE__NAME", "From the environment")
    settings = load_settings()
    assert (settings.http.port, settings.site.name) == (1234, "From the environment")


def test_settings_are_not_changed_by_accident() -> None:
    settings = load_settings()
    for target, name in ((settings, "log_level"), (settings.http, "port")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(target, name, getattr(target, name))


def test_the_defaults_are_valid_json_values() -> None:
    assert json.loads(load_settings().model_dump_json())["cameras"]["max_fps"] == 10.0


@pytest.mark.parametrize("value", ["wr\u00f6ng", "two words", "a\x07b"])
def test_a_token_that_no_header_can_carry_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", value)
    with pytest.raises(SettingsError, match="ROLLCALL_AUTH__TOKEN"):
        load_settings()


def test_blanks_around_a_token_do_not_belong_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", " abcdefghijklmnop\n")
    token = load_settings().auth.token
    assert token is not None
    assert token.get_secret_value() == "abcdefghijklmnop"


@pytest.mark.parametrize("name", ["ROLLCALL_HTP__PORT", "ROLLCALL_HTTP_PORT", "rollcall_http__prt"])
def test_for_a_misspelt_name_the_nearest_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "did you mean ROLLCALL_HTTP__PORT?" in refusal(monkeypatch, name, "8000")


def test_a_misspelt_name_in_the_file_is_found_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROLLCALL_SIET__NAME=School\n")
    with pytest.raises(SettingsError, match="did you mean ROLLCALL_SITE__NAME"):
        load_settings()


def test_variables_of_the_tests_are_no_settings_and_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_TEST_FACES", "/srv/faces")
    monkeypatch.setenv("ROLLCALL_HTTP", '{"port": 81}')
    assert load_settings().http.port == 81


def test_an_empty_host_is_not_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_HTTP__HOST", "")
    http = load_settings().http
    assert http.host == "127.0.0.1"
    assert "host" not in http.model_fields_set


def test_an_origin_is_compared_without_its_last_slash_and_in_small_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_HTTP__ALLOWED_ORIGINS", '["https://A.Example/", "http://[::1]:8000"]')
    assert load_settings().http.allowed_origins == ("https://a.example", "http://[::1]:8000")


@pytest.mark.parametrize("variable", ["ROLLCALL_HTTP__PAGES_DIR", "ROLLCALL_PULL__REPLAY_DIR"])
def test_folders_that_are_only_read_must_be_there(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=variable):
        check_folders(load_settings())
    monkeypatch.setenv(variable, str(tmp_path))
    check_folders(load_settings())


def test_an_empty_data_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_DATA_DIR", "")
    with pytest.raises(SettingsError, match="ROLLCALL_DATA_DIR"):
        load_settings()


def test_a_variable_set_to_nothing_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The demo and the tests rely on it: nothing of theirs may reach a database that somebody uses.
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://real@example.org/school\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().database_url is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("10.0.0.5", "a list is written as"),
        ('["proxy.example"]', "no IP address or network"),
        ('["10.0.0.1/8"]', "no IP address or network"),
        ('["0.0.0.0/0"]', "everybody"),
        ('["::/0"]', "everybody"),
    ],
)
def test_a_trusted_proxy_is_an_address_or_a_network_and_never_everybody(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    detail = refusal(monkeypatch, "ROLLCALL_HTTP__TRUSTED_PROXIES", value)
    assert "ROLLCALL_HTTP__TRUSTED_PROXIES: " in detail
    assert said in detail


def test_the_port_of_a_platform_counts_unless_one_is_set_for_us(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "10000")
    assert load_settings().http.port == 10_000
    assert load_settings().http.host == "127.0.0.1"
    (tmp_path / ".env").write_text("ROLLCALL_HTTP__PORT=9000\n")
    assert load_settings().http.port == 9000
    monkeypatch.setenv("ROLLCALL_HTTP__PORT", "8080")
    assert load_settings().http.port == 8080


def test_a_port_of_a_platform_that_is_none_is_named_as_it_is_called_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(SettingsError, match=r"^PORT: "):
        load_settings()
    monkeypatch.setenv("PORT", "")
    assert load_settings().http.port == 8000


@pytest.mark.parametrize(
    "variable",
    [
        "ROLLCALL_RECOGNITION__THREADS",
        "ROLLCALL_RECOGNITION__PICTURES_WAITING_MAX",
        "ROLLCALL_RECOGNITION__DETECTION_WIDTH_PX",
        "ROLLCALL_CAMERAS__MAX_CAMERAS",
        "ROLLCALL_WEBRTC__MAX_PEERS",
        "ROLLCALL_HTTP__MAX_CONNECTIONS",
        "ROLLCALL_HTTP__MAX_SUBSCRIBERS",
    ],
)
def test_what_is_auto_is_as_if_nobody_had_set_it(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unset = read(load_settings(), variable)
    monkeypatch.setenv(variable, "auto")
    settings = load_settings()
    group, field = fields()[variable]
    assert read(settings, variable) == unset
    assert field not in getattr(settings, group).model_fields_set
