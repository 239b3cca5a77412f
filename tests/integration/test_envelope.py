from pathlib import Path

import pytest

from benchmarks import envelope_report
from benchmarks.cgroups import NoControlGroups
from benchmarks.envelope import envelope
from benchmarks.machine import machine_facts


@pytest.mark.timeout(240)
async def test_a_server_lives_and_answers_within_256_mb_and_half_a_core(models_dir: Path) -> None:
    try:
        came = await envelope(models_dir, minutes=0.55)
    except NoControlGroups as error:
        pytest.skip(str(error))
    assert not came.killed
    assert came.answers.taken_s
    assert came.answers.sent >= len(came.answers.taken_s)
    assert all(came.events)
    assert came.marked
    assert came.ip_camera_frames
    assert {"a picture enrolled", "a report"} <= came.office.keys()
    assert came.joins.total() >= 1
    assert not came.complaints
    page = envelope_report.page(came, machine_facts())
    assert f"| People marked present | {came.marked} |" in page
