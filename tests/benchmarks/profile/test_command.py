import pytest

from benchmarks.profile.command import PAGE, improvement_table, memory_table, stage_table, with_table
from benchmarks.profile.improvements import Row
from benchmarks.profile.run import Compared
from benchmarks.profile.stages import Row as StageRow
from recognition.errors import InternalError


def test_a_table_takes_the_place_of_the_one_between_its_markers() -> None:
    page = "above\n<!-- a -->\nold\n<!-- /a -->\nbelow\n"
    assert with_table(page, "a", ["| new |"]) == "above\n<!-- a -->\n| new |\n<!-- /a -->\nbelow\n"


def test_a_page_without_markers_is_an_error_and_not_left_as_it_was_in_silence() -> None:
    with pytest.raises(InternalError, match="markers"):
        with_table("nothing here", "a", [])


def test_the_page_has_a_place_for_every_table() -> None:
    page = PAGE.read_text("utf-8")
    for name in ("stages", "improvements", "memory", "machine"):
        assert with_table(page, name, ["x"]).count(f"<!-- {name} -->") == 1


def test_memory_is_told_as_what_each_step_adds() -> None:
    lines = memory_table([("Python", 5.0, 6.0), ("numpy", 13.5, 12.0), ("let go", 13.5, 2.0)])
    assert lines[2:] == [
        "| Python | +5.0 | +6.0 | 11.0 |",
        "| numpy | +8.5 | +6.0 | 25.5 |",
        "| let go | +0.0 | -10.0 | 15.5 |",
    ]


def test_other_names_than_without_the_improvement_stand_out() -> None:
    rows = [Row("gate", "room", Compared(20.0, 5.0, 0.25), 2, 0.4, same) for same in (True, False)]
    same, other = improvement_table(rows)[2:]
    assert same == "| gate | room | 20.0 | 5.0 | 0.25 | 2 | 0.4 | yes |"
    assert other.endswith("| **no** |")
    assert stage_table([StageRow("decode", "a JPEG", 1.0)])[-1] == "| decode | a JPEG | 1.000 |"
