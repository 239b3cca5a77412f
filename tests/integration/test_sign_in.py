"""Users on a real server: the first owner, signing in by cookie, tokens, and that whatever is ended ends everywhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo
from tests.partners.session_browser import GOOD, Browser, browser_of

NAMES = iter(f"user-{number}" for number in range(1000))


@pytest_asyncio.fixture
async def browser(running_server: ChildServer) -> AsyncIterator[Browser]:
    async with browser_of(running_server) as browser:
        yield browser


async def add_user(client: ServerClient, role: str = "viewer", **more: Any) -> dict[str, Any]:
    login = next(NAMES)
    body = {"login": login, "name": login.title(), "role": role, "password": GOOD} | more
    return dict(await client.call("POST", "/api/v1/users", body=body))


async def drain(connection: ClientConnection) -> None:
    async with asyncio.timeout(5):
        while True:
            await connection.recv()


async def refused(client: ServerClient, method: str, path: str, **options: Any) -> str:
    with pytest.raises(ServerSaidNo) as error:
        await client.call(method, path, **options)
    return error.value.code


async def test_the_first_owner_is_made_with_the_printed_token_and_then_signs_in(own_server: Any) -> None:
    server: ChildServer = own_server()
    body = {"login": "ada", "name": "Ada", "password": GOOD}
    async with server, server.client() as client, browser_of(server) as browser:
        assert (await browser.http.get("/api/v1/setup")).json() == {"needed": True}
        assert (await browser.http.post("/api/v1/setup", json=body)).status_code == 401
        assert await refused(client, "POST", "/api/v1/setup", body=body | {"password": "short"}) == "password_too_weak"
        made = await client.call("POST", "/api/v1/setup", body=body)
        assert (made["user"]["role"], made["user"]["login"]) == ("owner", "ada")
        assert (await browser.http.get("/api/v1/setup")).json() == {"needed": False}
        assert await refused(client, "POST", "/api/v1/setup", body=body | {"login": "bob"}) == "setup_done"
        assert (await browser.sign_in("ada")).status_code == 200
        me = (await browser.http.get("/api/v1/me")).json()
        assert (me["kind"], me["role"], me["csrf_token"]) == ("user", "owner", browser.session["csrf_token"])
        # An admin may do what an owner may, but not to owners.
        admin = await add_user(client, "admin")
        async with browser_of(server) as other:
            await other.sign_in(admin["login"])
            owner_id = made["user"]["id"]
            for method, path, content in (
                ("PATCH", f"/users/{owner_id}", {"role": "viewer"}),
                ("PATCH", f"/users/{admin['id']}", {"role": "owner"}),
                ("PUT", f"/users/{owner_id}/password", {"password": GOOD}),
                ("DELETE", f"/users/{owner_id}/sessions", None),
                ("DELETE", f"/users/{owner_id}", None),
                ("POST", "/users", {"login": "x", "name": "X", "role": "owner", "password": GOOD}),
            ):
                answer = await other.http.request(method, "/api/v1" + path, json=content)
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
            answer = await other.http.get("/api/v1/users")
            assert [user["login"] for user in answer.json()["users"]] == ["ada", admin["login"]]
        for method, content in (("PATCH", {"role": "admin"}), ("DELETE", None)):
            answer = await browser.http.request(method, f"/api/v1/users/{owner_id}", json=content)
            assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
        log = server.log_path.read_text()
        assert GOOD not in log
        assert browser.cookie not in log


async def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_reach(
    client: ServerClient, browser: Browser
) -> None:
    user = await add_user(client)
    browser.http.cookies.set("rollcall", "rcs_planted-by-somebody")
    answer = await browser.sign_in(user["login"].upper())
    flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= flags
    assert "secure" not in flags  # plain http: the browser would not send it
    assert not any(flag.startswith("domain") for flag in flags)
    assert answer.headers["cache-control"] == "no-store"
    assert "rcs_" not in answer.text
    assert "planted" not in answer.headers["set-cookie"]
    answer = await browser.http.post(
        "/api/v1/login",
        json={"login": user["login"], "password": GOOD},
        headers={"Origin": browser.url.replace("http://", "https://")},
    )
    assert answer.headers["set-cookie"].startswith("__Host-rollcall=rcs_")
    assert "; Secure" in answer.headers["set-cookie"]


async def test_a_cookie_alone_changes_nothing(client: ServerClient, browser: Browser) -> None:
    group_id = (await client.call("POST", "/api/v1/groups", body={"name": "7A"}))["id"]
    teacher = await add_user(client, "teacher", groups=[group_id])
    await browser.sign_in(teacher["login"])
    person_id = await client.add_person("Marked", consent=False)
    await client.call("POST", f"/api/v1/groups/{group_id}/memberships", body={"person_id": str(person_id)})
    mark = {"json": {"person_id": str(person_id)}}
    proof = browser.http.headers.pop("X-CSRF-Token")
    answer = await browser.http.post("/api/v1/attendance", **mark)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused")
    evil = {"X-CSRF-Token": proof, "Origin": "https://evil.example"}
    assert (await browser.http.post("/api/v1/attendance", headers=evil, **mark)).status_code == 403
    assert (await browser.http.post("/api/v1/attendance", headers={"X-CSRF-Token": proof}, **mark)).status_code == 201
    answer = await browser.http.post("/api/v1/people", headers={"X-CSRF-Token": proof}, json={"name": "X"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    url = browser.url.replace("http", "ws", 1) + "/ws/v1/events"
    for origin, status in (("https://evil.example", 403), (None, 403)):
        with pytest.raises(InvalidStatus) as denied:
            await connect(url, additional_headers={"Cookie": f"rollcall={browser.cookie}"}, origin=origin)  # type: ignore[arg-type]
        assert denied.value.response.status_code == status
    await (await browser.socket()).close()


async def test_signing_out_ends_this_session_with_its_socket_and_no_other(
    client: ServerClient, browser: Browser, running_server: ChildServer
) -> None:
    user = await add_user(client)
    await browser.sign_in(user["login"])
    async with browser_of(running_server) as other:
        await other.sign_in(user["login"])
        async with await browser.socket() as ended, await other.socket() as kept:
            cookie = browser.cookie
            answer = await browser.http.post("/api/v1/logout")
            assert answer.status_code == 204
            assert not browser.http.cookies.get("rollcall")
            with pytest.raises(ConnectionClosed):
                await drain(ended)
            assert ended.close_code == 4401
            await kept.recv()
            stolen = await browser.http.get("/api/v1/me", headers={"Cookie": f"rollcall={cookie}"})
            assert stolen.status_code == 401
        assert (await other.http.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "", None),
        ("DELETE", "/sessions", None),
        ("PUT", "/password", {"password": "another good one"}),
        ("PATCH", "", {"role": "teacher"}),
    ],
)
async def test_whatever_changes_a_users_access_closes_their_sockets_at_once(
    client: ServerClient, browser: Browser, method: str, path: str, body: Any
) -> None:
    user = await add_user(client)
    await browser.sign_in(user["login"])
    async with await browser.socket() as socket:
        await socket.recv()
        await client.call(method, f"/api/v1/users/{user['id']}{path}", body=body)
        with pytest.raises(ConnectionClosed):
            await drain(socket)
        assert socket.close_code == 4401
    assert (await browser.http.get("/api/v1/me")).status_code == (200 if method == "PATCH" else 401)


async def test_a_changed_password_gives_a_new_session_and_ends_the_old_ones(
    client: ServerClient, browser: Browser, running_server: ChildServer
) -> None:
    user = await add_user(client)
    await browser.sign_in(user["login"])
    before = browser.cookie
    async with browser_of(running_server) as other:
        await other.sign_in(user["login"])
        change = {"current": "wrong", "new": "another good one"}
        answer = await browser.http.put("/api/v1/me/password", json=change)
        assert (answer.status_code, answer.json()["code"]) == (403, "password_wrong")
        answer = await browser.http.put("/api/v1/me/password", json=change | {"current": GOOD})
        assert answer.status_code == 200
        assert browser.cookie != before
        assert answer.json()["csrf_token"] != browser.session["csrf_token"]
        assert (await browser.http.get("/api/v1/me")).status_code == 200
        assert (await other.http.get("/api/v1/me")).status_code == 401


async def test_passwords_guessed_at_speed_are_all_answered_alike_and_then_not_at_all(own_server: Any) -> None:
    server: ChildServer = own_server()
    async with server, server.client() as client, browser_of(server) as browser:
        user = await add_user(client)
        first = await browser.sign_in(user["login"], "wrong")
        unknown = await browser.sign_in("nobody", "wrong")
        assert (first.status_code, first.text) == (unknown.status_code, unknown.text) == (401, first.text)
        assert first.json()["code"] == "sign_in_refused"
        assert "www-authenticate" not in first.headers  # a browser would ask by itself
        flood = await asyncio.gather(*(browser.sign_in(user["login"], f"wrong-{number}") for number in range(30)))
        stopped = [answer for answer in flood if answer.status_code == 429]
        assert len(stopped) == 22  # 10 are let through, and two were used up
        assert all(0 < int(answer.headers["retry-after"]) <= 300 for answer in stopped)
        assert (await browser.sign_in(user["login"])).status_code == 429


async def test_a_program_has_its_scopes_until_its_token_is_revoked(
    client: ServerClient, running_server: ChildServer
) -> None:
    made = await client.call("POST", "/api/v1/tokens", body={"name": "Export", "scopes": ["read"]})
    listed = await client.call("GET", "/api/v1/tokens")
    assert made["id"] in [token["id"] for token in listed["tokens"]]
    assert made["token"] not in json.dumps(listed)
    async with ServerClient(running_server.url, made["token"]) as program:
        await program.call("GET", "/api/v1/people")
        assert await refused(program, "POST", "/api/v1/people", body={"name": "X"}) == "forbidden"
        assert await refused(program, "POST", "/api/v1/tokens", body={"name": "X", "scopes": ["read"]}) == "forbidden"
        async with program.socket("/ws/v1/events") as socket:
            await socket.recv()
            await client.call("DELETE", f"/api/v1/tokens/{made['id']}")
            with pytest.raises(ConnectionClosed):
                await drain(socket)
            assert socket.close_code == 4401
        assert await refused(program, "GET", "/api/v1/people") == "unauthenticated"


async def test_a_token_for_administration_gives_nobody_more_than_it_has_itself(
    client: ServerClient, running_server: ChildServer
) -> None:
    viewer = await add_user(client)
    made = await client.call("POST", "/api/v1/tokens", body={"name": "Robot", "scopes": ["admin"]})
    everything = ["read", "stream", "recognise", "punch", "roster", "people", "cameras", "admin"]
    async with ServerClient(running_server.url, made["token"]) as program:
        assert (await program.call("GET", "/api/v1/me"))["rights"] == ["admin"]
        user = {"login": next(NAMES), "name": "Me", "role": "admin", "password": GOOD}
        one = f"/api/v1/users/{viewer['id']}"
        for method, path, body in (
            ("POST", "/api/v1/tokens", {"name": "More", "scopes": everything}),
            ("POST", "/api/v1/tokens", {"name": "For ever", "scopes": ["admin"]}),
            ("POST", "/api/v1/users", user),
            ("PATCH", one, {"role": "admin"}),
            ("PUT", f"{one}/password", {"password": "another good one"}),
        ):
            assert await refused(program, method, path, body=body) == "forbidden", path
        pairing = {"camera_id": "robot-camera", "name": "Phone", "create_camera": True}
        assert await refused(program, "POST", "/api/v1/pairings", body=pairing) == "forbidden"
        await client.add_camera("robot-camera")
        await program.call("POST", "/api/v1/pairings", body=pairing | {"create_camera": False})
        assert viewer["id"] in [user["id"] for user in (await program.call("GET", "/api/v1/users"))["users"]]
        await program.call("DELETE", f"/api/v1/tokens/{made['id']}")


async def test_a_token_that_has_expired_already_is_not_made(client: ServerClient) -> None:
    body = {"name": "Past", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}
    assert await refused(client, "POST", "/api/v1/tokens", body=body) == "expiry_past"


async def test_a_stream_of_events_ends_in_order_with_its_token(
    client: ServerClient, running_server: ChildServer
) -> None:
    made = await client.call("POST", "/api/v1/tokens", body={"name": "Reader", "scopes": ["read"]})
    headers = {"Authorization": f"Bearer {made['token']}"}
    async with (
        httpx.AsyncClient(base_url=running_server.url, headers=headers, timeout=20) as http,
        http.stream("GET", "/api/v1/events") as stream,
    ):
        lines = stream.aiter_lines()
        assert "status" in await anext(lines)
        await client.call("DELETE", f"/api/v1/tokens/{made['id']}")
        async with asyncio.timeout(10):
            async for _ in lines:  # whatever was on its way; then the end, and no error
                pass
    assert "ERROR" not in running_server.log_path.read_text()


async def test_input_that_can_be_no_user_or_token_is_refused(client: ServerClient) -> None:
    user = {"login": "x", "name": "X", "role": "viewer", "password": GOOD}
    for change, code in (
        ({"login": "with blank"}, "login_invalid"),
        ({"login": ""}, "invalid_input"),
        ({"login": "a\0"}, "login_invalid"),
        ({"name": "\n"}, "invalid_input"),
        ({"name": "   "}, "invalid_input"),
        ({"role": "god"}, "invalid_input"),
        ({"password": "x" * 257}, "invalid_input"),
        ({"password": "1234567890"}, "password_too_weak"),
        ({"groups": ["no uuid"]}, "invalid_input"),
        ({"more": 1}, "invalid_input"),
    ):
        assert await refused(client, "POST", "/api/v1/users", body=user | change) == code, change
    everything = ["read", "stream", "recognise", "punch", "roster", "people", "cameras", "admin"]
    await client.call("POST", "/api/v1/tokens", body={"name": "All", "scopes": everything})
    for body in ({"name": "X", "scopes": []}, {"name": "X", "scopes": ["setup"]}, {"name": "X", "scopes": ["session"]}):
        assert await refused(client, "POST", "/api/v1/tokens", body=body) == "invalid_input"


async def test_a_text_with_nul_is_refused_wherever_it_is_given(client: ServerClient, browser: Browser) -> None:
    answer = await browser.sign_in("a\0")
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_refused")
    answer = await browser.http.post("/api/v1/pair", json={"code": "7KQ2-M9X\0"})
    assert (answer.status_code, answer.json()["code"]) == (403, "pairing_refused")
    for path in ("/groups?external_id=%00", "/people?external_id=a%00", "/users?login=%00"):
        assert await refused(client, "GET", f"/api/v1{path}") == "text_unstorable", path
    person = {"name": "Ada", "external_id": "\0"}
    assert await refused(client, "POST", "/api/v1/people", body=person) in ("external_id_invalid", "invalid_input")


async def test_revocation_reaches_another_server_on_the_same_database_at_once(
    postgres_server: Any, database_dsn: str, own_server: Any
) -> None:
    one: ChildServer = own_server(DATABASE_URL=database_dsn)
    two: ChildServer = own_server(DATABASE_URL=database_dsn)
    async with one, two, one.client() as client, browser_of(two) as browser:
        user = await add_user(client)
        await browser.sign_in(user["login"])
        made = await client.call("POST", "/api/v1/tokens", body={"name": "Export", "scopes": ["read"]})
        async with ServerClient(two.url, made["token"]) as program, program.socket("/ws/v1/events") as socket:
            await socket.recv()
            async with await browser.socket() as page:
                await page.recv()
                await client.call("DELETE", f"/api/v1/users/{user['id']}")
                await client.call("DELETE", f"/api/v1/tokens/{made['id']}")
                for ended in (socket, page):
                    with pytest.raises(ConnectionClosed):
                        await drain(ended)
                    assert ended.close_code == 4401
            assert await refused(program, "GET", "/api/v1/people") == "unauthenticated"


async def test_users_tokens_and_devices_are_managed_from_the_command_line(
    running_server: ChildServer, tmp_path: Path
) -> None:
    def run(*arguments: str, typed: str = "") -> Any:
        done = running_server.run_command(*arguments, "--server", running_server.url, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    login = next(NAMES)
    assert run("users", "add", login, "--role", "admin", typed=f"{GOOD}\n") == f"{login} was added as admin\n"
    assert login in run("users", "list")
    run("users", "password", login, typed="another good one\n")
    async with browser_of(running_server) as browser:
        assert (await browser.sign_in(login, "another good one")).status_code == 200
    assert run("users", "remove", login) == f"{login} was removed\n"
    assert login not in run("users", "list")
    done = running_server.run_command("users", "remove", login, "--server", running_server.url)
    assert done.returncode == 1
    assert "there is no user" in done.stderr

    secret = run("tokens", "add", "Nightly", "--scope", "read", "--days", "7").strip()
    async with ServerClient(running_server.url, secret) as program:
        await program.call("GET", "/api/v1/people")
    (token,) = (t for t in json.loads(run("tokens", "list", "--json"))["tokens"] if t["name"] == "Nightly")
    assert "Nightly  read  until" in run("tokens", "list")
    assert "made by owner-token" in run("tokens", "list")
    run("tokens", "revoke", token["id"])

    shown = run("devices", "pair", "phone-cli", "--name", "Phone", "--address", "https://school.example/")
    address = next(line for line in shown.splitlines() if line.startswith("https://"))
    assert address.startswith("https://school.example/camera#code=")
    assert "█" in shown
    async with httpx.AsyncClient(base_url=running_server.url) as phone:
        paired = (await phone.post("/api/v1/pair", json={"code": address.partition("=")[2]})).json()
    assert f"{paired['device_id']}  Phone  camera phone-cli  last seen" in run("devices", "list")
    run("devices", "revoke", paired["device_id"])
    assert paired["device_id"] not in run("devices", "list")
