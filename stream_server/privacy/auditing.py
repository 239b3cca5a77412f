"""Noting in the audit log who saw or changed what: `changed` in the transaction of the change, `seen` before something
is shown. Routes ask for an auditor by `api.audited`.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from storage import audit
from storage.audit import Entry
from storage.database import Connection

SEEN_AGAIN_S = 60.0
SEEN_MAX = 4096
COMMAND = "command"


class Action(StrEnum):
    """What can be noted. docs/privacy.md explains each; a test holds it to this list."""

    PEOPLE_LISTED = "people.listed"
    PERSON_READ = "person.read"
    PERSON_CREATED = "person.created"
    PERSON_UPDATED = "person.updated"
    PERSON_ERASED = "person.erased"
    PERSON_EXPORTED = "person.exported"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_READ = "consent.read"
    CONSENT_TEXT_PUBLISHED = "consent_text.published"
    TEMPLATE_ADDED = "template.added"
    TEMPLATE_DELETED = "template.deleted"
    TEMPLATES_READ = "templates.read"
    CREDENTIAL_MADE = "credential.made"
    CREDENTIAL_REVOKED = "credential.revoked"
    CREDENTIAL_REFUSED = "credential.refused"
    PICTURE_RECOGNISED = "picture.recognised"
    ATTENDANCE_READ = "attendance.read"
    ATTENDANCE_MARKED = "attendance.marked"
    ATTENDANCE_CORRECTED = "attendance.corrected"
    REPORT_MADE = "report.made"
    REVIEWS_READ = "reviews.read"
    REVIEW_SETTLED = "review.settled"
    UNKNOWN_FACES_READ = "unknown_faces.read"
    UNKNOWN_FACE_NAMED = "unknown_face.named"
    UNKNOWN_FACE_IGNORED = "unknown_face.ignored"
    UNKNOWN_FACE_DISCARDED = "unknown_face.discarded"
    ROSTER_IMPORTED = "roster.imported"
    ROSTER_EXPORTED = "roster.exported"
    MEMBERSHIPS_READ = "memberships.read"
    MEMBERSHIP_CHANGED = "membership.changed"
    MEMBERSHIP_REMOVED = "membership.removed"
    GROUP_CHANGED = "group.changed"
    GROUP_REMOVED = "group.removed"
    ROOM_CHANGED = "room.changed"
    ROOM_REMOVED = "room.removed"
    TIMETABLE_IMPORTED = "timetable.imported"
    LESSON_CHANGED = "lesson.changed"
    LESSON_REMOVED = "lesson.removed"
    SESSION_CANCELLED = "session.cancelled"
    SESSION_CLOSED = "session.closed"
    CAMERA_CHANGED = "camera.changed"
    CAMERA_WATCHED = "camera.watched"
    CAMERA_REMOVED = "camera.removed"
    SITE_CHANGED = "site.changed"
    KEY_ROTATED = "key.rotated"
    GALLERY_EXPORTED = "gallery.exported"
    GALLERY_RESTORED = "gallery.restored"
    WEBHOOK_ADDED = "webhook.added"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_REMOVED = "webhook.removed"
    WEBHOOK_SENT = "webhook.sent"
    SIGNED_IN = "user.signed_in"
    SIGN_IN_REFUSED = "user.sign_in_refused"
    SIGNED_OUT = "user.signed_out"
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_REMOVED = "user.removed"
    PASSWORD_CHANGED = "user.password_changed"
    PASSWORD_REFUSED = "user.password_refused"
    SESSIONS_ENDED = "user.sessions_ended"
    TOKEN_MADE = "token.made"
    TOKEN_REVOKED = "token.revoked"
    PAIRING_ISSUED = "pairing.issued"
    PAIRING_WITHDRAWN = "pairing.withdrawn"
    PAIRING_REFUSED = "pairing.refused"
    DEVICE_PAIRED = "device.paired"
    DEVICE_REVOKED = "device.revoked"
    EVENTS_FOLLOWED = "events.followed"
    AUDIT_READ = "audit.read"


class SeenLately:
    """What was noted as seen in the last minute: a page that asks every second is one entry a minute, not sixty."""

    def __init__(
        self, *, again_s: float = SEEN_AGAIN_S, size_max: int = SEEN_MAX, mono: Callable[[], float] = time.monotonic
    ) -> None:
        self._again_s = again_s
        self._size_max = size_max
        self._mono = mono
        self._noted: OrderedDict[str, float] = OrderedDict()

    def is_new(self, what: str) -> bool:
        """Whether this has not been noted in the last minute. Call `noted` when it is stored."""
        at = self._noted.get(what)
        return at is None or self._mono() - at >= self._again_s

    def noted(self, what: str) -> None:
        """This is stored now. Of too many the oldest is forgotten, which at worst means one entry more."""
        self._noted[what] = self._mono()
        self._noted.move_to_end(what)
        if len(self._noted) > self._size_max:
            self._noted.popitem(last=False)


class ClockAndMemory(Protocol):
    """What an auditor needs of the running parts."""

    @property
    def now(self) -> Callable[[], datetime]:
        """The server's clock."""

    @property
    def seen_lately(self) -> SeenLately:
        """What was noted in the last minute."""


@dataclass(frozen=True, slots=True)
class _OfCommand:
    now: Callable[[], datetime]
    seen_lately: SeenLately


class Auditor:
    """Notes what one request does."""

    def __init__(self, actor: str, request_id: str, services: ClockAndMemory) -> None:
        self.actor = actor
        self._request_id = request_id
        self._services = services

    def as_actor(self, actor: str) -> "Auditor":
        """The same for somebody whom the request has made known, by signing in for example."""
        return Auditor(actor, self._request_id, self._services)

    async def changed(
        self,
        connection: Connection,
        action: Action,
        person_id: UUID | None = None,
        *,
        subject: str = "",
        **details: Any,
    ) -> None:
        """Note a change, in its transaction. `details` name no person and hold nothing biometric."""
        await audit.append(connection, self._entry(action, person_id, subject, details))

    async def changed_people(self, connection: Connection, action: Action, person_ids: Iterable[UUID]) -> None:
        """Note the same change of many people, in its transaction."""
        await audit.append_all(connection, [self._entry(action, person_id, "", {}) for person_id in person_ids])

    async def seen(
        self,
        connection: Connection,
        action: Action,
        person_id: UUID | None = None,
        *,
        subject: str = "",
        **details: Any,
    ) -> None:
        """Note that somebody is about to be shown something, or was refused: once a minute for the same actor and the
        same thing.
        """
        entry = self._entry(action, person_id, subject, details)
        what = repr((entry.actor, entry.action, entry.subject, entry.details))
        if self._services.seen_lately.is_new(what):
            await audit.append(connection, entry)
            self._services.seen_lately.noted(what)

    def _entry(self, action: Action, person_id: UUID | None, subject: str, details: dict[str, Any]) -> Entry:
        about = audit.of_person(person_id) if person_id is not None else subject or None
        given = {name: value for name, value in details.items() if value is not None}
        return Entry(self._services.now(), self.actor, action.value, about, self._request_id, given)


def command_auditor() -> Auditor:
    """The auditor of a command that works on the database itself: whoever may run it is known to the machine alone."""
    return Auditor(COMMAND, "", _OfCommand(lambda: datetime.now(UTC), SeenLately()))
