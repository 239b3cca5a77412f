import json
from collections import Counter

from benchmarks.cgroups import Usage
from benchmarks.envelope import Answers, Envelope
from benchmarks.envelope_report import as_json, page
from benchmarks.machine import machine_facts


def came(*, oom_kills: int = 0, exit_code: int | None = 0, peak_rss_mb: float = 180.0) -> Envelope:
    return Envelope(
        seconds=300,
        cgroup_version=2,
        ready_s=3.0,
        stopped_s=0.5,
        exit_code=exit_code,
        peak_rss_mb=peak_rss_mb,
        peak_group_mb=150.0,
        slope_mb_a_minute=0.1,
        usage=Usage(150.0, oom_kills, 3000, 600, 20.0),
        answers=Answers(sent=10, taken_s=[0.1] * 9, dropped=1),
        office={"a report": [0.2]},
        joins=Counter({"refused: no room": 3}),
        events=[5, 5],
        marked=4,
        ip_camera_frames=50,
        paces=(1.0, 4.0),
        complaints=Counter(),
    )


def test_the_report_is_json_too() -> None:
    told = json.loads(json.dumps(as_json(came(), {})))
    assert told["joins"] == {"refused: no room": 3}
    assert told["failures"] == []


def test_a_kill_is_more_than_a_missed_aim() -> None:
    missed, killed = came(peak_rss_mb=230), came(oom_kills=1, exit_code=-9)
    assert missed.failures
    assert not missed.killed
    assert killed.killed
    assert "230 MB (aim 200)" in page(missed, machine_facts())
