import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_server.sampler import FrameCounts
from stream_server.settings import Settings
from stream_server.telemetry.metrics import write
from tests.stream_server.test_health import make_services

ROOT = Path(__file__).resolve().parents[3]
# Values of labels that are written down in the code; ids of cameras are the one exception.
LABELS = {"part", "reason", "stage", "outcome", "state", "alert", "kind", "version", "camera", "le"}


def families(services: Any) -> dict[str, Any]:
    """By the names that a query uses."""
    found = {}
    for family in text_string_to_metric_families(write(services).decode()):
        found[family.name + ("_total" if family.type == "counter" else "")] = family
    return found


def samples(services: Any) -> dict[str, float]:
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in families(services).values()
        for sample in family.samples
    }


def test_the_figures_are_those_of_the_parts() -> None:
    services = make_services(recorder__pending=4, sampler__ease=0.5)
    found = samples(services)
    assert found["rollcall_spool_sightings"] == 4
    assert found["rollcall_pace_fps"] == 5
    assert found["rollcall_sightings_total{stored}"] == 3
    assert found["rollcall_memory_limit_bytes"] == 256e6
    assert found["rollcall_memory_pressure{none}"] == 1
    assert found["rollcall_memory_pressure_rises_total{soft}"] == 1
    assert found["rollcall_gallery_templates"] == 5
    assert found["rollcall_stage_seconds_count{detect}"] == 0


def test_cameras_are_told_apart_only_while_they_stream_and_where_that_is_wanted() -> None:
    counts = {"door": FrameCounts(received=7, dropped_paced=2)}
    services = make_services(hub__all_counts=lambda: counts)
    assert samples(services)["rollcall_camera_frames_received_total{door}"] == 7
    assert samples(services)["rollcall_camera_frames_dropped_total{door}"] == 2
    services.settings = Settings(_env_file=None, metrics={"cameras": False})
    assert "door" not in write(services).decode()


def test_no_label_could_name_anybody() -> None:
    services = make_services(hub__all_counts=lambda: {"door": FrameCounts()})
    labels = {name for family in families(services).values() for sample in family.samples for name in sample.labels}
    assert labels <= LABELS


def test_the_reference_lists_every_figure_and_no_other() -> None:
    services = make_services(hub__all_counts=lambda: {"door": FrameCounts()})
    services.sampler._frame_cost_s = 0.02
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    listed = dict(re.findall(r"^\| `(rollcall_\w+)` \| (\w+) \|", page, re.MULTILINE))
    assert listed == {name: family.type for name, family in families(services).items()}


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "observability").glob("*")), ids=lambda path: path.name)
def test_whatever_is_deployed_asks_for_figures_that_there_are(path: Path) -> None:
    services = make_services(hub__all_counts=lambda: {"door": FrameCounts()})
    services.sampler._frame_cost_s = 0.02
    there = set(families(services))
    there |= {f"{name}_{part}" for name in there for part in ("bucket", "count", "sum") if name.endswith("_seconds")}
    asked = set(re.findall(r"\brollcall_[a-z_]+", path.read_text()))
    assert asked <= there
    assert asked or path.name in ("README.md", "prometheus.yml")
