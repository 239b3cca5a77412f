"""Who may do what: the one table of all endpoints and sockets, and the right that each needs.

What is not in the table is closed to everybody: a new route does not exist until it is named here. A test walks the
routes of the application and holds the two to each other.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.routing import compile_path
from starlette.types import Scope

from storage.users import Role
from stream_server.access.scopes import SCOPES


class Right(StrEnum):
    """What a credential may do. The first six are no scopes: they are not given."""

    OPEN = "open"  # no credential is needed
    SIGNED_IN = "signed_in"  # any credential will do
    SESSION = "session"  # somebody who has signed in with a password
    SETUP = "setup"  # the token of the data folder alone
    GRANT = "grant"  # let others in; never a token's, or one that leaks could outlive its revocation
    METRICS = "metrics"  # the figures for Prometheus: whoever may read, and the scraper with its own token
    READ = "read"  # people, sessions, attendance, cameras, live events, health
    STREAM = "stream"  # send a camera's pictures and hear who was seen
    RECOGNISE = "recognise"  # ask who is in a picture
    PUNCH = "punch"  # mark somebody by hand, correct records, settle reviews
    ROSTER = "roster"  # groups, rooms, lessons and their imports
    PEOPLE = "people"  # add, change, enrol, export and erase people, what they agree to, and faces nobody has named
    CAMERAS = "cameras"  # add, test and remove cameras
    ADMIN = "admin"  # devices, users, tokens, the audit log


ALL_RIGHTS = frozenset(Right(scope) for scope in SCOPES)
ROLE_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: ALL_RIGHTS | {Right.GRANT},
    Role.ADMIN: ALL_RIGHTS | {Right.GRANT},  # but for what concerns owners
    # And each only within their groups. A stream marks whoever is seen, in whatever session the camera's room has, so
    # that it could not be kept to them: whoever holds a camera is let in by pairing it.
    Role.TEACHER: frozenset({Right.READ, Right.RECOGNISE, Right.PUNCH}),
    Role.VIEWER: frozenset({Right.READ}),
}
SOCKET = "WEBSOCKET"

_TABLE: tuple[tuple[str, str, Right], ...] = (
    ("GET", "/healthz", Right.OPEN),
    # Files that say nothing of anybody; whoever opens a page has no token yet.
    ("GET", "/", Right.OPEN),
    ("GET", "/welcome", Right.OPEN),
    ("GET", "/sign-in", Right.OPEN),
    ("GET", "/people", Right.OPEN),
    ("GET", "/people/{person_id}", Right.OPEN),
    ("GET", "/sessions", Right.OPEN),
    ("GET", "/sessions/{session_id}", Right.OPEN),
    ("GET", "/reports", Right.OPEN),
    ("GET", "/unknown", Right.OPEN),
    ("GET", "/cameras", Right.OPEN),
    ("GET", "/devices", Right.OPEN),
    ("GET", "/access", Right.OPEN),
    ("GET", "/settings", Right.OPEN),
    ("GET", "/webhooks", Right.OPEN),
    ("GET", "/webhooks/{webhook_id}", Right.OPEN),
    ("GET", "/health", Right.OPEN),
    ("GET", "/camera", Right.OPEN),
    ("GET", "/assets/{name}", Right.OPEN),
    ("GET", "/readyz", Right.READ),
    ("GET", "/metrics", Right.METRICS),
    ("GET", "/api/v1/openapi.json", Right.READ),
    ("GET", "/api/v1/setup", Right.OPEN),
    ("POST", "/api/v1/setup", Right.SETUP),
    ("POST", "/api/v1/login", Right.OPEN),
    ("POST", "/api/v1/logout", Right.SESSION),
    ("GET", "/api/v1/me", Right.SIGNED_IN),
    ("PUT", "/api/v1/me/password", Right.SESSION),
    ("GET", "/api/v1/users", Right.ADMIN),
    ("POST", "/api/v1/users", Right.GRANT),
    ("GET", "/api/v1/users/{user_id}", Right.ADMIN),
    ("PATCH", "/api/v1/users/{user_id}", Right.GRANT),
    ("DELETE", "/api/v1/users/{user_id}", Right.ADMIN),
    ("PUT", "/api/v1/users/{user_id}/password", Right.GRANT),
    ("DELETE", "/api/v1/users/{user_id}/sessions", Right.ADMIN),
    ("GET", "/api/v1/tokens", Right.ADMIN),
    ("POST", "/api/v1/tokens", Right.GRANT),
    ("DELETE", "/api/v1/tokens/{token_id}", Right.ADMIN),
    ("POST", "/api/v1/pair", Right.OPEN),
    ("POST", "/api/v1/pairings", Right.ADMIN),
    ("GET", "/api/v1/pairings", Right.ADMIN),
    ("DELETE", "/api/v1/pairings/{pairing_id}", Right.ADMIN),
    ("GET", "/api/v1/devices", Right.ADMIN),
    ("DELETE", "/api/v1/devices/{device_id}", Right.ADMIN),
    ("GET", "/api/v1/people", Right.READ),
    ("POST", "/api/v1/people", Right.PEOPLE),
    # Reads only; names stay out of addresses.
    ("POST", "/api/v1/people/search", Right.READ),
    ("GET", "/api/v1/people/{person_id}", Right.READ),
    ("PATCH", "/api/v1/people/{person_id}", Right.PEOPLE),
    ("DELETE", "/api/v1/people/{person_id}", Right.PEOPLE),
    ("GET", "/api/v1/people/{person_id}/templates", Right.READ),
    ("POST", "/api/v1/people/{person_id}/templates", Right.PEOPLE),
    ("POST", "/api/v1/people/{person_id}/templates/check", Right.PEOPLE),
    ("DELETE", "/api/v1/people/{person_id}/templates/{template_id}", Right.PEOPLE),
    ("GET", "/api/v1/people/{person_id}/consents", Right.READ),
    ("GET", "/api/v1/people/{person_id}/export", Right.PEOPLE),
    ("GET", "/api/v1/consent-texts", Right.READ),
    ("POST", "/api/v1/consent-texts", Right.PEOPLE),
    ("GET", "/api/v1/consent-texts/{version}", Right.READ),
    ("GET", "/api/v1/unknown-faces", Right.PEOPLE),
    ("GET", "/api/v1/unknown-faces/{face_id}", Right.PEOPLE),
    ("GET", "/api/v1/unknown-faces/{face_id}/crop", Right.PEOPLE),
    ("POST", "/api/v1/unknown-faces/{face_id}/assign", Right.PEOPLE),
    ("POST", "/api/v1/unknown-faces/{face_id}/person", Right.PEOPLE),
    ("POST", "/api/v1/unknown-faces/{face_id}/ignore", Right.PEOPLE),
    ("DELETE", "/api/v1/unknown-faces/{face_id}", Right.PEOPLE),
    ("GET", "/api/v1/audit", Right.ADMIN),
    ("POST", "/api/v1/recognise", Right.RECOGNISE),
    ("GET", "/api/v1/sessions", Right.READ),
    ("GET", "/api/v1/sessions/{session_id}", Right.READ),
    ("GET", "/api/v1/attendance", Right.READ),
    ("GET", "/api/v1/attendance/{attendance_id}", Right.READ),
    ("POST", "/api/v1/attendance", Right.PUNCH),
    ("POST", "/api/v1/sessions/{session_id}/cancel", Right.ROSTER),
    ("POST", "/api/v1/sessions/{session_id}/close", Right.PUNCH),
    ("PATCH", "/api/v1/attendance/{attendance_id}", Right.PUNCH),
    ("GET", "/api/v1/attendance/{attendance_id}/corrections", Right.READ),
    ("GET", "/api/v1/groups", Right.READ),
    ("POST", "/api/v1/groups", Right.ROSTER),
    ("GET", "/api/v1/groups/{group_id}", Right.READ),
    ("PATCH", "/api/v1/groups/{group_id}", Right.ROSTER),
    ("DELETE", "/api/v1/groups/{group_id}", Right.ROSTER),
    ("POST", "/api/v1/groups/{group_id}/memberships", Right.ROSTER),
    ("GET", "/api/v1/memberships", Right.READ),
    ("GET", "/api/v1/memberships/{membership_id}", Right.READ),
    ("PATCH", "/api/v1/memberships/{membership_id}", Right.ROSTER),
    ("DELETE", "/api/v1/memberships/{membership_id}", Right.ROSTER),
    ("GET", "/api/v1/rooms", Right.READ),
    ("POST", "/api/v1/rooms", Right.ROSTER),
    ("GET", "/api/v1/rooms/{room_id}", Right.READ),
    ("PATCH", "/api/v1/rooms/{room_id}", Right.ROSTER),
    ("DELETE", "/api/v1/rooms/{room_id}", Right.ROSTER),
    ("GET", "/api/v1/cameras/{camera_id}/place", Right.READ),
    ("PUT", "/api/v1/cameras/{camera_id}/place", Right.CAMERAS),
    ("POST", "/api/v1/roster/import", Right.ROSTER),
    ("GET", "/api/v1/roster/export", Right.ROSTER),
    ("POST", "/api/v1/roster/photographs", Right.PEOPLE),
    ("POST", "/api/v1/timetable/import", Right.ROSTER),
    ("GET", "/api/v1/lessons", Right.READ),
    ("POST", "/api/v1/lessons", Right.ROSTER),
    ("GET", "/api/v1/lessons/{lesson_id}", Right.READ),
    ("PUT", "/api/v1/lessons/{lesson_id}", Right.ROSTER),
    ("DELETE", "/api/v1/lessons/{lesson_id}", Right.ROSTER),
    ("POST", "/api/v1/punches", Right.PUNCH),
    ("GET", "/api/v1/sessions/{session_id}/punches/{person_id}", Right.READ),
    ("POST", "/api/v1/people/{person_id}/pin", Right.PEOPLE),
    ("POST", "/api/v1/people/{person_id}/qr", Right.PEOPLE),
    ("DELETE", "/api/v1/people/{person_id}/credentials/{kind}", Right.PEOPLE),
    ("GET", "/api/v1/reviews", Right.READ),
    ("GET", "/api/v1/reviews/{review_id}", Right.READ),
    ("POST", "/api/v1/reviews/{review_id}", Right.PUNCH),
    ("GET", "/api/v1/cameras", Right.READ),
    ("POST", "/api/v1/cameras/discover", Right.CAMERAS),
    ("POST", "/api/v1/cameras/test", Right.CAMERAS),
    ("GET", "/api/v1/cameras/{camera_id}", Right.READ),
    ("GET", "/api/v1/cameras/{camera_id}/frame", Right.READ),
    ("PUT", "/api/v1/cameras/{camera_id}", Right.CAMERAS),
    ("DELETE", "/api/v1/cameras/{camera_id}", Right.CAMERAS),
    ("POST", "/api/v1/cameras/{camera_id}/test", Right.CAMERAS),
    # A kiosk's own door: a device has it for its own camera alone, and wrong attempts are limited.
    ("POST", "/api/v1/cameras/{camera_id}/punches", Right.STREAM),
    ("GET", "/api/v1/reports/attendance", Right.READ),
    ("GET", "/api/v1/webhooks", Right.ADMIN),
    ("POST", "/api/v1/webhooks", Right.ADMIN),
    ("GET", "/api/v1/webhooks/{webhook_id}", Right.ADMIN),
    ("PATCH", "/api/v1/webhooks/{webhook_id}", Right.ADMIN),
    ("DELETE", "/api/v1/webhooks/{webhook_id}", Right.ADMIN),
    ("POST", "/api/v1/webhooks/{webhook_id}/secret", Right.ADMIN),
    ("POST", "/api/v1/webhooks/{webhook_id}/test", Right.ADMIN),
    ("GET", "/api/v1/webhooks/{webhook_id}/deliveries", Right.ADMIN),
    ("POST", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", Right.ADMIN),
    ("GET", "/api/v1/tunnel", Right.ADMIN),
    ("GET", "/api/v1/settings", Right.ADMIN),
    ("GET", "/api/v1/site", Right.READ),
    ("PATCH", "/api/v1/site", Right.ADMIN),
    ("GET", "/api/v1/demo", Right.ADMIN),
    ("PUT", "/api/v1/demo/{key}", Right.ADMIN),
    ("DELETE", "/api/v1/demo", Right.ADMIN),
    ("GET", "/api/v1/events", Right.READ),
    (SOCKET, "/ws/v1/events", Right.READ),
    (SOCKET, "/ws/v1/camera/{camera_id}", Right.STREAM),
    ("OPTIONS", "/whip/{camera_id}", Right.STREAM),
    ("POST", "/whip/{camera_id}", Right.STREAM),
    ("PATCH", "/whip/{camera_id}/{session_id}", Right.STREAM),
    ("DELETE", "/whip/{camera_id}/{session_id}", Right.STREAM),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: `method` is SOCKET for a WebSocket, `path` as the route has it."""

    method: str
    path: str
    right: Right


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for. Without a `rule` nothing is there; `allowed` are then the methods that would be."""

    rule: Rule | None
    allowed: tuple[str, ...] = ()
    camera_id: str | None = None


RULES = tuple(Rule(*line) for line in _TABLE)
# Compiled as the router does it, so that the two cannot read an address differently.
_PATTERNS = tuple((compile_path(rule.path)[0], rule) for rule in RULES)


def asked_for(scope: Scope) -> Asked:
    """The rule for a request or socket. HEAD is asked for as GET."""
    method = SOCKET if scope["type"] == "websocket" else str(scope["method"])
    method = "GET" if method == "HEAD" else method
    others: list[str] = []
    for pattern, rule in _PATTERNS:
        found: Any = pattern.match(scope["path"])
        if found is None:
            continue
        if rule.method == method:
            return Asked(rule, camera_id=found.groupdict().get("camera_id"))
        if SOCKET not in (rule.method, method):
            others.append(rule.method)
    return Asked(None, tuple(dict.fromkeys(others)))
