from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from storage.users import Role
from storage.visibility import EVERYTHING, Visible
from stream_server.access.principals import OWNER_TOKEN, Forbidden, Kind, Principal, digest
from stream_server.access.rights import ROLE_RIGHTS, RULES, Asked, Right, Rule

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PHONE = Principal(Kind.DEVICE, UUID(int=1), "Phone", frozenset({Right.STREAM}), camera_id="door")


def may(principal: Principal, rule: Rule, camera_id: str | None = None) -> bool:
    try:
        principal.check(Asked(rule, camera_id=camera_id))
    except Forbidden:
        return False
    return True


def somebody(role: Role) -> Principal:
    return Principal(Kind.USER, UUID(int=2), "Ada", ROLE_RIGHTS[role] | {Right.SESSION}, role=role)


def test_the_owners_token_may_do_all_but_what_is_for_sessions() -> None:
    assert {rule.path for rule in RULES if not may(OWNER_TOKEN, rule)} == {"/api/v1/logout", "/api/v1/me/password"}


def test_a_device_may_stream_as_its_own_camera_and_ask_who_it_is() -> None:
    own = {(rule.method, rule.path) for rule in RULES if may(PHONE, rule, "door")}
    others = {(rule.method, rule.path) for rule in RULES if may(PHONE, rule, "yard")}
    anybody = {(rule.method, rule.path) for rule in RULES if rule.right is Right.OPEN}
    assert others - anybody == {("GET", "/api/v1/me")}
    assert own - others == {(rule.method, rule.path) for rule in RULES if rule.right is Right.STREAM}


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.VIEWER, {Right.READ}),
        (Role.TEACHER, {Right.READ, Right.RECOGNISE, Right.PUNCH}),
        (Role.ADMIN, set(Right) - {Right.SETUP}),
        (Role.OWNER, set(Right) - {Right.SETUP}),
    ],
)
def test_what_a_role_may(role: Role, rights: set[Right]) -> None:
    allowed = {rule.right for rule in RULES if may(somebody(role), rule)}
    # Whoever may read, may read figures.
    assert allowed == rights | {Right.OPEN, Right.SIGNED_IN, Right.SESSION, Right.METRICS}


def test_only_groups_limit_what_is_seen() -> None:
    group_id = UUID(int=9)
    roles = (Role.OWNER, Role.ADMIN, Role.VIEWER)
    assert all(one.visible is EVERYTHING for one in (OWNER_TOKEN, PHONE, *map(somebody, roles)))
    assert somebody(Role.TEACHER).visible == Visible(frozenset()), "a teacher whose groups are not known sees nobody"
    assert replace(somebody(Role.TEACHER), groups=(group_id,)).visible == Visible(frozenset({group_id}))
    assert replace(somebody(Role.TEACHER), groups=()).visible == Visible(frozenset())


def test_only_owners_are_owners() -> None:
    assert OWNER_TOKEN.is_owner
    assert [role for role in Role if somebody(role).is_owner] == [Role.OWNER]
    assert not PHONE.is_owner


def test_records_name_who_did_something_without_a_name() -> None:
    assert OWNER_TOKEN.actor == "owner-token"
    assert PHONE.actor == f"device:{UUID(int=1)}"


def test_a_credential_ends_at_its_time() -> None:
    ending = Principal(Kind.API_TOKEN, UUID(int=3), "Export", frozenset(), expires_at=NOON)
    assert ending.left_s(NOON - timedelta(seconds=5)) == 5
    assert not ending.has_expired(NOON - timedelta(seconds=5))
    assert ending.has_expired(NOON)
    assert ending.left_s(NOON + timedelta(seconds=5)) == 0
    assert PHONE.left_s(NOON) is None


def test_a_digest_is_sha_256() -> None:
    assert digest("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
