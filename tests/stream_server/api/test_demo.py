from pathlib import Path
from typing import Any

import pytest

from storage import audit, consents
from stream_server.demo.cast import enrolled_people
from stream_server.demo.people import CONSENT_ACTOR
from stream_server.errors import EnrolmentRefused


@pytest.fixture
def photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs that are there, and hold no face: looking at them takes models, which these tests do without."""

    async def refuse(*_: Any) -> None:
        raise EnrolmentRefused("no face was found in the photograph")

    monkeypatch.setattr("stream_server.demo.people.portrait", lambda key, folder: b"")
    monkeypatch.setattr("stream_server.demo.people.are_photographs_there", lambda folder: None)
    monkeypatch.setattr("stream_server.demo.people.enrol_photograph", refuse)
    monkeypatch.setattr("stream_server.people.enrolment.forget_faces_like", _nothing)


async def _nothing(*_: Any) -> None:
    return None


async def test_without_photographs_it_is_said_in_words(api: Any, tmp_path: Path) -> None:
    api.services.settings = api.settings.model_copy(
        update={"models": api.settings.models.model_copy(update={"dir": tmp_path})}
    )
    listed = await api.call("GET", "/demo")
    assert not listed["available"]
    assert "rollcall models build" in listed["reason"]
    assert [one["name"] for one in listed["people"]] == list(enrolled_people().values())
    assert not any(one["enrolled"] or one["person_id"] for one in listed["people"])
    key = listed["people"][0]["key"]
    assert (await api.call("PUT", f"/demo/{key}", 503))["code"] == "model_missing"
    assert (await api.call("GET", "/people"))["people"] == [], "nobody is added without a face"


async def test_the_demo_has_nobody_else(api: Any) -> None:
    assert (await api.call("PUT", "/demo/person-99", 404))["code"] == "person_not_found"
    await api.call("PUT", "/demo/anybody", 422)


async def test_they_are_added_once_as_of_the_demo_and_erased_together(api: Any, photograph: None) -> None:
    ada = await api.person("Ada Lovelace", consent=True)
    keys = [one["key"] for one in (await api.call("GET", "/demo"))["people"]][:2]
    for key in (*keys, *keys):
        assert (await api.call("PUT", f"/demo/{key}", 422))["code"] == "no_face"
    added = [one for one in (await api.call("GET", "/people"))["people"] if one["id"] != str(ada)]
    assert len(added) == 2, "the second time nobody is added"
    assert all(one["name"].endswith(" (demo)") and one["consent"] == "granted" for one in added)
    async with api.database.acquire() as connection:
        for one in added:
            (answer,) = await consents.history(connection, one["id"])
            assert (answer.actor, answer.text_version) == (CONSENT_ACTOR, None), "nobody was asked, to no text"
        noted = [one for one in (await audit.list_entries(connection)).items if one.details.get("demo")]
    assert len(noted) == 4
    await api.call("DELETE", "/demo", 204)
    await api.call("DELETE", "/demo", 204)
    assert [one["id"] for one in (await api.call("GET", "/people"))["people"]] == [str(ada)]
    assert not any(one["person_id"] for one in (await api.call("GET", "/demo"))["people"])
