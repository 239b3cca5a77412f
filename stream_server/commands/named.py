"""Groups and rooms as people call them on the command line."""

from recognition.errors import RequestError
from stream_server.client import ServerClient


async def id_of(client: ServerClient, kind: str, named: str | None) -> str | None:
    """The id of the `group` or `room` that goes by this name or external id, or has this id; None for None.

    Raises RequestError `group_not_found`, `room_not_found` or `name_ambiguous`.
    """
    if named is None:
        return None
    wanted = named.strip().casefold()
    found = [
        one
        async for one in client.pages(f"/api/v1/{kind}s", f"{kind}s")
        if wanted in (one["id"], one["name"].casefold(), (one.get("external_id") or "").casefold())
    ]
    if not found:
        raise RequestError(f"there is no {kind} {named!r}", hint="look at its name", code=f"{kind}_not_found")
    if len(found) > 1:
        ids = ", ".join(one["id"] for one in found)
        raise RequestError(
            f"{len(found)} {kind}s are called {named!r}", hint=f"give an id: {ids}", code="name_ambiguous"
        )
    return str(found[0]["id"])
