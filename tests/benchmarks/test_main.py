import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks import __main__ as command
from benchmarks import envelope, soak
from benchmarks.cgroups import NoControlGroups
from benchmarks.measurement import Measurement
from recognition.errors import UnavailableError
from tests.benchmarks.test_envelope_report import came
from tests.partners.rtsp_cameras import PartnerMissing

Run = Callable[..., Result]


def one(name: str) -> Callable[..., list[Measurement]]:
    def measure(
        models_dir: Path, *, quick: bool, advance: Callable[[float], None], minutes: float = 0.0
    ) -> list[Measurement]:
        advance(1.0)
        return [Measurement(f"{name}.total", 1.5, "ms", 2.0)]

    return measure


def failing(models_dir: Path, **_: Any) -> list[Measurement]:
    raise UnavailableError("the server did not start")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command with benchmarks that measure nothing; what it writes goes to `tmp_path`."""
    for name in command.BENCHMARKS:
        monkeypatch.setitem(command.BENCHMARKS, name, one(name))
    monkeypatch.setattr(command, "PAUSE_S", 0.0)
    monkeypatch.setattr(command, "QUICK_PAUSE_S", 0.0)
    return lambda *arguments: CliRunner().invoke(command.main, ["--output", str(tmp_path), *arguments])


def test_a_run_writes_the_results_and_the_table_of_all_benchmarks(run: Run, tmp_path: Path) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [result["name"] for result in written] == [f"{name}.total" for name in command.BENCHMARKS]
    assert all(result["machine"]["cores"] and not result["quick"] for result in written)
    assert "| memory.total | 1.50 ms |" in (tmp_path / "RESULTS.md").read_text("utf-8")
    assert "memory.total" in done.stdout


def test_with_json_standard_output_is_one_document_of_what_was_run(run: Run) -> None:
    done = run("--json", "--quick", "--only", "startup")
    assert [(result["name"], result["quick"]) for result in json.loads(done.stdout)] == [("startup.total", True)]


def test_a_benchmark_that_fails_is_named_and_the_others_are_still_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(command.BENCHMARKS, "memory", failing)
    done = run()
    assert done.exit_code == 1
    assert "memory: the server did not start" in done.stderr
    written = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [result["benchmark"] for result in written] == [
        "pipeline",
        "latency",
        "startup",
        "attendance",
        "cameras",
        "browser",
    ]


@pytest.mark.parametrize(("quick", "updated"), [(False, True), (True, False)])
def test_only_a_full_run_into_the_usual_folder_updates_the_readme(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool, updated: bool
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- benchmarks -->\n<!-- /benchmarks -->\n", "utf-8")
    monkeypatch.setattr(command, "_README", readme)
    monkeypatch.setattr(command, "_HERE", tmp_path)
    assert run(*(["--quick"] if quick else [])).exit_code == 0
    assert ("| What | Measured | Aim |" in readme.read_text("utf-8")) is updated


def test_another_folder_leaves_the_readme_alone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- benchmarks -->\n<!-- /benchmarks -->\n", "utf-8")
    monkeypatch.setattr(command, "_README", readme)
    assert run().exit_code == 0
    assert readme.read_text("utf-8") == "<!-- benchmarks -->\n<!-- /benchmarks -->\n"


@pytest.mark.parametrize("lost", [False, True])
def test_a_soak_writes_its_report_and_ends_with_1_when_something_was_lost(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    async def short(models_dir: Path, *, minutes: float, advance: Callable[[float], None]) -> soak.Soak:
        advance(1.0)
        faults = [] if lost else [soak.Fault("yard", "killed", 0.1, 0.2)]
        return soak.Soak(minutes * 60, 2.0, [], faults, 1, {"tasks": 1.0}, {"tasks": 1.0}, 200.0)

    monkeypatch.setattr(soak, "soak", short)
    arguments = ["soak", "--minutes", "2", "--output", str(tmp_path / "there"), "--json"]
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == int(lost), done.output
    assert json.loads(done.stdout)["seconds"] == 120
    assert "# Soak" in (tmp_path / "there" / "SOAK.md").read_text()
    assert not (tmp_path / "results.json").exists()


def test_a_soak_without_its_partners_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def missing(models_dir: Path, **_: Any) -> soak.Soak:
        raise PartnerMissing("VLC is not installed")

    monkeypatch.setattr(soak, "soak", missing)
    done = CliRunner().invoke(command.main, ["soak", "--output", str(tmp_path)])
    assert (done.exit_code, done.stderr.strip()) == (1, "Error: VLC is not installed")


@pytest.mark.parametrize(("flags", "exit_code"), [((), 1), (("--where-possible",), 0)])
def test_where_no_control_group_can_be_made_it_is_said_and_nothing_is_written(
    run: Run, flags: tuple[str, ...], exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def impossible(*_: Any, **__: Any) -> Any:
        raise NoControlGroups("no control group can be made here")

    monkeypatch.setattr(envelope, "envelope", impossible)
    result = run("envelope", *flags, "--output", str(tmp_path))
    assert result.exit_code == exit_code
    assert "no control group can be made here" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "flags", "exit_code"),
    [
        ({"peak_rss_mb": 230.0}, (), 1),
        ({"peak_rss_mb": 230.0}, ("--only-kills",), 0),
        ({"oom_kills": 1, "exit_code": -9}, ("--only-kills",), 1),
    ],
)
def test_a_missed_aim_may_pass_and_a_kill_never_does(
    run: Run,
    changes: dict[str, Any],
    flags: tuple[str, ...],
    exit_code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ran(*_: Any, **__: Any) -> envelope.Envelope:
        return came(**changes)

    monkeypatch.setattr(envelope, "envelope", ran)
    assert run("envelope", *flags, "--output", str(tmp_path)).exit_code == exit_code
    assert (tmp_path / "ENVELOPE.md").is_file()
