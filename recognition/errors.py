"""The one error tree of Rollcall.

    RollcallError
    ├── RequestError        the caller sent something that cannot be served (4xx); sending it again will not help
    │   └── ImageError      a picture that is too big, cut short, animated, or no picture at all
    ├── UnavailableError    something we depend on is away or not set up (503); trying again later may help
    │   └── ModelError      a model file is missing, cut short or not the one that was pinned
    └── InternalError       our own defect (500)

Every error carries a `code` for programs, a `detail` that says what happened and a `hint` that says what to do.
What is expected (no face, a face too small, nobody known) is a value and never an exception.
"""

from typing import ClassVar


class RollcallError(Exception):
    """Root of all errors that Rollcall raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        if code is not None:
            self.code = code  # type: ignore[misc]  # one error class covers a family of codes

    def __str__(self) -> str:
        return f"{self.detail} ({self.hint})" if self.hint else self.detail


class RequestError(RollcallError):
    """The caller's input cannot be served; repeating it unchanged will not help."""

    code = "bad_request"


class ImageError(RequestError):
    """A picture was refused before or while decoding."""

    code = "image_undecodable"


class UnavailableError(RollcallError):
    """Something that Rollcall depends on is away; trying again later may help."""

    code = "unavailable"


class ModelError(UnavailableError):
    """A model file is missing, truncated, or not the one that was pinned."""

    code = "model_unusable"


class InternalError(RollcallError):
    """A defect of Rollcall itself."""

    code = "internal"
