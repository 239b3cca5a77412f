import json
from dataclasses import replace

from benchmarks.soak import Fault, Soak, Watched
from benchmarks.soak_report import as_json, page

MACHINE = {"cpu": "A processor", "cores": 2, "python": "3.11.2", "date": "2030-01-02", "load_before": 0.5}
HELD = {"tasks": 19.0, "memory_mb": 200.0}


def came(missing: int = 0) -> Soak:
    cameras = [Watched("door", True, 0.4, 0.1, 900, marked=5, missing=missing), Watched("yard", False, 9.0, 8.0, 300)]
    faults = [Fault("yard", "killed", 0.1, 1.5), Fault("yard", "killed", 0.3, 0.5), Fault("yard", "frozen", 3.5, None)]
    return Soak(60.0, 2.0, cameras, faults[: 2 + missing], 5, HELD, HELD | {"memory_mb": 205.5}, 230.4)


def test_the_page_says_that_nothing_was_lost_and_what_was_seen() -> None:
    text = page(came(), MACHINE)
    assert "Nothing was lost: 1 cameras streamed while the other 1 broke." in text
    assert "| door | 900 | 0.4 s | 0.1 s | 0 | 5 | 0 |" in text
    assert "| yard | killed | 2 | 0.3 s | 1.5 s |" in text
    assert "| memory mb | 200 | 205.5 |" in text
    assert "A processor, 2 cores" in text


def test_the_page_lists_what_was_lost_in_place_of_the_praise() -> None:
    text = page(came(missing=1), MACHINE)
    assert "Nothing was lost" not in text
    assert "log" not in text
    assert "a reader is silent" in page(replace(came(), log_errors=["ERROR a reader is silent"]), MACHINE)
    assert "- door: 1 of 6 times a person was not marked" in text
    assert "| yard | frozen | 1 | 3.5 s | **never** |" in text


def test_the_json_holds_the_failures_and_the_machine() -> None:
    content = json.loads(json.dumps(as_json(came(missing=1), MACHINE)))
    assert len(content["failures"]) == 2
    assert content["machine"]["cores"] == 2
    assert [camera["camera_id"] for camera in content["cameras"]] == ["door", "yard"]
    assert "_last" not in content["cameras"][0]
