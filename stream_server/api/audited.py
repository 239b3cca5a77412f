"""What a route needs in order to be in the audit log: a parameter `audit: AuditOf`."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from stream_server.api.request import actor_of, services_of
from stream_server.privacy.auditing import Auditor


def auditor_of(connection: HTTPConnection) -> Auditor:
    """The auditor of a request or WebSocket."""
    services = services_of(connection)
    request_id = getattr(connection.state, "request_id", "")
    return Auditor(actor_of(connection), request_id, services)


AuditOf = Annotated[Auditor, Depends(auditor_of)]
