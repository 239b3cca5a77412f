import re
from pathlib import Path

import pytest

from recognition.errors import RequestError
from storage.event_types import EVENT_TYPES, checked_filters, passes

STORAGE = Path(__file__).resolve().parents[2] / "storage"


def test_every_type_that_is_written_is_listed_and_no_other() -> None:
    source = "".join(path.read_text() for path in STORAGE.glob("*.py"))
    one_by_one = set(re.findall(r'outbox\.append\(\s*connection,\s*"([\w.]+)"', source))
    in_bulk = set(re.findall(r'\("((?:attendance|session|roster|gallery)\.\w+)", ', source))
    assert one_by_one | in_bulk == set(EVENT_TYPES)


def test_filters_lose_repeats_and_none_means_all() -> None:
    assert checked_filters(["session.opened", "attendance.*", "session.opened"]) == ["attendance.*", "session.opened"]
    assert checked_filters([]) == []


@pytest.mark.parametrize("text", ["attendance.markd", "*", "", "attendance.", "%", "a' OR 1=1", "person.*"])
def test_a_filter_that_nothing_would_ever_pass_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as error:
        checked_filters([text])
    assert error.value.code == "event_type_unknown"


def test_a_family_of_types_is_not_its_namesake() -> None:
    assert passes("camera.*", "camera.state")
    assert not passes("camera.*", "cameras.state")
    assert not passes("camera.state", "camera.states")
