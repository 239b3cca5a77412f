import json
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from recognition.types import FaceState
from storage.attendance import Method, Status
from storage.people import Consent
from stream_server.messages import people as person_messages
from stream_server.messages import wire as messages
from stream_server.messages.cameras import CameraPut
from stream_server.messages.people import PersonCreate
from stream_server.messages.wire import (
    CAMERA_ID,
    AttendanceNotice,
    CameraClientMessage,
    CameraServerMessage,
    Event,
    Face,
    Faces,
    Hello,
    PersonRef,
    Problem,
    Shape,
    StatusNotice,
    Welcome,
)

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


MODULES = [path.stem for path in Path(messages.__file__).parent.glob("[a-z]*.py")]


def shapes() -> list[type[BaseModel]]:
    return [
        value
        for name in sorted(MODULES)
        for value in vars(import_module(f"stream_server.messages.{name}")).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value not in (BaseModel, Shape)
    ]


@pytest.mark.parametrize("shape", shapes())
def test_every_shape_says_what_it_is(shape: type[BaseModel]) -> None:
    assert shape.__doc__
    assert shape.__doc__ != BaseModel.__doc__


@pytest.mark.parametrize("message", [*get_args(CameraServerMessage), CameraClientMessage, StatusNotice])
def test_every_message_of_a_socket_says_its_type_in_a_field_of_its_own(message: type[BaseModel]) -> None:
    kind = message.model_fields["type"]
    (name,) = get_args(kind.annotation)
    assert name == name.lower()


def test_the_names_of_the_wire_are_those_of_the_parts() -> None:
    assert set(get_args(messages.State)) == {state.value for state in FaceState}
    assert set(get_args(messages.Status)) == {status.value for status in Status}
    assert set(get_args(messages.Method)) == {method.value for method in Method}
    assert set(get_args(messages.Consent)) == {consent.value for consent in Consent}


def test_nothing_biometric_crosses_the_wire_to_a_camera_or_an_event() -> None:
    for shape in (*get_args(CameraServerMessage), Face, Event):
        assert not {"embedding", "distance", "runner_up", "quality_score"} & set(shape.model_fields), shape
    assert "embedding" not in person_messages.TemplateBody.model_fields


@pytest.mark.parametrize("shape", [PersonCreate, PersonRef, CameraPut, StatusNotice, Event])
def test_members_that_nobody_knows_are_refused(shape: type[Shape]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        shape.model_validate({"id": str(UUID(int=1)), "name": "Ada", "state": "ok", "colour": "red"})


def test_a_hello_of_a_later_version_is_understood() -> None:
    hello = Hello.model_validate({"type": "hello", "faces": False, "since": {"version": 9}})
    assert (hello.faces, hello.client, hello.max_fps) == (False, "", None)


def test_a_message_does_not_change_once_it_is_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PersonRef(id=UUID(int=1), name="Ada").name = "Bob"  # type: ignore[misc]


def test_times_are_written_in_utc() -> None:
    event = Event(id=1, type="test", at=AT, data={})
    assert json.loads(event.model_dump_json())["at"] == "2026-03-02T12:00:00Z"
    faces = Faces(frame=1, captured_at=AT, width_px=1, height_px=1, faces=(), received=1, dropped=0)
    assert json.loads(faces.model_dump_json())["captured_at"].endswith("Z")
    elsewhere = Event.model_validate_json('{"id": 1, "type": "x", "at": "2026-03-02T13:00:00+01:00", "data": {}}')
    assert elsewhere.at == AT.astimezone(timezone(timedelta(hours=1)))


def test_a_welcome_says_what_the_server_would_like() -> None:
    welcome = Welcome(
        camera="door", pace_fps=5.0, width_px=640, height_px=480, quality=80, max_bytes=2**20, server_time=AT
    )
    told = json.loads(welcome.model_dump_json())
    assert (told["type"], told["protocol"]) == ("welcome", messages.PROTOCOL)
    assert told["formats"] == ["image/jpeg", "image/webp", "image/png"]


def test_an_attendance_event_is_what_the_camera_is_told() -> None:
    data: dict[str, Any] = {
        "attendance_id": str(UUID(int=1)),
        "session_id": str(UUID(int=2)),
        "person": {"id": str(UUID(int=3)), "name": "Ada"},
        "status": "present",
        "method": "face",
        "first_seen": AT.isoformat(),
        "camera": "door",
    }
    told = json.loads(AttendanceNotice(event_id=4, **data).model_dump_json())
    assert told == data | {"type": "attendance", "event_id": 4, "first_seen": "2026-03-02T12:00:00Z"}


@pytest.mark.parametrize("name", ["", "   ", "\t\n", "x" * 201])
def test_a_person_has_a_name(name: str) -> None:
    with pytest.raises(ValidationError):
        PersonCreate(name=name)


@pytest.mark.parametrize("name", ["Ada", "Łukasz Ż.", "李小龍", "O'Neil", "x" * 200])
def test_names_are_those_that_people_have(name: str) -> None:
    assert PersonCreate(name=name).name == name
    assert PersonCreate(name=name).consent is False


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x7f", "x" * 201])
def test_a_camera_has_a_name_that_can_be_stored_and_shown(name: str) -> None:
    with pytest.raises(ValidationError):
        CameraPut(name=name)


def test_the_pattern_of_a_camera_id_is_the_one_that_is_stored() -> None:
    from storage.cameras import CAMERA_ID as STORED

    assert f"^{STORED.pattern}$" == CAMERA_ID


def test_a_problem_has_a_type_even_when_there_is_nothing_to_say_about_it() -> None:
    problem = Problem(title="Not Found", status=404, code="not_found", detail="nothing there")
    assert problem.model_dump() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "nothing there",
        "hint": "",
    }
