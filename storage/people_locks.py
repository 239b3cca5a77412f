"""Locks of whoever changes many people in one transaction, in the order that keeps such transactions from waiting for
each other in a circle: first the turn, then (where faces are forgotten) the lock of the unknown faces, then everybody
by id, and the outbox last. Whoever changes one person needs no turn.
"""

from collections.abc import Collection
from uuid import UUID

from storage.database import Connection

# An arbitrary number for the advisory lock; it spells "peopl" in ASCII.
_LOCK = 0x70656F706C


async def take_turn(connection: Connection) -> None:
    """Wait until nobody else brings in many people: imports, restores. The turn ends with the transaction.

    Rows that are there can be locked in an order; people who are added at the same time, with the same external ids,
    cannot.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def hold_all(
    connection: Connection,
    *,
    person_ids: Collection[UUID] = (),
    external_ids: Collection[str] = (),
    names: Collection[str] = (),
) -> None:
    """Lock all these people, by id, against changes and erasure until the transaction ends."""
    await connection.execute(
        """
        SELECT 1 FROM people WHERE id = ANY ($1) OR external_id = ANY ($2) OR name = ANY ($3)
        ORDER BY id FOR NO KEY UPDATE
        """,
        list(person_ids),
        list(external_ids),
        list(names),
    )
