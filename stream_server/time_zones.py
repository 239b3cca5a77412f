"""Time zones by the names of IANA."""

from zoneinfo import ZoneInfo


def is_time_zone(name: str) -> bool:
    """Whether there is such a zone here."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; no path; a folder, such as Europe
        return False
    return True
