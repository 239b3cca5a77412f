"""Alerts as events: something is wrong that somebody should look after, and is over."""

from collections.abc import Mapping
from typing import Any

from storage import outbox
from storage.database import Connection


async def store(connection: Connection, *, raised: bool, alert: Mapping[str, Any]) -> None:
    """Tell that an alert was raised, or else that it is over, in a transaction of its own."""
    async with connection.transaction():
        if raised:
            await outbox.append(connection, "alert.raised", alert)
        else:
            await outbox.append(connection, "alert.cleared", alert)
