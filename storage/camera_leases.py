"""Who opens a camera, where several servers share the database: whoever holds its lease, until it expires.

A lease with a time, and not a lock of the session: a lock would need a connection of its own for ever, does not go
through every pooler, and is lost with the connection while the server and the camera are well.
"""

from collections.abc import Collection
from uuid import UUID

from storage.database import Connection


async def claim(connection: Connection, holder: UUID, camera_ids: Collection[str], lease_s: float) -> set[str]:
    """Take or prolong the leases of these cameras for so long from now, by the database's clock; return those held.

    A camera that another holder has, and has prolonged in time, is not among them; nor is one that was removed.
    """
    # Locked, so that a camera that is being removed is gone or stays until its lease is stored.
    rows = await connection.fetch(
        """
        INSERT INTO camera_leases (camera_id, holder, expires_at)
        SELECT id, $1, now() + make_interval(secs => $3) FROM cameras
        WHERE id = ANY($2::text[]) AND removed_at IS NULL
        ORDER BY id FOR KEY SHARE
        ON CONFLICT (camera_id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
        WHERE camera_leases.holder = excluded.holder OR camera_leases.expires_at < now()
        RETURNING camera_id
        """,
        holder,
        list(camera_ids),
        lease_s,
    )
    return {row["camera_id"] for row in rows}


async def release(connection: Connection, holder: UUID, camera_ids: Collection[str] | None = None) -> None:
    """Give leases of this holder back: of these cameras, or all of them."""
    await connection.execute(
        "DELETE FROM camera_leases WHERE holder = $1 AND ($2::text[] IS NULL OR camera_id = ANY($2))",
        holder,
        None if camera_ids is None else list(camera_ids),
    )
