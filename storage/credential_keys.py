"""The keys that digests of PINs and QR codes are made with, sealed. They stay when the key of the seal is changed."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from storage.cipher import Cipher, SecretUnreadable
from storage.database import Connection

# It spells "crkey" in ASCII.
_LOCK = 0x63726B6579


def context(key_id: UUID) -> str:
    """What a key is bound to."""
    return f"credential key {key_id}"


async def load_or_add(connection: Connection, cipher: Cipher, new: Sequence[bytes]) -> tuple[bytes, ...]:
    """The keys that can be opened, the newest first. Where there is none, the first of `new` is stored; all of them
    where PINs or codes are given out already, since any may be the one that they were made with.

    One that cannot be opened stays: it counts again when its key is brought back.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        keys = []
        for row in await connection.fetch("SELECT id, sealed FROM credential_keys ORDER BY created_at DESC, id"):
            try:
                keys.append(cipher.open_bytes(row["sealed"], context(row["id"])))
            except SecretUnreadable:
                continue
        if not keys:
            given_out = await connection.fetchval("SELECT EXISTS (SELECT FROM credentials)")
            keys = list(new if given_out else new[:1])
            for age, key in enumerate(keys):
                key_id = uuid4()
                await connection.execute(
                    """
                    INSERT INTO credential_keys (id, sealed, created_at)
                    VALUES ($1, $2, now() - $3 * interval '1 millisecond')
                    """,
                    key_id,
                    cipher.seal_bytes(key, context(key_id)),
                    age,
                )
    return tuple(keys)
