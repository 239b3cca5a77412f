"""Faces that nearly match: who it may have been waits here until somebody says who it was.

No picture and no embedding is kept, only who came nearest and how near; taking consent back deletes that too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from storage import attendance, cameras, outbox, people, sessions
from storage.attendance_policy import AttendancePolicy, session_for
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor
from storage.statuses import Method
from storage.visibility import EVERYTHING, Visible, is_known, known_people

OPEN_MAX = 200
"""Open reviews of one session; a crowd of strangers must not fill the table."""

PRUNE_MAX = 2000

# A stranger who looks like somebody is seen again and again.
NOBODY_FOR = timedelta(minutes=10)

_SELECT = """
    SELECT r.id, r.session_id, r.camera_id, r.first_seen_at, r.last_seen_at, r.state, r.settled_as, r.settled_by,
           r.settled_at,
           ARRAY(SELECT c.person_id FROM review_candidates c
                 WHERE c.review_id = r.id ORDER BY c.distance) AS person_ids,
           ARRAY(SELECT p.name FROM review_candidates c JOIN people p ON p.id = c.person_id
                 WHERE c.review_id = r.id ORDER BY c.distance) AS names,
           ARRAY(SELECT c.distance FROM review_candidates c WHERE c.review_id = r.id ORDER BY c.distance) AS distances
    FROM reviews r
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody it may have been. Lower distances are closer."""

    person_id: UUID
    name: str
    distance: float


@dataclass(frozen=True, slots=True)
class Review:
    """A face to settle. `state` is open, person (it was `settled_as`) or nobody."""

    review_id: UUID
    session_id: UUID
    camera_id: str
    first_seen_at: datetime
    last_seen_at: datetime
    state: str
    settled_as: UUID | None
    settled_by: str | None
    settled_at: datetime | None
    candidates: tuple[Candidate, ...]


async def record(
    connection: Connection,
    *,
    camera_id: str,
    candidates: Sequence[tuple[UUID, float]],
    at: datetime,
    zone: ZoneInfo,
    policy: AttendancePolicy,
) -> UUID | None:
    """Put a face up for review, the nearest candidate first; return the id of a review that is new.

    None when there is nothing to ask: it waits already, the nearest candidate is known to be there or has no consent,
    somebody like that was found to be nobody in the last ten minutes, or too many wait in this session.
    """
    async with connection.transaction():
        await cameras.remember(connection, camera_id)
        rows = await connection.fetch(
            """
            SELECT id FROM people WHERE id = ANY ($1::uuid[]) AND consent = 'granted' AND erased_at IS NULL
            ORDER BY id FOR SHARE
            """,
            [person_id for person_id, _ in candidates],
        )
        consented = {row["id"] for row in rows}
        nearest_id = candidates[0][0]
        if nearest_id not in consented:
            return None
        session = await session_for(
            connection, camera_id=camera_id, person_id=nearest_id, at=at, zone=zone, policy=policy
        )
        if await _needs_nobody(connection, session.session_id, nearest_id, at):
            return None
        row = await connection.fetchrow(
            """
            INSERT INTO reviews (id, session_id, camera_id, nearest_id, first_seen_at, last_seen_at)
            VALUES ($1, $2, $3, $4, $5, $5)
            ON CONFLICT (session_id, nearest_id) WHERE state = 'open' DO UPDATE
            SET first_seen_at = least(reviews.first_seen_at, $5), last_seen_at = greatest(reviews.last_seen_at, $5)
            RETURNING id, xmax = 0 AS made
            """,
            uuid4(),
            session.session_id,
            camera_id,
            nearest_id,
            at,
        )
        assert row is not None
        await connection.executemany(
            """
            INSERT INTO review_candidates (review_id, person_id, distance) VALUES ($1, $2, $3)
            ON CONFLICT (review_id, person_id)
            DO UPDATE SET distance = least(review_candidates.distance, excluded.distance)
            """,
            [(row["id"], person_id, distance) for person_id, distance in candidates if person_id in consented],
        )
        if not row["made"]:
            return None
        # Without names and distances: an event is kept longer than what it tells of.
        payload = {"review_id": str(row["id"]), "session_id": str(session.session_id), "camera": camera_id}
        await outbox.append(connection, "review.opened", payload)
        review_id: UUID = row["id"]
        return review_id


async def settle(
    connection: Connection,
    visible: Visible,
    review_id: UUID,
    person_id: UUID | None,
    *,
    by_whom: str,
    now: datetime,
    zone: ZoneInfo,
    policy: AttendancePolicy,
) -> tuple[Review, bool]:
    """Say who it was, or that it was nobody we know; somebody is then marked as of the time the face was seen. Returns
    the review and whether it is settled now: the same answer again changes nothing.

    Raises NotFound, Conflict `review_settled` or `person_erased`.
    """
    async with connection.transaction():
        await get(connection, visible, review_id)
        name = ""
        if person_id is not None:
            # The person before the review, as everywhere, so that erasing meanwhile ends in no circle.
            person = await connection.fetchrow("SELECT name, erased_at FROM people WHERE id = $1 FOR SHARE", person_id)
            if person is None or not await is_known(connection, visible, person_id):
                raise NotFound(f"there is no person {person_id}", code="person_not_found")
            if person["erased_at"] is not None:
                raise people.erased(person_id)
            name = person["name"]
        await connection.execute("SELECT 1 FROM reviews WHERE id = $1 FOR UPDATE", review_id)
        # As it is, and not as it is shown: somebody whom the asker must not know is not nobody.
        review = await get(connection, EVERYTHING, review_id)
        if review.state != "open":
            if review.settled_as == person_id:
                return await get(connection, visible, review_id), False
            raise Conflict("this face was settled otherwise", hint="correct the attendance", code="review_settled")
        state = "nobody" if person_id is None else "person"
        await connection.execute(
            "UPDATE reviews SET state = $2, settled_as = $3, settled_by = $4, settled_at = $5 WHERE id = $1",
            review_id,
            state,
            person_id,
            by_whom,
            now,
        )
        if person_id is not None:
            session = await sessions.get(connection, EVERYTHING, review.session_id)
            await attendance.mark(
                connection,
                session,
                person_id,
                name,
                method=Method.REVIEW,
                at=review.first_seen_at,
                policy=policy,
                camera_id=review.camera_id,
            )
        payload = {"review_id": str(review_id), "session_id": str(review.session_id), "state": state}
        await outbox.append(connection, "review.settled", payload)
        return await get(connection, visible, review_id), True


async def get(connection: Connection, visible: Visible, review_id: UUID) -> Review:
    """One review. Raises NotFound."""
    arguments: list[object] = [review_id]
    condition = visible.review("r", arguments)
    row = await connection.fetchrow(f"{_SELECT} WHERE r.id = $1 AND {condition}", *arguments)
    if row is None:
        raise NotFound(f"there is no review {review_id}", hint="it may have expired", code="review_not_found")
    return (await _shown(connection, visible, [row]))[0]


async def list_reviews(
    connection: Connection,
    visible: Visible,
    *,
    state: str | None = None,
    session_id: UUID | None = None,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[Review]:
    """Reviews, the longest waiting first. Raises RequestError for a bad limit or cursor."""
    arguments: list[object] = [checked_limit(limit) + 1]
    conditions = [visible.review("r", arguments)]
    if state is not None:
        arguments.append(state)
        conditions.append(f"r.state = ${len(arguments)}")
    if session_id is not None:
        arguments.append(session_id)
        conditions.append(f"r.session_id = ${len(arguments)}")
    if (after := time_cursor(cursor)) is not None:
        arguments += after
        conditions.append(f"(r.first_seen_at, r.id) > (${len(arguments) - 1}, ${len(arguments)})")
    rows = await connection.fetch(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY r.first_seen_at, r.id LIMIT $1", *arguments
    )
    found = await _shown(connection, visible, rows)
    return page_of(found, limit, lambda review: (review.first_seen_at, review.review_id))


async def prune(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """Delete reviews of faces last seen before `older_than`, settled or not, at most `limit`; return how many.

    Never waits for one that somebody settles or erases at this moment.
    """
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM reviews WHERE id IN (
                SELECT id FROM reviews WHERE last_seen_at < $1 ORDER BY last_seen_at LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count


async def _needs_nobody(connection: Connection, session_id: UUID, nearest_id: UUID, at: datetime) -> bool:
    row = await connection.fetchrow(
        """
        SELECT EXISTS (SELECT FROM attendance_now WHERE session_id = $1 AND person_id = $2
                       AND status IN ('present', 'late')) AS is_there,
               EXISTS (SELECT FROM reviews WHERE session_id = $1 AND nearest_id = $2 AND state = 'nobody'
                       AND settled_at > $3) AS was_nobody,
               (SELECT count(*) FROM reviews WHERE session_id = $1 AND state = 'open') AS waiting
        """,
        session_id,
        nearest_id,
        at - NOBODY_FOR,
    )
    assert row is not None
    return bool(row["is_there"] or row["was_nobody"] or row["waiting"] >= OPEN_MAX)


async def _shown(connection: Connection, visible: Visible, rows: Sequence[Record]) -> list[Review]:
    """The reviews, in which nobody is named who does not belong to what may be seen."""
    named = {one for row in rows for one in (*row["person_ids"], row["settled_as"]) if one is not None}
    known = await known_people(connection, visible, named)
    return [_review(row, known) for row in rows]


def _review(row: Record, known: Collection[UUID]) -> Review:
    found = zip(row["person_ids"], row["names"], row["distances"], strict=True)
    return Review(
        review_id=row["id"],
        session_id=row["session_id"],
        camera_id=row["camera_id"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        state=row["state"],
        settled_as=row["settled_as"] if row["settled_as"] in known else None,
        settled_by=row["settled_by"],
        settled_at=row["settled_at"],
        candidates=tuple(Candidate(*one) for one in found if one[0] in known),
    )
