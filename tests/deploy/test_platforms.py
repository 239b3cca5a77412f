"""The files for platforms and Compose: they parse, agree with the image, and every variable in them is a setting."""

import base64
import os
import re
import stat
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from stream_server.settings import HttpSettings, Settings, load_settings
from stream_server.settings.names import strangers

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"\bROLLCALL_[A-Z0-9_]+")
FILES = (
    ".env.example",
    "docker-compose.yml",
    "deploy/koyeb.sh",
    "deploy/render.yaml",
    "deploy/fly.toml",
    "docs/deploy.md",
)
PORT = HttpSettings().port
NEEDED = {"DATABASE_URL", "ROLLCALL_SECRETS__KEY", "ROLLCALL_AUTH__TOKEN"}
KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One in which nothing of ours is set."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("ROLLCALL_") or name in ("PORT", "DATABASE_URL"):
            monkeypatch.delenv(name)
    return monkeypatch


def document(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", FILES)
def test_every_variable_of_a_file_is_a_setting(name: str) -> None:
    used = set(NAME.findall((ROOT / name).read_text()))
    assert used
    assert strangers(used, Settings) == []


@pytest.mark.parametrize("name", ["deploy/koyeb.sh", "deploy/render.yaml", "docs/deploy.md"])
def test_what_must_be_set_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    assert all(variable in text for variable in NEEDED)


def test_no_file_holds_a_secret() -> None:
    values = dotenv_values(ROOT / ".env.example")
    assert {name for name in values if re.search("PASSWORD|KEY|TOKEN", name)} >= {"POSTGRES_PASSWORD"}
    assert [name for name, value in values.items() if value and re.search("PASSWORD|KEY|TOKEN|SECRET", name)] == []


def test_the_example_of_an_environment_is_one_that_the_server_takes(environment: pytest.MonkeyPatch) -> None:
    Path(".env").write_text((ROOT / ".env.example").read_text())
    settings = load_settings()
    assert settings.site.time_zone == "UTC"
    assert settings.auth.token is None


def test_compose_holds_the_server_to_what_a_free_container_has() -> None:
    service = document("docker-compose.yml")["services"]["server"]
    assert service["mem_limit"] == service["memswap_limit"] == "256m"
    assert service["cpus"] == 0.5
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [entry.split(":")[0] for entry in service["tmpfs"]] == ["/tmp"]
    assert service["volumes"] == ["data:/data"]
    # Not on every address of the machine: it speaks plain http.
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert int(service["stop_grace_period"].rstrip("s")) > 8


def test_compose_brings_a_database_that_is_ready_first() -> None:
    compose = document("docker-compose.yml")
    postgres = compose["services"]["postgres"]
    assert re.fullmatch(r"postgres:(1[4-9]|[2-9]\d)", postgres["image"])
    assert "pg_isready" in postgres["healthcheck"]["test"][1]
    assert "ports" not in postgres
    assert compose["services"]["server"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert set(compose["volumes"]) == {"data", "postgres"}
    url = compose["services"]["server"]["environment"]["DATABASE_URL"]
    assert url.startswith("postgresql://rollcall:${POSTGRES_PASSWORD:?")
    assert url.endswith("@postgres:5432/rollcall")


def test_render_asks_for_one_small_instance_and_makes_the_secrets(environment: pytest.MonkeyPatch) -> None:
    blueprint = document("deploy/render.yaml")
    (service,) = blueprint["services"]
    assert (service["plan"], service["numInstances"], service["healthCheckPath"]) == ("free", 1, "/healthz")
    assert (ROOT / service["dockerfilePath"]).is_file()
    given = {entry["key"]: entry for entry in service["envVars"]}
    assert set(given) >= NEEDED
    assert given["DATABASE_URL"]["fromDatabase"]["name"] == blueprint["databases"][0]["name"]
    environment.setenv("PORT", "10000")
    for name, entry in given.items():
        environment.setenv(name, entry.get("value") or (KEY if "generateValue" in entry else "postgresql://a:b@c/d"))
    settings = load_settings()
    assert settings.http.port == 10_000
    assert settings.http.trusted_proxies


def test_fly_asks_for_256_mb_that_do_not_sleep(environment: pytest.MonkeyPatch) -> None:
    config = tomllib.loads((ROOT / "deploy/fly.toml").read_text())
    assert config["vm"] == [{"size": "shared-cpu-1x", "memory": "256mb"}]
    service = config["http_service"]
    assert (service["auto_stop_machines"], service["min_machines_running"]) == ("off", 1)
    assert service["checks"][0]["path"] == "/healthz"
    assert config["kill_timeout"] > 8
    for name, value in config["env"].items():
        environment.setenv(name, value)
    assert load_settings().http.port == service["internal_port"]


KOYEB = """#!/bin/sh
if [ "$1" = secrets ]; then echo "$@ < $(cat | wc -c)" >> "$LOG"; else printf '%s\\n' "$@" >> "$LOG"; fi
"""


def koyeb(tmp_path: Path, *arguments: str, url: str = "postgres://a:geheim@c/d") -> tuple[int, list[str]]:
    """What the script calls Koyeb's command line with."""
    program = tmp_path / "koyeb"
    program.write_text(KOYEB)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "log"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log), "DATABASE_URL": url}
    command = [str(ROOT / "deploy/koyeb.sh"), *arguments]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    return run.returncode, log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(
    ("way", "what", "expected"),
    [
        ("git", "github.com/me/rollcall", ["--git-builder", "docker"]),
        ("image", "ghcr.io/me/rollcall:1", ["--docker", "ghcr.io/me/rollcall:1"]),
    ],
)
def test_koyeb_is_asked_in_both_ways_of_its_guide(
    tmp_path: Path, environment: pytest.MonkeyPatch, way: str, what: str, expected: list[str]
) -> None:
    code, words = koyeb(tmp_path, way, what)
    assert code == 0
    assert words[3:6] == ["apps", "init", "rollcall"]
    assert expected[0] in words
    assert words[words.index(expected[0]) + 1] == expected[1]
    options = dict(pairwise(words))
    assert options["--checks"] == f"{PORT}:http:/healthz"
    assert options["--ports"] == f"{PORT}:http"
    assert (options["--min-scale"], options["--max-scale"]) == ("1", "1")
    given = dict(words[number + 1].split("=", 1) for number, word in enumerate(words) if word == "--env")
    assert set(given) >= NEEDED
    for name, value in given.items():
        environment.setenv(name, value if "secret." not in value else KEY)
    assert load_settings().http.trusted_proxies


def test_no_secret_stands_in_a_command_line_of_koyeb(tmp_path: Path) -> None:
    _, words = koyeb(tmp_path, "git", "github.com/me/rollcall")
    assert words[0] == "secrets create rollcall-database-url --value-from-stdin < 23"
    assert words[1].endswith("< 44")
    assert words[2].endswith("< 48")
    assert not any("geheim" in word for word in words)


def test_koyeb_is_not_asked_without_a_database_or_in_a_third_way(tmp_path: Path) -> None:
    assert koyeb(tmp_path, "git", "github.com/me/rollcall", url="") == (2, []) or os.name != "posix"
    assert koyeb(tmp_path, "ftp", "x") == (2, [])
