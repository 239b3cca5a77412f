"""What a route needs in order to show and change only what is whoever asks: a parameter `visible: VisibleTo`."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from storage.visibility import Visible
from stream_server.access.principals import principal_of


def visible_to(connection: HTTPConnection) -> Visible:
    """What whoever makes a request or opens a WebSocket may see."""
    return principal_of(connection).visible


VisibleTo = Annotated[Visible, Depends(visible_to)]
