"""What storage says when it cannot do what it was asked; part of the tree in recognition.errors."""

from recognition.errors import RequestError, UnavailableError


class StorageUnavailable(UnavailableError):
    """The database cannot be reached, or it ended the work; trying again later may help."""

    code = "storage_unavailable"


class SchemaOutdated(UnavailableError):
    """The tables in the database are not the ones that this version of Rollcall works with."""

    code = "schema_outdated"


class SpoolInUse(UnavailableError):
    """Another process holds the spool folder."""

    code = "spool_in_use"


class NotFound(RequestError):
    """What was asked for does not exist."""

    code = "not_found"


class TextUnstorable(RequestError):
    """A text holds what PostgreSQL cannot store or compare: the character NUL."""

    code = "text_unstorable"


class Conflict(RequestError):
    """The change contradicts what is stored, for example an external id that somebody else has."""

    code = "conflict"


class Stale(RequestError):
    """The change was meant for a version of the thing that is no longer the newest."""

    code = "etag_mismatch"

    def __init__(
        self,
        detail: str = "somebody has changed this meanwhile",
        *,
        hint: str = "read it again, and send its new ETag as If-Match",
        code: str | None = None,
    ) -> None:
        super().__init__(detail, hint=hint, code=code)
