"""Who did what on the roster is in the audit log, and in the history of consent."""

from collections import Counter
from typing import Any


async def noted(api: Any, **conditions: str) -> Counter[str]:
    """How often each action was noted; that the log was read is left out."""
    found = await api.call("GET", "/audit", params=conditions)
    assert {entry["actor"] for entry in found["audit"]} <= {"owner-token"}
    return Counter(entry["action"] for entry in found["audit"] if entry["action"] != "audit.read")


async def send(api: Any, table: bytes, apply: bool = True) -> None:
    await api.call("POST", "/roster/import", content=table, params={"apply": str(apply).lower()})


async def test_an_import_notes_whom_it_adds_renames_and_whose_consent_it_changes(api: Any) -> None:
    await send(api, b"external_id,name,consent\n1,Ada,yes\n2,Alan,no\n", apply=False)
    assert await noted(api, action="roster.imported") == {}

    await send(api, b"external_id,name,consent\n1,Ada,yes\n2,Alan,no\n")
    await send(api, b"external_id,name,consent\n1,Ada King,no\n2,Alan,yes\n")

    ada, alan = (await api.call("GET", "/people"))["people"]
    actions = ("person.created", "consent.granted", "person.updated", "consent.revoked")
    assert await noted(api, person_id=ada["id"]) == dict.fromkeys(actions, 1)
    # A "no" is an answer, too.
    answered = ("person.created", "consent.revoked", "consent.granted")
    assert await noted(api, person_id=alan["id"]) == dict.fromkeys(answered, 1)
    assert await noted(api, action="roster.imported") == {"roster.imported": 2}
    answers = (await api.call("GET", f"/people/{ada['id']}/consents"))["consents"]
    assert [(answer["state"], answer["by"]) for answer in answers] == [
        ("granted", "owner-token"),
        ("revoked", "owner-token"),
    ]


async def test_pins_punches_and_corrections_are_noted_and_wrong_pins_once_a_minute(api: Any) -> None:
    ada = await api.person("Ada")
    pin = (await api.call("POST", f"/people/{ada}/pin"))["pin"]
    wrong = "".join(str(9 - int(digit)) for digit in pin)
    for _ in range(2):
        await api.call("POST", "/punches", 400, json={"pin": wrong})
    made = await api.call("POST", "/punches", json={"pin": pin})
    record = made["attendance_id"]
    body = {"status": "late", "reason": "the bus"}
    await api.call("PATCH", f"/attendance/{record}", json=body, headers={"If-Match": "*"})
    await api.call("PATCH", f"/attendance/{record}", 412, json=body, headers={"If-Match": '"1"'})

    actions = ("person.created", "credential.made", "attendance.marked", "attendance.corrected")
    assert await noted(api, person_id=str(ada)) == dict.fromkeys(actions, 1), "what was refused is not noted as done"
    assert await noted(api, action="credential.refused") == {"credential.refused": 1}
