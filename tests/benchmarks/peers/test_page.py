import json
from pathlib import Path

import pytest

from benchmarks.peers import page
from tests.benchmarks.peers.rows import failed, receiver, row


def test_the_page_holds_all_tables_the_way_it_was_measured_and_the_machine() -> None:
    text = page.page([row("rollcall"), row("face_recognition", ratio=24.0), receiver("websockets")])
    assert "| The rollcall | 5.0 ms |" in text
    assert "| The websockets | 5,432 |" in text
    assert "- **The face_recognition**: By default. (numpy 2.0)" in text
    assert "\nMachine: A processor, 2 cores, Python 3.11.2, 2030-01-02, commit abc1234; load average" in text
    assert text.endswith(" of the minute before 0.5.\n")
    assert "quick run" not in text


def test_what_was_not_measured_is_not_explained() -> None:
    assert "*Portraits*" not in page.page([row("rollcall")])


def test_results_of_a_quick_run_are_said_to_be_such() -> None:
    assert "From a quick run, which takes few samples: The rollcall." in page.page([row("rollcall", quick=True)])


@pytest.mark.parametrize(("ratio", "met"), [(24.0, "yes, 24"), (9.0, "**no**, 9")])
def test_the_aim_of_ten_times_less_time_is_shown_as_met_or_missed(ratio: float, met: str) -> None:
    lines = page.aims([row("rollcall"), row("face_recognition", ratio=ratio)])
    assert f"At least 10 times less time for a face than face_recognition: {met}" in lines[0]
    assert "faces found at 640 px yes (21 and 21)" in lines[0]


def test_accuracy_beside_the_slowest_is_told_figure_by_figure_and_where_it_is_worse() -> None:
    def judged(tar: float, strangers: int) -> dict[str, object]:
        own = {"genuine_pairs": 80, "tar": tar, "impostor_pairs": 700, "fmr": 0.0}
        portraits = {"images": 40, "faces_found": 40, "rank1": 1.0, "d_prime": 5.0, "tar_at_fmr": {}, "own_limit": own}
        scenes = {"faces": 44, "found": 44, "extra": 0, "strangers": 29, "strangers_accepted": strangers}
        return {**row("x")["accuracy"], "portraits": portraits, "scenes": scenes}

    lines = page.aims(
        [row("rollcall", accuracy=judged(0.93, 0)), row("face_recognition", ratio=20.0, accuracy=judged(0.96, 1))]
    )
    assert "true pairs within the own limit **no** (0.93 and 0.96)" in lines[0]
    assert "strangers within it yes (0 and 1)" in lines[0]
    assert "TAR at" not in lines[0]


def test_memory_is_compared_with_those_that_recognise_and_those_that_only_detect() -> None:
    peers = [row("human", peak_mb=500.0), row("opencv", peak_mb=80.0, recognises=False)]
    lines = page.aims([row("rollcall"), *peers])
    assert "not measured" in lines[0]
    assert "every peer that recognises: yes. Rollcall 120 MB; The human 500 MB." in lines[1]
    assert "a peer that only detects: **no**. Rollcall 120 MB; The opencv 80 MB." in lines[2]


def test_a_peer_that_failed_proves_nothing() -> None:
    lines = page.aims([row("rollcall"), failed("face_recognition", "no registry")])
    assert lines == ["- Time beside face_recognition: not measured.", "- Memory beside the peers: not measured."]


def test_a_run_of_some_peers_leaves_the_others_as_they_were() -> None:
    old = [row("rollcall"), row("human", peak_mb=9.0), row("gone")]
    new = [row("human", peak_mb=8.0), row("opencv")]
    assert [(kept["name"], kept["peak_mb"]) for kept in page.merged(old, new)] == [
        ("rollcall", 120.0),
        ("human", 8.0),
        ("opencv", 120.0),
    ]


@pytest.mark.parametrize("content", ["", "[]", '{"peers": 1}', '{"other": []}'])
def test_another_kind_of_file_holds_no_rows(tmp_path: Path, content: str) -> None:
    path = tmp_path / "peers.json"
    assert page.read_rows(path) == []
    path.write_text(content)
    assert page.read_rows(path) == []
    path.write_text(json.dumps({"peers": [row("rollcall")]}))
    assert [kept["name"] for kept in page.read_rows(path)] == ["rollcall"]


def test_the_readme_gets_the_short_table_between_its_markers_only() -> None:
    readme = "before\n<!-- peers -->\nold\n<!-- /peers -->\nafter\n"
    updated = page.with_table(readme, [row("rollcall"), receiver("websockets")])
    assert updated is not None
    assert updated.startswith("before\n<!-- peers -->\n| | Time of a face |")
    assert updated.endswith("commit abc1234.\n<!-- /peers -->\nafter\n")
    assert "old" not in updated
    assert "websockets" not in updated
    assert page.with_table("no markers", [row("rollcall")]) is None
