"""What a line of the log is about: the request and the camera that the running task works for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_camera_id: ContextVar[str | None] = ContextVar("camera_id", default=None)


def current() -> dict[str, str]:
    """`request_id` and `camera`, where there are any."""
    found = {"request_id": _request_id.get(), "camera": _camera_id.get()}
    return {name: value for name, value in found.items() if value is not None}


@contextmanager
def about(*, request_id: str | None = None, camera_id: str | None = None) -> Iterator[None]:
    """Lines logged in the block, and in tasks started there, are about these; what is not given stays as it is."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((_request_id, request_id), (_camera_id, camera_id))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)
