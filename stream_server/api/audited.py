"""What a route needs in order to be in the audit log: a parameter `audit: AuditOf`."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from stream_server.api.request import services_of
from stream_server.auditing import Auditor

OWNER = "owner token"


def actor_of(connection: HTTPConnection) -> str:
    """Who acts: what the guard has put into the request's state as `actor`, else the holder of the one token."""
    actor = getattr(connection.state, "actor", None)
    return actor if isinstance(actor, str) and actor else OWNER


def auditor_of(connection: HTTPConnection) -> Auditor:
    """The auditor of a request or WebSocket."""
    services = services_of(connection)
    request_id = getattr(connection.state, "request_id", "")
    return Auditor(actor_of(connection), request_id, services)


AuditOf = Annotated[Auditor, Depends(auditor_of)]
