from typing import Any
from uuid import UUID

from recognition.types import FaceResult, FaceState, Frame, Match
from stream_server.people.review_desk import QUEUE_MAX, ReviewDesk


async def test_two_teachers_who_correct_one_record_lose_nothing(api: Any) -> None:
    ada = await api.person("Ada")
    record = await api.call("POST", "/attendance", 201, json={"person_id": str(ada), "status": "absent"})
    path = f"/attendance/{record['id']}"
    body = {"status": "late", "reason": "bus"}
    assert (await api.call("PATCH", path, 428, json=body))["code"] == "etag_missing"
    changed = await api.call("PATCH", path, json=body, headers={"If-Match": '"1"'})
    assert (changed["status"], changed["version"], api.etags[path]) == ("late", 2, '"2"')
    second = {"status": "excused", "reason": "doctor"}
    assert (await api.call("PATCH", path, 412, json=second, headers={"If-Match": '"1"'}))["code"] == "etag_mismatch"
    await api.call("PATCH", path, json=second, headers={"If-Match": '"2"'})
    listed = (await api.call("GET", f"{path}/corrections"))["corrections"]
    assert [(one["status_before"], one["status"], one["by"], one["reason"]) for one in listed] == [
        ("absent", "late", "owner-token", "bus"),
        ("late", "excused", "owner-token", "doctor"),
    ]
    await api.call("PATCH", path, 422, json={"status": "late", "reason": " "}, headers={"If-Match": "*"})
    found = await api.call("GET", "/attendance", params={"status": "excused"})
    assert [one["id"] for one in found["attendance"]] == [record["id"]]
    assert (await api.call("GET", "/attendance", params={"status": "absent"}))["attendance"] == []


def doubtful(person_id: UUID, track_id: int, runner_up: UUID | None = None) -> FaceResult:
    match = Match(str(person_id), "t", 0.57, None if runner_up is None else str(runner_up), 0.59)
    return FaceResult((0, 0, 1, 1), FaceState.REVIEW, 1.0, match=match, track_id=track_id)


async def test_a_doubtful_face_is_put_up_once_and_settled(api: Any) -> None:
    ada, alan = await api.person("Ada", consent=True), await api.person("Alan", consent=True)
    desk = ReviewDesk(api.database, api.settings, api.services.site)
    frame = Frame("door", 1, b"", api.at, 0.0)
    for _ in range(3):
        desk.offer(doubtful(ada, 7, alan), frame)
    assert desk._queue.qsize() == 1
    assert await desk.store(desk._queue.get_nowait()) is not None
    (review,) = (await api.call("GET", "/reviews", params={"state": "open"}))["reviews"]
    assert [one["person"]["name"] for one in review["candidates"]] == ["Ada", "Alan"]
    path = f"/reviews/{review['id']}"
    assert await api.call("GET", path) == review
    settled = await api.call("POST", path, json={"person_id": str(ada)})
    assert (settled["state"], settled["settled_by"]) == ("person", "owner-token")
    assert await api.call("POST", path, json={"person_id": str(ada)}) == settled
    assert len((await api.call("GET", "/audit", params={"action": "review.settled"}))["audit"]) == 1
    assert (await api.call("POST", path, 409, json={"person_id": None}))["code"] == "review_settled"
    (record,) = (await api.call("GET", "/attendance"))["attendance"]
    assert (record["person"]["name"], record["method"]) == ("Ada", "review")
    await api.call("POST", path, 422, json={})
    assert (await api.call("GET", f"/reviews/{UUID(int=1)}", 404))["code"] == "review_not_found"


async def test_more_doubtful_faces_than_can_be_stored_are_dropped_and_counted(api: Any) -> None:
    desk = ReviewDesk(api.database, api.settings, api.services.site)
    frame = Frame("door", 1, b"", api.at, 0.0)
    for track in range(QUEUE_MAX + 5):
        desk.offer(doubtful(UUID(int=1), track), frame)
    assert desk.dropped == 5
