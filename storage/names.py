"""Names and numbers that people give to things: what of them can be stored, and lists in the order of names."""

from collections.abc import Sequence
from enum import Enum
from typing import Final
from uuid import UUID, uuid4

from recognition.errors import RequestError
from storage.database import Connection, Record
from storage.paging import Page, checked_limit, page_of, row_cursor

NAME_LENGTH_MAX = 200
_JOINERS = dict.fromkeys((0x200C, 0x200D))


class Keep(Enum):
    """The value of an argument that was not given, where None means something else."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


def checked(text: str, what: str) -> str:
    """The text without blanks around it. Raises RequestError `{what}_invalid`."""
    trimmed = text.strip()
    if not is_printable(trimmed):
        raise RequestError(
            f"this {what} cannot be stored",
            hint=f"use 1 to {NAME_LENGTH_MAX} printable characters",
            code=f"{what}_invalid",
        )
    return trimmed


def checked_external_id(external_id: str | None) -> str | None:
    """The same, where there is one. Raises RequestError `external_id_invalid`."""
    return None if external_id is None else checked(external_id, "external_id")


def is_printable(text: str) -> bool:
    """Whether a text without blanks around it can be a name."""
    # Joiners are part of names in Persian, Sinhala and others, and of many emoji; they show nothing by themselves.
    visible = text.translate(_JOINERS)
    return bool(visible) and len(text) <= NAME_LENGTH_MAX and visible.isprintable()


async def insert_named(
    connection: Connection, table: str, columns: str, *, name: str, external_id: str | None
) -> Record:
    """A new row of a table that has `name` and `external_id`. Raises RequestError `name_invalid` or
    `external_id_invalid`, and the driver's UniqueViolationError.
    """
    row = await connection.fetchrow(
        f"INSERT INTO {table} (id, name, external_id) VALUES ($1, $2, $3) RETURNING {columns}",
        uuid4(),
        checked(name, "name"),
        checked_external_id(external_id),
    )
    assert row is not None
    return row


async def update_named(
    connection: Connection, table: str, columns: str, row_id: UUID, *, name: str | None, external_id: str | Keep | None
) -> Record:
    """The row, which is there and locked, with what is given and the next version. Raises as `insert_named` does."""
    row = await connection.fetchrow(
        f"""
        UPDATE {table} SET name = coalesce($2, name), external_id = CASE WHEN $3 THEN external_id ELSE $4 END,
                           version = version + 1
        WHERE id = $1 RETURNING {columns}
        """,
        row_id,
        None if name is None else checked(name, "name"),
        isinstance(external_id, Keep),
        None if isinstance(external_id, Keep) else checked_external_id(external_id),
    )
    assert row is not None
    return row


async def page_by_name(
    connection: Connection,
    table: str,
    columns: str,
    *,
    limit: int,
    cursor: str | None,
    conditions: Sequence[str] = (),
    arguments: Sequence[object] = (),
) -> Page[Record]:
    """Rows of a table that has `id` and `name`, by name, those of one name by id.

    Where the row that was given last has changed meanwhile, the list goes on by the count: it gives one row again
    rather than leaving one out. `arguments` are $1 and on of the conditions.
    Raises RequestError for a bad limit or cursor.
    """
    checked_limit(limit)
    where, values = list(conditions), list(arguments)
    given = offset = 0
    if (last := row_cursor(cursor)) is not None:
        # Under the same conditions: a cursor that somebody made up must not tell where a row lies that is left out.
        same = " AND ".join([f"id = ${len(values) + 1}", *where])
        row = await connection.fetchrow(
            f"SELECT name, xmin::text AS xmin_ FROM {table} WHERE {same}", *values, last.row_id
        )
        given = last.given
        if row is not None and row["xmin_"] == last.version:
            where.append(f"(name, id) > (${len(values) + 1}, ${len(values) + 2})")
            values += [row["name"], last.row_id]
        else:
            given -= 1
            offset = given
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    rows = await connection.fetch(
        f"SELECT {columns}, xmin::text AS xmin_ FROM {table} {condition} ORDER BY name, id "
        f"LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}",
        *values,
        limit + 1,
        offset,
    )

    def position(row: Record) -> tuple[UUID, str, int]:
        return row["id"], row["xmin_"], given + limit

    return page_of(rows, limit, position)
