"""Everything that is held on one person as one JSON document, written piece by piece: a year of sightings is long."""

import base64
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any
from uuid import UUID

from storage import held, templates
from storage.cipher import Cipher
from storage.database import Database

FORMAT = "rollcall-person/1"


async def document(
    database: Database,
    person: dict[str, Any],
    *,
    at: datetime,
    cipher: Cipher | None = None,
) -> AsyncGenerator[str, None]:
    """The pieces of the document. With a cipher the templates carry their vectors: float32, little endian, base64.

    `person` is what `held.person` gave. A connection for each piece: whoever reads slowly holds none. Raises
    StorageUnavailable in the middle too; the document is then cut short and no JSON.
    """
    person_id = UUID(person["id"])
    head = {"format": FORMAT, "exported_at": at.isoformat(), "person": person}
    yield json.dumps(head, ensure_ascii=False)[:-1]
    for section in held.SECTIONS:
        yield f', "{section.name}": ['
        first, after = True, None
        while True:
            async with database.acquire() as connection:
                rows, after = await held.piece(connection, section, person_id, after)
                if section.name == "templates" and cipher is not None and rows:
                    _add_vectors(rows, await templates.vectors_of_person(connection, person_id, cipher))
            if rows:
                yield ("" if first else ", ") + ", ".join(json.dumps(row, ensure_ascii=False) for row in rows)
                first = False
            if after is None:
                break
        yield "]"
    yield "}\n"


def _add_vectors(rows: list[dict[str, Any]], vectors: dict[UUID, Any]) -> None:
    for row in rows:
        vector = vectors.get(UUID(row["id"]))
        row["embedding_base64"] = None if vector is None else base64.b64encode(vector.astype("<f4").tobytes()).decode()
