from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stream_server.access.rights import RULES, SCOPES, SOCKET, Right, asked_for
from stream_server.app import create_app
from stream_server.serving.pages import OFFICE
from stream_server.settings import AuthSettings, Settings


def routes(those: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of everything that the application answers: endpoints, sockets, mounted files."""
    for route in those:
        if hasattr(route, "original_router"):  # an included router
            yield from routes(route.original_router.routes, prefix + route.include_context.prefix)
        elif getattr(route, "methods", None):
            yield from ((method, prefix + route.path) for method in route.methods)
        elif hasattr(route, "app") and hasattr(route, "name") and not hasattr(route, "endpoint"):
            yield "GET", prefix + route.path + "/{path:path}"  # a mounted folder
        else:
            yield SOCKET, prefix + route.path


@pytest.fixture
def served(tmp_path: Path) -> set[tuple[str, str]]:
    app = create_app(Settings(_env_file=None, data_dir=tmp_path, auth=AuthSettings(token=SecretStr("t" * 16))))
    return {(method, path) for method, path in routes(app.routes) if method != "HEAD"}


def test_every_route_and_socket_is_named_with_its_right_and_nothing_else_is(served: set[tuple[str, str]]) -> None:
    assert len(served) > 30
    named = [(rule.method, rule.path) for rule in RULES]
    assert len(named) == len(set(named))
    assert set(named) == served


def test_nothing_is_open_by_accident() -> None:
    assert {(rule.method, rule.path) for rule in RULES if rule.right is Right.OPEN} == {
        ("GET", "/healthz"),
        ("GET", "/api/v1/setup"),
        ("POST", "/api/v1/login"),
        *(("GET", path) for path in OFFICE),
        ("GET", "/camera"),
        ("GET", "/assets/{name}"),
        ("POST", "/api/v1/pair"),
    }


def test_what_changes_something_needs_more_than_the_right_to_read() -> None:
    for rule in RULES:
        # A search is sent as a body, so that no name stands in an address.
        if rule.method not in ("GET", SOCKET, "OPTIONS") and rule.path != "/api/v1/people/search":
            assert rule.right is not Right.READ, rule


def test_whatever_streams_names_its_camera_so_that_a_device_can_be_held_to_its_own() -> None:
    streams = [rule for rule in RULES if rule.right is Right.STREAM]
    assert len(streams) == 6
    assert all("{camera_id}" in rule.path for rule in streams)


def test_what_needs_no_giving_is_no_scope() -> None:
    assert set(Right) - set(SCOPES) == {
        Right.OPEN,
        Right.SIGNED_IN,
        Right.SESSION,
        Right.SETUP,
        Right.GRANT,
        Right.METRICS,
    }


def test_what_lets_others_in_is_for_no_token_however_many_scopes_it_has() -> None:
    granting = {
        ("POST", "/api/v1/users"),
        ("PATCH", "/api/v1/users/{user_id}"),
        ("PUT", "/api/v1/users/{user_id}/password"),
        ("POST", "/api/v1/tokens"),
    }
    assert {(rule.method, rule.path) for rule in RULES if rule.right is Right.GRANT} == granting


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/api/v1/people", Right.READ),
        ("GET", "/people/1", Right.OPEN),
        ("HEAD", "/api/v1/people", Right.READ),
        ("DELETE", "/api/v1/people/1/templates/2", Right.PEOPLE),
        ("POST", "/api/v1/cameras/discover", Right.CAMERAS),
        ("POST", "/whip/door", Right.STREAM),
    ],
)
def test_a_request_is_asked_for_its_right(method: str, path: str, right: Right) -> None:
    asked = asked_for({"type": "http", "method": method, "path": path})
    assert asked.rule is not None
    assert asked.rule.right is right


def test_the_camera_of_a_stream_is_read_from_the_address() -> None:
    for scope in (
        {"type": "websocket", "path": "/ws/v1/camera/door"},
        {"type": "http", "method": "DELETE", "path": "/whip/door/x"},
    ):
        assert asked_for(scope).camera_id == "door"


def test_what_is_not_named_is_nothing_whatever_the_method() -> None:
    for path in ("/healthz/", "//healthz", "/api/v1/people/", "/whip/a/b/c", "/ws/v1/camera/"):
        for method in ("GET", "POST", "DELETE", "TRACE"):
            asked = asked_for({"type": "http", "method": method, "path": path})
            assert (asked.rule, asked.allowed) == (None, ()), path
    assert asked_for({"type": "websocket", "path": "/api/v1/people"}).rule is None
    assert asked_for({"type": "http", "method": "GET", "path": "/ws/v1/events"}).rule is None


def test_another_method_is_told_which_ones_there_are() -> None:
    asked = asked_for({"type": "http", "method": "PUT", "path": "/api/v1/people"})
    assert asked.rule is None
    assert set(asked.allowed) == {"GET", "POST"}
