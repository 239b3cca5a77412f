"""OneRoster CSV, version 1.2 and 1.1: a zip of tables with a manifest that says which are whole and which are changes.

After 1EdTech's "OneRoster 1.2 CSV Binding". Of a delta, rows whose status is `tobedeleted` end memberships and remove
groups; people are never deleted by an import: erasing somebody is a decision. Days are first and last day here, where
OneRoster's end dates are the day after.
"""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import TypeAlias

from storage.memberships import Role
from storage.roster_rows import (
    GroupRow,
    MembershipRow,
    PersonRow,
    Place,
    ReferenceRow,
    RosterBatch,
    RowOutcome,
    Told,
)
from stream_server.roster.archives import Archive, ArchiveRefused
from stream_server.roster.fields import Unusable, day, refused, text
from stream_server.roster.tables import TableUnreadable, read_csv

Cells: TypeAlias = dict[str, str]

MANIFEST = "manifest.csv"
_VERSIONS = ("1.1", "1.2")
# Nobody of these comes to lessons.
_NOT_KEPT = frozenset({"guardian", "parent", "relative"})


class ManifestUnusable(ArchiveRefused):
    """The manifest is missing, of another version, or contradicts the files."""

    code = "manifest_unusable"


def read_oneroster(archive: Archive) -> RosterBatch:
    """The rows of an archive; single rows are refused. Raises ManifestUnusable, ArchiveRefused or TableUnreadable."""
    modes = _manifest(archive)
    batch = RosterBatch("oneroster")
    batch.complete = frozenset(
        kind for kind, name in (("group", "classes"), ("membership", "enrollments")) if modes.get(name) == "bulk"
    )
    roles: dict[str, set[str]] = {}
    for name, kind, take in (
        ("orgs", "org", partial(_reference, batch, "org")),
        ("courses", "course", partial(_reference, batch, "course")),
        ("academicSessions", "term", partial(_reference, batch, "term")),
        ("roles", "role", partial(_user_role, roles)),
        ("users", "person", partial(_person, batch, roles)),
        ("classes", "group", partial(_group, batch)),
        ("enrollments", "membership", partial(_enrollment, batch)),
    ):
        if name in modes:
            _each(archive, f"{name}.csv", kind, take, batch)
    return batch


def _manifest(archive: Archive) -> dict[str, str]:
    """Which files there are, by name without `.csv`, and whether each is `bulk` or `delta`."""
    if MANIFEST not in archive.names:
        raise ManifestUnusable("the archive has no manifest.csv at its top", hint="pack the files, not their folder")
    with archive.open(MANIFEST) as member:
        table = read_csv(member, MANIFEST)
        properties = {row.cells.get("propertyname", ""): row.cells.get("value", "") for row in table.rows}
    version = properties.get("oneroster.version", "")
    if version not in _VERSIONS:
        raise ManifestUnusable(f"OneRoster {version[:20]!r} is not known", hint="1.1 and 1.2 are")
    modes: dict[str, str] = {}
    for key, value in properties.items():
        if not key.startswith("file."):
            continue
        name, mode = key.removeprefix("file."), value.lower()
        if mode not in ("absent", "bulk", "delta"):
            raise ManifestUnusable(f"the manifest says {mode[:20]!r} of {name[:50]!r}", hint="absent, bulk or delta")
        if mode == "absent":
            continue
        if f"{name}.csv" not in archive.names:
            raise ManifestUnusable(f"the manifest names {name[:50]}.csv, which is not in the archive")
        modes[name] = mode
    return modes


def _each(archive: Archive, file: str, kind: str, take: Callable[[Place, Cells], None], batch: RosterBatch) -> None:
    """Give every row of a file to `take`; one that it cannot use, or whose id was there before, is refused."""
    seen: dict[str, int] = {}
    with archive.open(file) as member:
        table = read_csv(member, file)
        batch.warnings += table.warnings
        if "sourcedid" not in table.columns:
            raise TableUnreadable(
                f"{file} has no column sourcedId", hint="name it in the first line", code="columns_missing"
            )
        for row in table.rows:
            place, sourced_id = Place(file, row.number), row.cells.get("sourcedid", "")
            try:
                if row.problem:
                    raise Unusable(row.problem)
                text(row.cells, "sourcedid", needed=True)
                if sourced_id in seen:
                    raise Unusable(f"row {seen[sourced_id]} has the sourcedId {sourced_id!r} too")
                take(place, row.cells)
                seen[sourced_id] = row.number
            except Unusable as error:
                batch.told.append(refused(place, kind, sourced_id, str(error)))


def _reference(batch: RosterBatch, kind: str, place: Place, cells: Cells) -> None:
    if _is_deleted(cells):
        return  # groups of the past refer to it
    title = text(cells, "name", "title") or cells["sourcedid"]
    first, after = day(cells, "startdate"), day(cells, "enddate")
    batch.references.append(ReferenceRow(kind, cells["sourcedid"], title, first, _day_before(after)))


def _user_role(roles: dict[str, set[str]], _: Place, cells: Cells) -> None:
    """The roles of each user, which version 1.2 keeps in a file of its own."""
    if not _is_deleted(cells):
        roles.setdefault(cells.get("usersourcedid", ""), set()).add(cells.get("role", "").lower())


def _person(batch: RosterBatch, roles: dict[str, set[str]], place: Place, cells: Cells) -> None:
    external_id = cells["sourcedid"]
    own = roles.get(external_id, set()) | ({cells["role"].lower()} if cells.get("role") else set())
    if own and own <= _NOT_KEPT:
        reason = f"a {min(own)} has no attendance"
        batch.told.append(Told(place, "person", external_id, RowOutcome.SKIPPED, reason))
        return
    if _is_deleted(cells):
        reason = "nobody is erased by an import; the memberships end with the enrollments"
        batch.told.append(Told(place, "person", external_id, RowOutcome.SKIPPED, reason))
        return
    given = text(cells, "preferredfirstname", "preferredgivenname", "givenname")
    family = text(cells, "preferredlastname", "preferredfamilyname", "familyname")
    name = " ".join(part for part in (given, family) if part)
    if not name:
        raise Unusable("givenName and familyName are empty")
    batch.people.append(PersonRow(place, external_id, text({"name": name}, "name")))


def _group(batch: RosterBatch, place: Place, cells: Cells) -> None:
    external_id = cells["sourcedid"]
    if _is_deleted(cells):
        batch.groups.append(GroupRow(place, external_id, external_id, removed=True))
        return
    refers = [
        (kind, cells[column]) for column, kind in (("coursesourcedid", "course"), ("schoolsourcedid", "org"))
        if cells.get(column)
    ]  # fmt: skip
    refers += [("term", one.strip()) for one in cells.get("termsourcedids", "").split(",") if one.strip()]
    title = text(cells, "title", "classcode", needed=True)
    batch.groups.append(GroupRow(place, title, external_id, tuple(refers)))


def _enrollment(batch: RosterBatch, place: Place, cells: Cells) -> None:
    removed = _is_deleted(cells)
    role = text(cells, "role", needed=not removed).lower()
    batch.memberships.append(
        MembershipRow(
            place,
            text(cells, "classsourcedid", needed=True),
            text(cells, "usersourcedid", needed=True),
            Role.STUDENT if role == "student" else Role.STAFF,
            day(cells, "begindate"),
            _day_before(day(cells, "enddate")),
            cells["sourcedid"],
            removed,
        )
    )


def _is_deleted(cells: Cells) -> bool:
    return cells.get("status", "").lower() == "tobedeleted"


def _day_before(day_after: date | None) -> date | None:
    return None if day_after is None else day_after - timedelta(days=1)
