"""The keys that digests of PINs and QR codes are made with, sealed. They stay when the key of the seal is changed."""

from uuid import UUID, uuid4

from storage.cipher import Cipher, SecretUnreadable
from storage.database import Connection

# It spells "crkey" in ASCII.
_LOCK = 0x63726B6579


def context(key_id: UUID) -> str:
    """What a key is bound to."""
    return f"credential key {key_id}"


async def load_or_add(connection: Connection, cipher: Cipher, new: bytes) -> tuple[bytes, ...]:
    """The keys that can be opened, the newest first; `new` is stored and is the only one where there is none.

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
            keys = [new]
            key_id = uuid4()
            sealed = cipher.seal_bytes(new, context(key_id))
            await connection.execute("INSERT INTO credential_keys (id, sealed) VALUES ($1, $2)", key_id, sealed)
    return tuple(keys)
