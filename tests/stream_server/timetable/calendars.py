"""Calendars for tests."""


def event(uid: str = "u1", start: str = "20260302T080000", end: str = "20260302T084500", *lines: str) -> str:
    """An event in Berlin; a start with a colon is taken as it is."""
    zoned = ";TZID=Europe/Berlin:"
    written = [
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"DTSTART{start if ':' in start else zoned + start}",
        f"DTEND{end if ':' in end else zoned + end}",
        *lines,
        "END:VEVENT",
    ]
    if not any(line.startswith("SUMMARY") for line in lines):
        written.insert(1, "SUMMARY:7a")
    return "\r\n".join(written)


def calendar(*events: str) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *events, "END:VCALENDAR", ""]).encode()
