from typing import Any
from uuid import uuid4

import pytest


async def test_a_group_is_made_read_changed_and_removed(api: Any) -> None:
    made = await api.call("POST", "/groups", 201, json={"name": " 7a ", "external_id": "g-7a"})
    path = f"/groups/{made['id']}"
    assert (made["name"], made["source"], made["version"]) == ("7a", "manual", 1)
    assert await api.call("GET", path) == made
    changed = await api.call("PATCH", path, json={"name": "7b"}, headers={"If-Match": api.etags[path]})
    assert (changed["name"], changed["external_id"], changed["version"]) == ("7b", "g-7a", 2)
    await api.call("DELETE", path, 204, headers={"If-Match": api.etags[path]})
    assert (await api.call("GET", path, 404))["code"] == "group_not_found"
    assert (await api.call("GET", "/groups"))["groups"] == []
    again = await api.call("POST", "/groups", 201, json={"name": "7c", "external_id": "g-7a"})
    assert again["id"] != made["id"]


async def test_of_two_who_change_a_group_at_once_the_second_is_told(api: Any) -> None:
    made = await api.call("POST", "/groups", json={"name": "7a"})
    path = f"/groups/{made['id']}"
    await api.call("PATCH", path, json={"name": "first"}, headers={"If-Match": '"1"'})
    refused = await api.call("PATCH", path, 412, json={"name": "second"}, headers={"If-Match": '"1"'})
    assert refused["code"] == "etag_mismatch"
    assert (await api.call("PATCH", path, 428, json={"name": "third"}))["code"] == "etag_missing"
    assert (await api.call("PATCH", path, 412, json={"name": "x"}, headers={"If-Match": "nonsense"}))["hint"]
    assert (await api.call("GET", path))["name"] == "first"
    assert (await api.call("PATCH", path, json={"name": "any"}, headers={"If-Match": "*"}))["version"] == 3


async def test_an_external_id_belongs_to_one_group(api: Any) -> None:
    await api.call("POST", "/groups", json={"name": "7a", "external_id": "g"})
    other = await api.call("POST", "/groups", json={"name": "7b"})
    assert (await api.call("POST", "/groups", 409, json={"name": "c", "external_id": "g"}))["code"] == (
        "external_id_taken"
    )
    headers = {"If-Match": "*"}
    await api.call("PATCH", f"/groups/{other['id']}", 409, json={"external_id": "g"}, headers=headers)
    found = await api.call("GET", "/groups", params={"external_id": "g"})
    assert [group["name"] for group in found["groups"]] == ["7a"]


async def test_groups_come_in_pages_and_by_person(api: Any) -> None:
    made = [await api.call("POST", "/groups", json={"name": f"g{number}"}) for number in range(5)]
    listed: list[str] = []
    cursor: str | None = None
    while True:
        page = await api.call("GET", "/groups", params={"limit": "2", **({"cursor": cursor} if cursor else {})})
        listed += [group["name"] for group in page["groups"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == [f"g{number}" for number in range(5)]
    ada = await api.person("Ada")
    await api.call("POST", f"/groups/{made[3]['id']}/memberships", 201, json={"person_id": str(ada)})
    of_ada = await api.call("GET", "/groups", params={"person_id": str(ada)})
    assert [group["name"] for group in of_ada["groups"]] == ["g3"]


async def test_a_membership_holds_from_its_first_to_its_last_day(api: Any) -> None:
    group = await api.call("POST", "/groups", json={"name": "7a"})
    ada = await api.person("Ada")
    body = {"person_id": str(ada), "starts_on": "2026-02-01", "ends_on": "2026-03-31"}
    made = await api.call("POST", f"/groups/{group['id']}/memberships", 201, json=body)
    assert (made["group"]["name"], made["person"]["name"], made["role"]) == ("7a", "Ada", "student")

    async def on(day: str) -> int:
        listed = await api.call("GET", "/memberships", params={"group_id": group["id"], "day": day})
        return len(listed["memberships"])

    assert [await on(day) for day in ("2026-01-31", "2026-02-01", "2026-03-31", "2026-04-01")] == [0, 1, 1, 0]
    path = f"/memberships/{made['id']}"
    await api.call("PATCH", path, json={"ends_on": None}, headers={"If-Match": '"1"'})
    assert await on("2027-04-01") == 1
    assert (await api.call("PATCH", path, 412, json={"role": "staff"}, headers={"If-Match": '"1"'}))["code"]
    backwards = await api.call("PATCH", path, 400, json={"ends_on": "2026-01-01"}, headers={"If-Match": "*"})
    assert backwards["code"] == "dates_invalid"
    await api.call("DELETE", path, 204, headers={"If-Match": '"2"'})
    assert (await api.call("GET", path, 404))["code"] == "membership_not_found"


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "status"),
    [(None, None, 409), ("2026-03-01", None, 409), (None, "2026-01-31", 201), ("2026-04-01", "2026-04-30", 201)],
)
async def test_nobody_is_twice_in_a_group_at_one_time(
    api: Any, starts_on: str | None, ends_on: str | None, status: int
) -> None:
    group = await api.call("POST", "/groups", json={"name": "7a"})
    ada = str(await api.person("Ada"))
    path = f"/groups/{group['id']}/memberships"
    await api.call("POST", path, 201, json={"person_id": ada, "starts_on": "2026-02-01", "ends_on": "2026-03-31"})
    await api.call("POST", path, status, json={"person_id": ada, "starts_on": starts_on, "ends_on": ends_on})


async def test_a_membership_needs_a_group_and_somebody_who_is_there(api: Any) -> None:
    group = await api.call("POST", "/groups", json={"name": "7a"})
    ada = str(await api.person("Ada"))
    body = {"person_id": ada}
    assert (await api.call("POST", f"/groups/{uuid4()}/memberships", 404, json=body))["code"] == "group_not_found"
    nobody = {"person_id": str(uuid4())}
    assert (await api.call("POST", f"/groups/{group['id']}/memberships", 404, json=nobody))["code"] == (
        "person_not_found"
    )
    await api.call("POST", f"/groups/{group['id']}/memberships", 201, json=body)
    await api.call("DELETE", f"/people/{ada}", 204)
    assert (await api.call("GET", "/memberships"))["memberships"] == [], "who is erased is expected nowhere"
    assert (await api.call("POST", f"/groups/{group['id']}/memberships", 409, json=body))["code"] == "person_erased"
