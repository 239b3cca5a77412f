import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.errors import RequestError
from storage.paging import RowCursor, checked_limit, page_of, row_cursor, time_cursor


@settings(deadline=None)
@given(st.uuids(), st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_a_row_cursor_gives_back_what_it_names(row_id: UUID, version: int, given: int) -> None:
    page = page_of([0, 0], 1, lambda _: (row_id, str(version), given))
    assert row_cursor(page.next_cursor) == RowCursor(row_id, str(version), given)


@settings(deadline=None)
@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), st.uuids())
def test_a_time_cursor_gives_back_what_it_names(at: datetime, row_id: UUID) -> None:
    page = page_of([0, 0], 1, lambda _: (at, row_id))
    assert time_cursor(page.next_cursor) == (at, row_id)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    for read in (row_cursor, time_cursor):
        with pytest.raises(RequestError) as refused:
            read(cursor)
        assert refused.value.code == "cursor_invalid"


ID = '"0d2a1d0e-0000-4000-8000-000000000000"'


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        '["a"]',
        '{"a": 1}',
        '[1, "1", 1]',
        '["x", "1", 1]',
        f"[{ID}, 1, 1]",
        f'[{ID}, "1"]',
        f'[{ID}, "1", 0]',
        f'[{ID}, "1", -1]',
        f'[{ID}, "1", true]',
        f'[{ID}, "1", 1.5]',
        f'[{ID}, "1", "1"]',
        f'[{ID}, "1", 99999999999999999999]',
        f'["2026-03-02T00:00:00+00:00", "x{ID[1:]}]',
        f'["noon", {ID}]',
        f'["0001-01-01T00:00:00+14:00", {ID}]',
        f"[[], {ID}]",
    ],
)
def test_a_cursor_with_another_content_is_refused(document: str) -> None:
    cursor = base64.urlsafe_b64encode(document.encode()).decode()
    for read in (row_cursor, time_cursor):
        with pytest.raises(RequestError) as refused:
            read(cursor)
        assert refused.value.code == "cursor_invalid"


def test_the_last_page_has_no_cursor_and_limits_are_bounded() -> None:
    assert page_of([], 5, lambda row: (row,)).next_cursor is None
    assert checked_limit(200) == 200
    for limit in (0, -1, 201):
        with pytest.raises(RequestError):
            checked_limit(limit)
