"""Coming and going, where a place counts it. Being seen all the while is neither: somebody must have been away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from storage import outbox
from storage.database import Connection
from storage.errors import NotFound
from storage.rooms import Direction
from storage.statuses import Method
from storage.visibility import Visible


@dataclass(frozen=True, slots=True)
class Punch:
    """Somebody came or went."""

    direction: Direction
    method: Method
    camera_id: str | None
    at: datetime


async def direction_at(connection: Connection, camera_id: str | None) -> Direction | None:
    """What being seen by this camera means; None where coming and going is not counted."""
    found = await connection.fetchval("SELECT direction FROM cameras WHERE id = $1", camera_id)
    return None if found is None else Direction(found)


async def punch(
    connection: Connection,
    *,
    session_id: UUID,
    person_id: UUID,
    person_name: str,
    direction: Direction,
    method: Method,
    camera_id: str | None,
    at: datetime,
    seen_before_at: datetime | None,
    re_entry_s: int,
) -> Direction | None:
    """Store that somebody came or went, with its event, in the caller's transaction, which holds the attendance record.

    None when it is neither: seen again too soon (`seen_before_at` is the last time), or a moment before the last punch.
    """
    last = await connection.fetchrow(
        "SELECT direction, at FROM punches WHERE session_id = $1 AND person_id = $2 ORDER BY at DESC LIMIT 1",
        session_id,
        person_id,
    )
    if last is not None:
        if at <= last["at"]:
            return None
        away_since = max(last["at"], seen_before_at or last["at"])
        is_again = direction is Direction.TOGGLE or direction == last["direction"]
        if is_again and at - away_since < timedelta(seconds=re_entry_s):
            return None
    if direction is Direction.TOGGLE:
        direction = Direction.OUT if last is not None and last["direction"] == Direction.IN else Direction.IN
    await connection.execute(
        """
        INSERT INTO punches (id, session_id, person_id, direction, method, camera_id, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        uuid4(),
        session_id,
        person_id,
        direction,
        method,
        camera_id,
        at,
    )
    payload = {
        "session_id": str(session_id),
        "person": {"id": str(person_id), "name": person_name},
        "direction": direction,
        "method": method,
        "camera": camera_id,
        "at": at.astimezone(UTC).isoformat(),
    }
    await outbox.append(connection, "attendance.punched", payload)
    return direction


async def list_of_person(connection: Connection, visible: Visible, session_id: UUID, person_id: UUID) -> list[Punch]:
    """When somebody came and went in a session, at most the first thousand times. Raises NotFound for nobody."""
    arguments: list[object] = [person_id, session_id]
    person = visible.person("people.id", arguments)
    # Somebody from elsewhere who came to a session of theirs.
    guest = "SELECT FROM attendance a WHERE a.session_id = $2 AND a.person_id = people.id"
    record = visible.record("a.session_id", "a.person_id", arguments)
    found = await connection.fetchval(
        f"SELECT 1 FROM people WHERE id = $1 AND ({person} OR EXISTS ({guest} AND {record}))", *arguments
    )
    if found is None:
        raise NotFound(f"there is no person {person_id}", code="person_not_found")
    arguments = [session_id, person_id]
    condition = visible.record("session_id", "person_id", arguments)
    rows = await connection.fetch(
        f"""
        SELECT direction, method, camera_id, at FROM punches
        WHERE session_id = $1 AND person_id = $2 AND {condition} ORDER BY at LIMIT 1000
        """,
        *arguments,
    )
    return [Punch(Direction(row["direction"]), Method(row["method"]), row["camera_id"], row["at"]) for row in rows]
