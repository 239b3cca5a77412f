"""What a record of attendance can say, and how it can come about."""

from enum import StrEnum


class Status(StrEnum):
    """What a record says of a person."""

    PRESENT = "present"
    LATE = "late"
    ABSENT = "absent"
    EXCUSED = "excused"


class Method(StrEnum):
    """How a record came about."""

    FACE = "face"
    MANUAL = "manual"
    PIN = "pin"
    QR = "qr"
    REVIEW = "review"  # a face that nearly matched, settled by somebody
    CLOCK = "clock"  # absent when the session ended
