from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response

from stream_server.access.cookies import (
    clear_session,
    csrf_token,
    csrf_token_fits,
    session_token_of,
    set_session,
)

TOKEN = "rcs_secret"


def scope(scheme: str = "http", **headers: str) -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": scheme,
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "school.example", **headers}.items()],
    }


def cookie_for(scope: dict[str, Any]) -> tuple[str, Any]:
    response = Response()
    set_session(response, scope, TOKEN, 3600)
    assert response.headers["cache-control"] == "no-store"
    ((name, morsel),) = SimpleCookie(response.headers["set-cookie"]).items()
    assert morsel.value == TOKEN
    return name, morsel


@pytest.mark.parametrize(
    "https",
    [
        scope("https"),
        scope(origin="https://school.example"),
        scope(origin="https://School.Example"),
    ],
)
def test_over_https_or_a_tunnel_the_cookie_is_bound_to_this_host(https: dict[str, Any]) -> None:
    name, morsel = cookie_for(https)
    assert name == "__Host-rollcall"
    assert morsel["secure"]
    assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert (morsel["httponly"], morsel["samesite"].lower(), morsel["max-age"]) == (True, "strict", "3600")


@pytest.mark.parametrize(
    "plain",
    [scope(), scope(origin="http://school.example"), scope(origin="https://evil.example"), scope(origin="http://[")],
)
def test_over_http_it_can_be_neither_but_is_out_of_reach_of_scripts_and_other_sites(plain: dict[str, Any]) -> None:
    name, morsel = cookie_for(plain)
    assert name == "rollcall"
    assert not morsel["secure"]
    assert (morsel["httponly"], morsel["samesite"].lower()) == (True, "strict")


def test_signing_out_takes_both_cookies() -> None:
    response = Response()
    clear_session(response)
    taken = [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]
    assert {text.partition("=")[0] for text in taken} == {"rollcall", "__Host-rollcall"}
    assert all("Max-Age=0" in text for text in taken)
    assert all("Secure" in text for text in taken if text.startswith("__Host-"))


@pytest.mark.parametrize(
    ("cookie", "token"),
    [
        (f"rollcall={TOKEN}", TOKEN),
        (f"a=b; __Host-rollcall={TOKEN}; c=d", TOKEN),
        (f"rollcall=rcs_planted; __Host-rollcall={TOKEN}", TOKEN),
        ("rollcall=", None),
        ("rollcall=rct_an-api-token", None),
        ("rollcall=rcd_a-device", None),
        (f"other={TOKEN}", None),
        ("", None),
        (";;=;", None),
    ],
)
def test_a_session_is_read_from_its_cookie_and_nothing_else_is_one(cookie: str, token: str | None) -> None:
    assert session_token_of(scope(cookie=cookie)) == token


@pytest.mark.parametrize("secure", [{"scheme": "https"}, {"scheme": "wss"}, {"origin": "https://school.example"}])
def test_over_https_only_the_cookie_that_nobody_else_can_plant_counts(secure: dict[str, str]) -> None:
    assert session_token_of(scope(cookie=f"rollcall={TOKEN}", **secure)) is None
    assert session_token_of(scope(cookie=f"__Host-rollcall=; rollcall={TOKEN}", **secure)) is None
    assert session_token_of(scope(cookie=f"rollcall=rcs_planted; __Host-rollcall={TOKEN}", **secure)) == TOKEN


def test_a_csrf_token_fits_its_session_and_tells_nothing_of_it() -> None:
    good = csrf_token(TOKEN)
    assert TOKEN not in good
    assert csrf_token_fits(TOKEN, Headers({"x-csrf-token": good}))
    for bad in ("", good[:-1], good.upper(), csrf_token("rcs_another"), TOKEN, "\xe9"):
        assert not csrf_token_fits(TOKEN, Headers({"x-csrf-token": bad})), bad
    assert not csrf_token_fits(TOKEN, Headers({}))
