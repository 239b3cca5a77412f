"""The built pages as they are sent: compressed copies, caching, the policy, and what is refused."""

import gzip
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from stream_server.errors import install_error_handlers
from stream_server.serving.pages import OFFICE, make_router

PAGE = b"<!doctype html><title>Camera</title>" * 20
SCRIPT = b"console.log(1);" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    for name, content in (("camera.html", PAGE), ("assets/camera-1a2b.js", SCRIPT)):
        (folder / name).write_bytes(content)
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        (folder / f"{name}.br").write_bytes(b"brotli")
    (folder / "assets" / "plain-1a2b.css").write_bytes(b"a{}")
    (folder / "assets" / ".secret.js").write_bytes(b"no")
    (folder / "assets" / "notes.txt").write_bytes(b"no")
    (tmp_path / "outside.js").write_bytes(b"no")
    return folder


async def get(folder: Path, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(make_router(folder))
    transport = httpx.ASGITransport(app=app)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test:8000") as client:
        request = client.build_request(method, path, headers=sent)
        if "accept_encoding" not in headers:
            del request.headers["accept-encoding"]
        return await client.send(request)


def policy_of(response: httpx.Response) -> dict[str, list[str]]:
    parts = (part.split() for part in response.headers["content-security-policy"].split(";"))
    return {name: values for name, *values in parts}


async def test_a_page_allows_nothing_but_what_this_server_sends(built: Path) -> None:
    response = await get(built, "/camera")
    assert (response.status_code, response.content) == (200, PAGE)
    policy = policy_of(response)
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["connect-src"] == ["'self'", "ws://rollcall.test:8000", "wss://rollcall.test:8000"]
    assert "unsafe" not in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["permissions-policy"].startswith("camera=(self)")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("host", ["evil.example; script-src *", "a b", "x,y", "http://x", "*", "a\tb", "[::1"])
async def test_a_host_that_is_none_gets_into_no_policy(built: Path, host: str) -> None:
    policy = policy_of(await get(built, "/camera", host=host))
    assert policy["connect-src"] == ["'self'"]
    assert policy["script-src"] == ["'self'"]


@pytest.mark.parametrize("host", ["[::1]:8000", "10.0.0.7", "ab-12.tunnel.example"])
async def test_sockets_to_the_host_of_the_page_are_allowed(built: Path, host: str) -> None:
    assert f"wss://{host}" in policy_of(await get(built, "/camera", host=host))["connect-src"]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000, gzip;q=0", None),
        ("brx", None),
    ],
)
async def test_the_smallest_copy_that_a_browser_takes_is_sent(built: Path, accepted: str, coding: str | None) -> None:
    response = await raw(built, "/assets/camera-1a2b.js", accepted)
    assert response["headers"].get("content-encoding") == coding
    assert response["body"] == {None: SCRIPT, "gzip": gzip.compress(SCRIPT), "br": b"brotli"}[coding]
    assert response["headers"]["vary"] == "Accept-Encoding"
    assert response["headers"]["content-type"] == "text/javascript; charset=utf-8"


async def raw(folder: Path, path: str, accepted: str) -> dict[str, Any]:
    """The answer as it is on the wire: a client would decode it."""
    app = FastAPI()
    app.include_router(make_router(folder))
    transport = httpx.ASGITransport(app=app)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://rollcall.test") as client,
        client.stream("GET", path, headers={"Accept-Encoding": accepted}) as response,
    ):
        return {"headers": response.headers, "body": b"".join([part async for part in response.aiter_raw()])}


async def test_hashed_files_are_kept_for_ever_and_pages_are_asked_for_anew(built: Path) -> None:
    assert "immutable" in (await get(built, "/assets/plain-1a2b.css")).headers["cache-control"]
    first = await get(built, "/camera")
    assert first.headers["cache-control"] == "no-cache"
    again = await get(built, "/camera", if_none_match=f'"other", W/{first.headers["etag"]}')
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (await get(built, "/camera", if_none_match='"other"')).status_code == 200


async def test_copies_of_one_file_have_tags_of_their_own(built: Path) -> None:
    plain = await raw(built, "/assets/camera-1a2b.js", "")
    small = await raw(built, "/assets/camera-1a2b.js", "gzip")
    assert plain["headers"]["etag"] != small["headers"]["etag"]


@pytest.mark.parametrize(
    "name",
    [
        ".secret.js", "notes.txt", "missing.js", "camera-1a2b.js.gz", "..%2foutside.js", "%2e%2e%2f%2e%2e%2foutside.js",
        "..%5coutside.js", "x" * 300 + ".js", "camera-1a2b.js%00", "%0a.js",
    ],
)  # fmt: skip
async def test_what_is_no_file_of_the_pages_is_not_found(built: Path, name: str) -> None:
    response = await get(built, f"/assets/{name}")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_only_reading_is_possible(built: Path) -> None:
    assert (await get(built, "/camera", method="HEAD")).status_code == 200
    assert (await get(built, "/camera", method="POST")).status_code == 405


async def test_pages_that_are_not_built_say_how_to_build_them(tmp_path: Path) -> None:
    response = await get(tmp_path / "nowhere", "/camera")
    assert response.status_code == 404
    assert response.json()["code"] == "pages_not_built"
    assert re.search(r"make web\b", response.json()["hint"])


async def test_every_address_of_the_office_is_the_one_page(built: Path) -> None:
    (built / "office.html").write_bytes(PAGE)
    for path in (*OFFICE, "/people/0f2c", "/sessions/7"):
        for method in ("GET", "HEAD"):
            answer = await get(built, path, method)
            assert answer.status_code == 200, path
            assert answer.headers["content-length"] == str(len(PAGE))
            assert policy_of(answer)["script-src"] == ["'self'"]
    assert (await get(built, "/people/0f2c/more")).status_code == 404
