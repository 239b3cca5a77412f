"""The rows of a roster, whatever file they come from, and what became of each."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from storage.memberships import Role


class RowOutcome(StrEnum):
    """What became of one row, or would."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    SKIPPED = "skipped"  # nothing that Rollcall keeps
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the file, and the line in it, the header being 1. Line 0 is for what no file names."""

    file: str
    row: int


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody. `consent` None: nothing is said of it."""

    place: Place
    external_id: str
    name: str
    consent: bool | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group. Without an external id it is known by its name. `refers` are (kind, external id) that must be known."""

    place: Place
    name: str
    external_id: str | None = None
    refers: tuple[tuple[str, str], ...] = ()
    removed: bool = False


@dataclass(frozen=True, slots=True)
class MembershipRow:
    """Somebody in a group; `group` is its external id, or its name where `external_id` is None."""

    place: Place
    group: str
    person_external_id: str
    role: Role = Role.STUDENT
    starts_on: date | None = None
    ends_on: date | None = None
    external_id: str | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A school, course or term. `ends_on` is the last day."""

    kind: str
    external_id: str
    title: str
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a row. `key` is the external id or name that the row is about."""

    place: Place
    kind: str
    key: str
    outcome: RowOutcome
    reason: str = ""


@dataclass(slots=True)
class RosterBatch:
    """All rows of an import. `source` is `table` or `oneroster`.

    `complete` names the kinds (`group`, `membership`) of which everything is here: what an earlier import of the same
    source has made and is not here any more is taken away. `told` are rows that were settled while reading.
    """

    source: str
    people: list[PersonRow] = field(default_factory=list)
    groups: list[GroupRow] = field(default_factory=list)
    memberships: list[MembershipRow] = field(default_factory=list)
    references: list[ReferenceRow] = field(default_factory=list)
    complete: frozenset[str] = frozenset()
    told: list[Told] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
