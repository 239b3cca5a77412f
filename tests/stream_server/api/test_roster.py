import asyncio
import csv
import io
import time
from typing import Any

import pytest
from openpyxl import Workbook

from storage import outbox, people, people_locks, roster_memberships, templates
from stream_server.privacy.secrets import SecretBox
from stream_server.roster.tables import cell_for_export
from tests.stream_server.roster import rosters


async def send(api: Any, data: bytes, apply: bool = True, status: int | None = None) -> Any:
    return await api.call("POST", "/roster/import", status, content=data, params={"apply": str(apply).lower()})


async def names(api: Any) -> list[str]:
    return [person["name"] for person in (await api.call("GET", "/people"))["people"]]


async def members(api: Any, day: str | None = None) -> set[tuple[str, str, str]]:
    listed = (await api.call("GET", "/memberships", params={"day": day} if day else {}))["memberships"]
    return {(one["group"]["name"], one["person"]["name"], one["role"]) for one in listed}


def outcomes(report: Any) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["key"], row["outcome"]) for row in report["rows"]]


TABLE = b"external_id,name,groups,consent\n1,Ada,7a;Chess,yes\n2,Alan,7a,\n"


async def test_a_dry_run_says_what_would_happen_and_stores_nothing(api: Any) -> None:
    report = await api.call("POST", "/roster/import", content=TABLE)
    assert report["applied"] is False
    assert report["counts"]["created"] == 7
    assert await names(api) == []
    assert (await api.call("GET", "/groups"))["groups"] == []
    async with api.database.acquire() as connection:
        assert await outbox.latest_id(connection) == 0
    applied = await send(api, TABLE)
    assert applied["rows"] == report["rows"], "the dry run foretells exactly what comes"
    assert await names(api) == ["Ada", "Alan"]
    assert await members(api) == {("7a", "Ada", "student"), ("Chess", "Ada", "student"), ("7a", "Alan", "student")}


async def test_importing_again_changes_only_what_is_other(api: Any) -> None:
    await send(api, TABLE)
    again = await send(api, TABLE)
    assert again["counts"] == {**dict.fromkeys(again["counts"], 0), "unchanged": 7}
    changed = await send(api, TABLE.replace(b"Alan", b"Alan T."))
    assert [row for row in outcomes(changed) if row[2] != "unchanged"] == [("person", "2", "updated")]
    assert await names(api) == ["Ada", "Alan T."]


async def test_rows_that_cannot_be_used_are_refused_with_their_number(api: Any) -> None:
    table = (
        b"external_id,name,consent,starts_on,ends_on,groups\n"
        b"1,Ada,,,,\n"
        b",Nobody,,,,\n"
        b"1,Twice,,,,\n"
        b"3,,,,,\n"
        b"4,Bad,maybe,,,\n"
        b"5,Bad,,yesterday,,\n"
        b"6,Bad,,2026-03-02,2026-03-01,7a\n"
        b"7,\x07Bell,,,,\n"
    )
    report = await send(api, table)
    refused = {row["row"]: row["reason"] for row in report["rows"] if row["outcome"] == "refused"}
    assert set(refused) == {3, 4, 5, 6, 7, 8, 9}
    assert "row 2 has the id '1' too" in refused[4]
    assert "2026-03-01" in refused[8]
    assert await names(api) == ["Ada", "Bad"], "the person of row 8 is good, the membership is not"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a,b\n1,2\n", "columns_missing"),
        (b"external_id\n1\n", "columns_missing"),
        (b"external_id,name\n1," + b"x" * 10_000_000, "line_too_long"),
        (rosters.zipped({"../x": "1"}), "archive_refused"),
        (rosters.zipped({"x.txt": "1"}), "table_unreadable"),
        (rosters.zipped({"users.csv": rosters.USERS}), "manifest_unusable"),
        (rosters.oneroster(version="2.0"), "manifest_unusable"),
        (rosters.zipped({"xl/workbook.xml": "<no"}), "table_unreadable"),
        (b"", "empty_body"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_whole(api: Any, data: bytes, code: str) -> None:
    assert (await send(api, data, status=400))["code"] == code
    assert await names(api) == []


def workbook(*rows: tuple[object, ...]) -> bytes:
    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


async def test_a_workbook_is_read_and_its_formulas_are_not_computed(api: Any) -> None:
    data = workbook(
        ("Student ID", "First name", "Last name", "Class"), (17, "Ada", "Lovelace", "7a"), (18, "=1+1", "x")
    )
    report = await send(api, data)
    assert await names(api) == ["Ada Lovelace"]
    refused = [row for row in report["rows"] if row["outcome"] == "refused"]
    assert [(row["row"], "formula" in row["reason"]) for row in refused] == [(3, True)]


async def test_formulas_in_a_csv_are_text_and_leave_escaped(api: Any) -> None:
    await send(api, b'external_id,name\n1,"=HYPERLINK(""http://x"")"\n')
    assert await names(api) == ['=HYPERLINK("http://x")']
    response = await api.http.get("/api/v1/roster/export")
    header, row = csv.reader(io.StringIO(response.text))
    assert header == ["external_id", "name", "groups", "consent"]
    assert row[1] == cell_for_export('=HYPERLINK("http://x")')


async def test_an_export_comes_back_as_it_was(api: Any) -> None:
    await send(api, TABLE)
    exported = (await api.http.get("/api/v1/roster/export")).content
    report = await send(api, exported)
    assert report["counts"]["created"] == report["counts"]["updated"] == report["counts"]["refused"] == 0


async def test_consent_taken_back_in_a_table_deletes_templates(api: Any) -> None:
    import numpy as np

    await send(api, TABLE)
    ada = (await api.call("GET", "/people"))["people"][0]
    async with api.database.acquire() as connection:
        await templates.add(
            connection,
            cipher=SecretBox(bytes(32)),
            person_id=ada["id"],
            model_id="m",
            embedding=np.ones(128, np.float32),
            quality=1,
            source="test",
        )
    report = await send(api, b"external_id,name,consent\n1,Ada,no\n")
    assert outcomes(report) == [("person", "1", "updated")]
    after = await api.call("GET", f"/people/{ada['id']}")
    assert (after["consent"], after["templates"]) == ("revoked", 0)


async def test_somebody_enrolled_who_is_renamed_is_renamed_in_the_gallery(api: Any) -> None:
    import numpy as np

    await send(api, TABLE)
    async with api.database.acquire() as connection:
        ada = await people.find_by_external_ids(connection, ["1"])
        await templates.add(
            connection,
            cipher=SecretBox(bytes(32)),
            person_id=ada,
            model_id="m",
            embedding=np.ones(128, np.float32),
            quality=1,
            source="test",
        )
        before = await outbox.latest_id(connection)
    await send(api, TABLE.replace(b"Ada", b"Countess"))
    async with api.database.acquire() as connection:
        events = await outbox.read_after(connection, before)
    assert [event.type for event in events] == ["gallery.changed", "roster.imported"]
    assert events[0].payload == {"person_id": str(ada)}


async def test_a_oneroster_export_is_imported_with_its_ids_and_days(api: Any) -> None:
    report = await send(api, rosters.oneroster())
    assert report["counts"]["refused"] == 0
    assert ("person", "u4", "skipped") in outcomes(report), "parents have no attendance"
    assert await names(api) == ["Ada Lovelace", "Alan Turing", "Grace Hopper"]
    group = (await api.call("GET", "/groups", params={"external_id": "k1"}))["groups"][0]
    assert (group["name"], group["source"]) == ("Maths 7a", "oneroster")
    maths = "Maths 7a"
    everybody = {
        (maths, "Ada Lovelace", "student"),
        (maths, "Alan Turing", "student"),
        (maths, "Grace Hopper", "staff"),
    }
    assert await members(api, "2026-03-31") == everybody
    # The end of an enrollment is the day after its last; who has none has those of the term.
    assert await members(api, "2026-04-01") == everybody - {(maths, "Alan Turing", "student")}
    assert await members(api, "2026-07-01") == await members(api, "2026-01-31") == set()
    again = await send(api, rosters.oneroster())
    assert {row["outcome"] for row in again["rows"]} == {"unchanged", "skipped"}


async def test_version_1_1_has_the_roles_among_the_users(api: Any) -> None:
    users = (
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,givenName,familyName\n"
        "u1,,,true,o1,student,ada,Ada,Lovelace\nu9,,,true,o1,guardian,x,Some,Guardian\n"
    )
    enrollments = rosters.ENROLLMENTS.splitlines()
    data = rosters.oneroster(version="1.1", users=users, roles="", enrollments="\n".join(enrollments[:2]))
    report = await send(api, data)
    assert await names(api) == ["Ada Lovelace"]
    assert report["counts"]["refused"] == 0


async def test_what_is_gone_from_a_bulk_export_is_ended_not_deleted(api: Any) -> None:
    await send(api, rosters.oneroster())
    fewer = "\n".join(rosters.ENROLLMENTS.splitlines()[:2]) + "\n"
    report = await send(api, rosters.oneroster(enrollments=fewer))
    assert {row[1] for row in outcomes(report) if row[2] == "removed"} == {"e2", "e3"}
    assert len(await members(api, "2026-03-02")) == 3, "today still counts"
    assert await members(api, "2026-03-03") == {("Maths 7a", "Ada Lovelace", "student")}
    gone = await send(api, rosters.oneroster(classes=rosters.CLASSES.splitlines()[0] + "\n", enrollments=""))
    assert ("group", "k1", "removed") in outcomes(gone)
    assert await names(api) == ["Ada Lovelace", "Alan Turing", "Grace Hopper"], "people stay"


async def test_a_delta_changes_only_what_it_names(api: Any) -> None:
    await send(api, rosters.oneroster())
    delta = rosters.oneroster(
        "delta",
        users="sourcedId,status,dateLastModified,givenName,familyName\nu1,active,2026-03-01,Augusta,Lovelace\n",
        enrollments="sourcedId,status,dateLastModified,classSourcedId,userSourcedId,role\n"
        "e2,tobedeleted,2026-03-01,k1,u2,student\n",
        roles="",
        orgs="",
        courses="",
        academicSessions="",
        classes="",
    )
    report = await send(api, delta)
    assert outcomes(report) == [("membership", "e2", "removed"), ("person", "u1", "updated")]
    assert {name for _, name, _ in await members(api, "2026-03-03")} == {"Augusta Lovelace", "Grace Hopper"}


async def test_orphans_and_duplicates_are_refused_and_the_rest_is_stored(api: Any) -> None:
    data = rosters.oneroster(
        classes=rosters.CLASSES + "k2,No Course,c9,o1,t1\nk1,Twice,c1,o1,t1\n",
        enrollments=rosters.ENROLLMENTS + "e8,k9,o1,u1,student,,,\ne9,k1,o1,u9,student,,,\n",
    )
    report = await send(api, data)
    refused = {(row["file"], row["row"]): row["reason"] for row in report["rows"] if row["outcome"] == "refused"}
    assert set(refused) == {("classes.csv", 3), ("classes.csv", 4), ("enrollments.csv", 5), ("enrollments.csv", 6)}
    assert "no course has the id 'c9'" in refused["classes.csv", 3]
    assert "u9" in refused["enrollments.csv", 6]
    assert len(await members(api)) == 3


async def test_ten_thousand_rows_are_imported(api: Any) -> None:
    lines = [f"{number},Person {number},Group {number % 200}" for number in range(10_000)]
    data = ("external_id,name,groups\n" + "\n".join(lines)).encode()
    began = time.monotonic()
    report = await send(api, data)
    took_s = time.monotonic() - began
    assert report["counts"]["created"] == 20_200
    assert report["counts"]["refused"] == 0
    print(f"10,000 rows in {took_s:.1f} s")
    again = await send(api, data)
    assert again["counts"]["unchanged"] == 20_200


async def test_two_imports_at_once_end_as_one(api: Any) -> None:
    reports = await asyncio.gather(send(api, TABLE), send(api, TABLE))
    assert sorted(report["counts"]["created"] for report in reports) == [0, 7]
    assert await names(api) == ["Ada", "Alan"]


async def test_a_group_name_that_two_groups_have_is_refused(api: Any) -> None:
    for external_id in ("g1", "g2"):
        await api.call("POST", "/groups", json={"name": "7a", "external_id": external_id})
    report = await send(api, b"external_id,name,groups\n1,Ada,7A\n2,Alan,g2\n")
    assert [row["reason"] for row in report["rows"] if row["kind"] == "group" and row["outcome"] == "refused"]
    assert len(await members(api)) == 1


async def consent_cells(api: Any) -> dict[str, str]:
    response = await api.http.get("/api/v1/roster/export")
    return {row["external_id"]: row["consent"] for row in csv.DictReader(io.StringIO(response.text))}


async def test_who_was_never_asked_is_exported_without_an_answer_and_keeps_a_later_one(api: Any) -> None:
    import numpy as np

    await send(api, b"external_id,name,consent\n1,Ada,yes\n2,Alan,\n3,Eve,no\n")
    assert await consent_cells(api) == {"1": "yes", "2": "", "3": "no"}
    exported = (await api.http.get("/api/v1/roster/export")).content
    async with api.database.acquire() as connection:
        alan = await people.find_by_external_ids(connection, ["2"])
        await people.update(connection, alan, at=api.at, consent=people.Consent.GRANTED)
        await templates.add(
            connection,
            cipher=SecretBox(bytes(32)),
            person_id=alan,
            model_id="m",
            embedding=np.ones(128, np.float32),
            quality=1,
            source="test",
        )
    report = await send(api, exported)
    assert report["counts"]["updated"] == 0
    after = await api.call("GET", f"/people/{alan}")
    assert (after["consent"], after["templates"]) == ("granted", 1)


async def test_a_no_of_somebody_who_was_never_asked_is_an_answer(api: Any) -> None:
    await send(api, b"external_id,name,consent\n1,Ada,\n")
    table = b"external_id,name,consent\n1,Ada,no\n2,Alan,no\n"
    report = await send(api, table)
    assert [outcome for _, _, outcome in outcomes(report)] == ["updated", "created"]
    for external_id in ("1", "2"):
        async with api.database.acquire() as connection:
            person_id = await people.find_by_external_ids(connection, [external_id])
        history = await api.call("GET", f"/people/{person_id}/consents")
        assert [answer["state"] for answer in history["consents"]] == ["revoked"]
        page = await api.call("GET", "/audit", params={"person_id": str(person_id), "action": "consent.revoked"})
        assert len(page["audit"]) == 1
    assert (await send(api, table))["counts"]["unchanged"] == 2


async def test_the_outbox_is_locked_last_also_when_many_take_consent_back(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(api, b"external_id,name,consent\n1,Ada,yes\n2,Alan,yes\n")
    held: list[int] = []
    import_memberships = roster_memberships.import_memberships

    async def looking(connection: Any, *arguments: Any) -> None:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = $1"
        held.append(await connection.fetchval(query, outbox._LOCK & 0xFFFFFFFF))
        await import_memberships(connection, *arguments)
        await outbox.append(connection, "test", {})
        held.append(await connection.fetchval(query, outbox._LOCK & 0xFFFFFFFF))

    monkeypatch.setattr(roster_memberships, "import_memberships", looking)
    async with api.database.acquire() as connection:
        before = await outbox.latest_id(connection)
    await send(api, b"external_id,name,consent,groups\n1,Ada,no,7a\n2,Alan,no,7a\n")
    assert held == [0, 1]
    async with api.database.acquire() as connection:
        events = await outbox.read_after(connection, before)
    assert [event.type for event in events] == ["test", "gallery.changed", "gallery.changed", "roster.imported"]


async def test_an_import_waits_for_whoever_else_brings_in_people_and_takes_theirs_for_known(api: Any) -> None:
    async with api.database.acquire() as connection, connection.transaction():
        await people_locks.take_turn(connection)
        importing = asyncio.create_task(send(api, TABLE))
        async with asyncio.timeout(60):
            while not importing.done() and not await connection.fetchval(
                "SELECT count(*) FROM pg_locks WHERE NOT granted"
            ):
                await asyncio.sleep(0.01)
        await people.create(connection, name="Ada", external_id="1", at=api.at)
    outcome = {key: outcome for kind, key, outcome in outcomes(await importing) if kind == "person"}
    assert outcome == {"1": "updated", "2": "created"}
    assert await names(api) == ["Ada", "Alan"]
