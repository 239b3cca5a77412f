"""What the cells of roster files mean: names, ids, days, yes and no. Every function gives a value or a reason."""

from datetime import date

from storage.names import NAME_LENGTH_MAX, is_printable
from storage.roster_rows import Place, RowOutcome, Told

_YES = frozenset({"yes", "y", "true", "1", "x", "granted", "ja", "oui", "si"})
_NO = frozenset({"no", "n", "false", "0", "revoked", "none", "nein", "non"})


class Unusable(ValueError):
    """A cell cannot be used; the message is the reason, for whoever made the file."""


def text(cells: dict[str, str], *columns: str, needed: bool = False) -> str:
    """The first of the columns that is filled, or nothing. Raises Unusable."""
    for column in columns:
        value = cells.get(column, "")
        if value:
            if not is_printable(value):
                raise Unusable(f"{column} must have 1 to {NAME_LENGTH_MAX} printable characters")
            return value
    if needed:
        raise Unusable(f"{columns[0]} is empty")
    return ""


def day(cells: dict[str, str], column: str) -> date | None:
    """A day such as 2026-03-02. Raises Unusable."""
    value = cells.get(column, "")
    if not value:
        return None
    try:
        found = date.fromisoformat(value[:10])
    except ValueError:
        raise Unusable(f"{column} is no day such as 2026-03-02") from None
    if not date.min < found < date.max:
        raise Unusable(f"{column} is no day such as 2026-03-02")
    return found


def yes_or_no(cells: dict[str, str], column: str) -> bool | None:
    """Yes, no, or nothing said. Raises Unusable."""
    value = cells.get(column, "").lower()
    if not value:
        return None
    if value in _YES:
        return True
    if value in _NO:
        return False
    raise Unusable(f"{column} is neither yes nor no")


def refused(place: Place, kind: str, key: str, reason: str) -> Told:
    """A row that was refused while reading. Only what can be printed is repeated, and not at length."""
    shown = key if is_printable(key) else ""
    return Told(place, kind, shown, RowOutcome.REFUSED, reason)
