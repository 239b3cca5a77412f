from benchmarks.peers import tables
from tests.benchmarks.peers.rows import failed, receiver, row


def test_the_table_of_time_shows_ratio_memory_size_and_start() -> None:
    ours = row("rollcall", installed={"mb": 300.0, "models_mb": 6.0, "recognition_alone_mb": 180.0})
    lines = tables.speed_table([ours, row("face_recognition", ratio=24.0, peak_mb=310.0)])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert cells[0][:4] == ["The rollcall", "5.0 ms", "1", "4.5 ms"]
    assert cells[0][4:] == ["1", "20.0 ms", "20.0 ms", "20.0 ms", "120 MB", "300 MB (180)", "0.51 s"]
    assert cells[1][:4] == ["The face_recognition", "120 ms", "24 (24 to 25)", "108 ms"]
    assert cells[1][4:] == ["24 (24 to 25)", "480 ms", "480 ms", "480 ms", "310 MB", "200 MB", "0.51 s"]
    assert {line.count("|") for line in lines} == {12}


def test_a_peer_that_could_not_be_installed_is_a_row_that_says_why() -> None:
    broken = failed("human", "human cannot be installed: no | registry")
    for make, columns in ((tables.speed_table, 12), (tables.accuracy_table, 13), (tables.short_table, 7)):
        line = make([broken])[2]
        assert "not measured: human cannot be installed: no / registry" in line
        assert line.count("|") == columns
    assert tables.transport_table([broken])[2].count("|") == 9


def test_accuracy_shows_what_was_measured_and_leaves_the_rest_empty() -> None:
    portraits = {
        "images": 40,
        "faces_found": 39,
        "people": 8,
        "rank1": 0.96875,
        "d_prime": 4.9,
        "tar_at_fmr": {"0.01": 1.0, "0.001": 0.975},
        "own_limit": {"genuine_pairs": 80, "tar": 0.9, "impostor_pairs": 700, "fmr": 0.0014},
    }
    scenes = {"faces": 44, "found": 44, "extra": 0, "strangers": 29, "strangers_accepted": 3}
    measured = row("rollcall")
    measured["accuracy"] |= {"portraits": portraits, "scenes": scenes}
    with_data, without = tables.accuracy_table([measured, row("human")])[2:]
    assert with_data == (
        "| The rollcall | 22 of 22 | 21 of 22 + 2 wrong | 100 % | 39 of 40 | 96.9 % | 4.90 | 100 % | 97.5 % "
        "| 90 % / 0.14 % | 44 of 44 | 3 of 29 |"
    )
    assert without == "| The human | 22 of 22 | 21 of 22 + 2 wrong | 100 % |  |  |  |  |  |  |  |  |"


def test_the_short_table_says_of_a_detector_that_it_does_not_compare() -> None:
    assert tables.short_table([row("opencv", recognises=False)])[2].endswith("| 21 | does not compare |")


def test_the_table_of_the_transport_shows_frames_and_processor_time() -> None:
    assert tables.transport_table([receiver("websockets")])[2] == (
        "| The websockets | 5,432 | 0.123 ms | 0.5 | 0.123 ms | 0.5 | 120 MB | 0.51 s |"
    )
