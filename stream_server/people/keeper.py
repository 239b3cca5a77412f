"""The enrolled people in memory: their templates as one gallery, and their names. Read anew when an event says so."""

import asyncio
import logging
import time
from uuid import UUID

from recognition.gallery import Gallery
from storage import sealing, templates, unknown_faces
from storage.cipher import Cipher
from storage.database import Database
from stream_server.due import whenever
from stream_server.events.bus import GALLERY_CHANGED
from stream_server.messages.wire import Event

log = logging.getLogger("rollcall.people")

PAUSE_MAX_S = 0.25
# Of more people than this all are read: that is then no more work.
FEW = 200
KEY_IS_MISSING = (
    "bring back the key that they were sealed under (ROLLCALL_SECRETS__OLD_KEYS, or the file secret-key), "
    "or enrol these people again"
)


class PeopleKeeper:
    """Keeps gallery and names as the database has them."""

    def __init__(self, database: Database, model_id: str, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
        self._model_id = model_id
        self._names: dict[str, str] = {}
        self._stale = asyncio.Event()
        self._all_changed = False
        self._changed: set[UUID] = set()
        self._of_other_models: dict[UUID, int] = {}
        self._ignored_ids: frozenset[UUID] = frozenset()
        self.gallery = Gallery([], model_id=model_id)
        self.unreadable = 0
        self.ignored_of_other_models = 0

    def name(self, person_id: str) -> str | None:
        """A person's name; None when the person is not enrolled (any more)."""
        return self._names.get(person_id)

    @property
    def templates(self) -> int:
        """How many templates there are."""
        return self.gallery.template_count

    @property
    def people(self) -> int:
        """How many people are enrolled."""
        return len(self._names)

    @property
    def of_other_models(self) -> int:
        """How many templates there are of other networks, which are not compared."""
        return sum(self._of_other_models.values())

    def on_event(self, event: Event) -> None:
        """Notice that templates, names or consent have changed, on this server or another."""
        if event.type != GALLERY_CHANGED:
            return
        person_id = event.data.get("person_id")
        if person_id is None:
            self._all_changed = True
        else:
            self._changed.add(UUID(person_id))
            self._all_changed = self._all_changed or len(self._changed) > FEW
        self._stale.set()

    def look_again(self) -> None:
        """Notice that changes may have been missed: the connection to the database is new."""
        self._all_changed = True
        self._stale.set()

    async def load(self) -> None:
        """Read gallery and names."""
        # Before it is read: what changes from now on is read again.
        self._all_changed = False
        self._changed.clear()
        try:
            await self._load()
        except BaseException:
            self._all_changed = True
            raise

    async def _load(self) -> None:
        async with (
            self._database.acquire() as connection,
            # All of one moment: a name of somebody without a template, or the other way round, would not be shown.
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            faces = await templates.load_gallery(connection, self._model_id, self._cipher)
            ignored = await unknown_faces.load_ignored(connection, self._model_id, self._cipher)
            ignored_ids = await unknown_faces.ignored_ids(connection, self._model_id)
            names = await templates.enrolled_names(connection, self._model_id)
            others = await templates.count_of_others(connection, self._model_id)
            ignored_of_others = await unknown_faces.count_ignored_of_others(connection, self._model_id)
        # Ten thousand people take 40 ms, for which the event loop must not stand still.
        gallery = await asyncio.to_thread(Gallery, faces.templates, model_id=self._model_id, ignored=ignored)
        # At once, so that a name and a template always belong together.
        self.gallery = gallery
        self._names = {str(person_id): name for person_id, name in names.items() if str(person_id) in gallery}
        self._of_other_models = others
        self._ignored_ids = ignored_ids
        self.unreadable = faces.unreadable
        log.info("gallery of %d people, %d templates", self.people, self.templates)
        if ignored_of_others > self.ignored_of_other_models:
            log.warning(
                "%d ignored faces are of another model: they are not recognised any more, and are collected anew",
                ignored_of_others,
            )
        self.ignored_of_other_models = ignored_of_others
        if faces.unreadable:
            log.error("%d templates cannot be opened: %s", faces.unreadable, KEY_IS_MISSING)

    async def load_changed(self) -> None:
        """Read those people anew who have changed; everybody, where it is not known who they are."""
        if self._all_changed or self.unreadable:  # of whom the unreadable ones are is not kept
            await self.load()
            return
        person_ids = frozenset(self._changed)
        self._changed.clear()
        try:
            await self._load_some(person_ids)
        except BaseException:
            self._changed |= person_ids
            raise

    async def _load_some(self, person_ids: frozenset[UUID]) -> None:
        async with (
            self._database.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            faces = await templates.load_gallery(connection, self._model_id, self._cipher, person_ids=person_ids)
            names = await templates.enrolled_names(connection, self._model_id, person_ids=person_ids)
            others = await templates.count_of_others(connection, self._model_id, person_ids=person_ids)
            ignored_ids = await unknown_faces.ignored_ids(connection, self._model_id)
        # With whoever takes consent back or is erased those go that look alike, which nothing else tells.
        if faces.unreadable or ignored_ids != self._ignored_ids:
            await self.load()
            return
        changed = {str(person_id) for person_id in person_ids}
        gallery = await asyncio.to_thread(self.gallery.replaced, changed, faces.templates)
        kept = {person_id: name for person_id, name in self._names.items() if person_id not in changed}
        found = {str(person_id): name for person_id, name in names.items() if str(person_id) in gallery}
        self.gallery, self._names = gallery, kept | found
        self._of_other_models = {
            person_id: count for person_id, count in self._of_other_models.items() if person_id not in person_ids
        } | others
        log.info("%d people read anew: gallery of %d people, %d templates", len(changed), self.people, self.templates)

    async def seal_plain(self) -> None:
        """Encrypt templates that were stored before templates were encrypted."""
        sealed = await sealing.seal_all_plain(self._database, self._cipher)
        if sealed:
            log.info("%d templates from before are encrypted now", sealed)

    async def run(self) -> None:
        """Read again whenever something has changed, for ever."""
        await whenever(self._stale, self._read_changed)

    async def _read_changed(self) -> None:
        began_mono = time.monotonic()
        await self.load_changed()
        # One change is read at once. Of the thousand of an import each reading takes what has come meanwhile, and
        # half of the time is left to others.
        await asyncio.sleep(min(time.monotonic() - began_mono, PAUSE_MAX_S))
