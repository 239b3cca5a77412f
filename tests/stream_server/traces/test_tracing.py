import ast
import subprocess
import sys
from pathlib import Path

import pytest

from stream_server.settings import Settings, SettingsError, load_settings
from stream_server.traces.tracing import start_traces

NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
SERVER = Path(__file__).resolve().parents[3] / "stream_server"


def test_without_a_collector_there_are_none() -> None:
    assert start_traces(Settings(_env_file=None)) is None


def test_where_the_packages_are_missing_the_server_starts_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert start_traces(Settings(_env_file=None, traces={"endpoint": "http://collector:4318"})) is None
    assert "make extras" in caplog.text


def test_no_module_imports_them_before_they_are_needed() -> None:
    # The interface alone, which makes no spans, comes with FastAPI.
    code = "import sys, stream_server.app, stream_server.commands.serve, stream_server.traces.requests;"
    code += f"print([name for name in sys.modules if name.startswith({NEEDED})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_this_package_imports_them() -> None:
    found = set()
    for path in SERVER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.startswith("opentelemetry") for name in names):
                found.add(path.parent.name)
    assert found == {"traces"}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector.example/otlp/", "https://collector.example/otlp/v1/traces"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
    ],
)
def test_the_address_may_be_that_of_the_collector_or_of_its_traces(given: str, url: str) -> None:
    assert Settings(_env_file=None, traces={"endpoint": given}).traces.url == url


def test_the_variables_of_other_programs_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20eDp5, x-team = a%2Cb")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "rollcall-west")
    traces = load_settings().traces
    assert (traces.endpoint, traces.service) == ("http://collector:4318", "rollcall-west")
    assert traces.header_values == {"authorization": "Basic eDp5", "x-team": "a,b"}
    monkeypatch.setenv("ROLLCALL_TRACES__ENDPOINT", "http://own:4318")
    assert load_settings().traces.endpoint == "http://own:4318"
    monkeypatch.delenv("ROLLCALL_TRACES__ENDPOINT")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert load_settings().traces.endpoint is None


@pytest.mark.parametrize("address", ["collector:4317", "ftp://collector", "http://user:secret@collector", "http://["])
def test_an_address_that_is_none_is_refused_and_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT: write http://host:4318") as refused:
        load_settings()
    assert "secret" not in str(refused.value)


def test_headers_without_a_value_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_TRACES__HEADERS", "Bearer-abc")
    with pytest.raises(SettingsError, match="ROLLCALL_TRACES__HEADERS: write name=value") as refused:
        load_settings()
    assert "abc" not in str(refused.value)
