import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.errors import RequestError
from storage.paging import checked_limit, page_of, text_cursor, time_cursor


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.uuids())
def test_a_text_cursor_gives_back_what_it_names(text: str, row_id: UUID) -> None:
    page = page_of([(text, row_id)] * 2, 1, lambda row: row)
    assert text_cursor(page.next_cursor) == (text, row_id)


@settings(deadline=None)
@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), st.uuids())
def test_a_time_cursor_gives_back_what_it_names(at: datetime, row_id: UUID) -> None:
    page = page_of([(at, row_id)] * 2, 1, lambda row: row)
    assert time_cursor(page.next_cursor) == (at, row_id)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    for read in (text_cursor, time_cursor):
        with pytest.raises(RequestError) as refused:
            read(cursor)
        assert refused.value.code == "cursor_invalid"


@pytest.mark.parametrize(
    "document", ["[]", '["a"]', '[1, "x"]', '{"a": 1}', '["\\ud800", "0d2a1d0e-0000-4000-8000-000000000000"]']
)
def test_a_cursor_with_another_content_is_refused(document: str) -> None:
    with pytest.raises(RequestError):
        text_cursor(base64.urlsafe_b64encode(document.encode()).decode())


def test_the_last_page_has_no_cursor_and_limits_are_bounded() -> None:
    assert page_of([], 5, lambda row: row).next_cursor is None
    assert checked_limit(200) == 200
    for limit in (0, -1, 201):
        with pytest.raises(RequestError):
            checked_limit(limit)
