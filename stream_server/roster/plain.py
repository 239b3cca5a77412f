"""Plain tables: one row a person, with the groups that the person is in."""

from storage.memberships import Role
from storage.roster_rows import GroupRow, MembershipRow, PersonRow, Place, RosterBatch
from stream_server.roster.fields import Unusable, day, refused, text, yes_or_no
from stream_server.roster.tables import Row, Table, TableUnreadable

_ID = ("externalid", "id", "sourcedid", "studentid", "number")
_NAME = ("name", "fullname", "displayname")
_GIVEN = ("givenname", "firstname", "forename")
_FAMILY = ("familyname", "lastname", "surname")
_GROUPS = ("groups", "group", "class", "classes")
_KNOWN = {*_ID, *_NAME, *_GIVEN, *_FAMILY, *_GROUPS, "consent", "role", "startson", "endson"}
_GROUPS_A_ROW_MAX = 50


def read_plain(table: Table) -> RosterBatch:
    """The people, groups and memberships of a table. Raises TableUnreadable; single rows are refused with a reason.

    Columns: `external_id` and `name` (or `given_name` and `family_name`); if wanted `groups` (several parted by `;`),
    `consent`, `role`, `starts_on`, `ends_on`.
    """
    columns = set(table.columns)
    if columns.isdisjoint(_ID):
        raise TableUnreadable(
            f"{table.name} has no column external_id", hint="name it in the first line", code="columns_missing"
        )
    if columns.isdisjoint(_NAME) and columns.isdisjoint((*_GIVEN, *_FAMILY)):
        raise TableUnreadable(
            f"{table.name} has no column name", hint="or given_name and family_name", code="columns_missing"
        )
    batch = RosterBatch("table")
    batch.warnings += [
        f"the column {column!r} is not used" for column in table.columns if column and column not in _KNOWN
    ]
    seen: dict[str, int] = {}
    groups: set[str] = set()
    for row in table.rows:
        _take(row, Place(table.name, row.number), batch, seen, groups)
    batch.warnings = table.warnings + batch.warnings
    return batch


def _take(row: Row, place: Place, batch: RosterBatch, seen: dict[str, int], groups: set[str]) -> None:
    cells = row.cells
    key = next((cells[column] for column in _ID if cells.get(column)), "")
    try:
        if row.problem:
            raise Unusable(row.problem)
        external_id = text(cells, *_ID, needed=True)
        if external_id in seen:
            raise Unusable(f"row {seen[external_id]} has the id {external_id!r} too")
        name = text(cells, *_NAME) or " ".join(part for part in (text(cells, *_GIVEN), text(cells, *_FAMILY)) if part)
        if not name:
            raise Unusable("name is empty")
        consent, starts_on, ends_on = yes_or_no(cells, "consent"), day(cells, "startson"), day(cells, "endson")
        role = _role(cells)
        named = _group_names(cells)
    except Unusable as error:
        batch.told.append(refused(place, "person", key, str(error)))
        return
    seen[external_id] = row.number
    batch.people.append(PersonRow(place, external_id, name, consent))
    for group in named:
        if group.lower() not in groups:
            groups.add(group.lower())
            batch.groups.append(GroupRow(place, group))
        batch.memberships.append(MembershipRow(place, group, external_id, role, starts_on, ends_on))


def _role(cells: dict[str, str]) -> Role:
    value = cells.get("role", "").lower()
    if value in ("", "student", "pupil"):
        return Role.STUDENT
    if value in ("staff", "teacher"):
        return Role.STAFF
    raise Unusable("role is student or staff")


def _group_names(cells: dict[str, str]) -> list[str]:
    listed = next((cells[column] for column in _GROUPS if cells.get(column)), "")
    names: dict[str, str] = {}
    for part in listed.split(";"):
        if name := part.strip():
            names.setdefault(text({"groups": name}, "groups").lower(), name)
    if len(names) > _GROUPS_A_ROW_MAX:
        raise Unusable(f"groups names {len(names)} groups; at most {_GROUPS_A_ROW_MAX} are taken")
    return list(names.values())
