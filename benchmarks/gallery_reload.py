"""The reload of a large gallery: from a change that is asked for to all replicas comparing with what is left.

Two servers on one database, both on this machine: each hears of the change by its own connection, waits for further
ones, reads and opens the templates of whoever changed, and takes the new gallery into use.
"""

import asyncio
import base64
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import numpy as np

from benchmarks.measurement import Measurement, median, percentile, rounded
from recognition.errors import UnavailableError
from storage import templates
from storage.database import open_connection
from stream_server.child import ChildServer
from stream_server.client import ServerClient
from stream_server.models import chosen_embedder
from stream_server.privacy.secrets import SecretBox
from stream_server.settings import load_settings

AIM_MS = 200.0
REPLICAS = 2
KEY = bytes(32)
LOOK_EVERY_S = 0.005
PATIENCE_S = 30.0


def key_settings() -> dict[str, str]:
    """What lets a server open the templates of `enrol_all`."""
    return {"ROLLCALL_SECRETS__KEY": base64.b64encode(KEY).decode()}


async def enrol_all(dsn: str, people: Sequence[UUID]) -> None:
    """Give everybody one made-up template, sealed, of the network that the servers will use; its id is the person's."""
    _, model_id = chosen_embedder(load_settings())
    box = SecretBox(KEY)
    vectors = np.random.default_rng(1).normal(0, 0.1, (len(people), templates.EMBEDDING_LENGTH)).astype("<f4")
    connection = await open_connection(dsn, command_timeout_s=None)
    try:
        await connection.copy_records_to_table(
            "templates",
            records=(
                (
                    person_id,
                    person_id,
                    model_id,
                    box.seal_bytes(vector.tobytes(), templates.context_of(person_id, person_id, model_id)),
                    0.9,
                    "made-up",
                )
                for person_id, vector in zip(people, vectors, strict=True)
            ),
            columns=("id", "person_id", "model_id", "sealed", "quality", "source"),
        )
        await connection.execute("ANALYZE templates")
    finally:
        await connection.close()


async def measure_reload(
    folder: Path, models_dir: Path, settings: dict[str, str], people: Sequence[UUID], changes: int
) -> Measurement:
    """Delete one template after another; each time until the slowest of the replicas has heard of it.

    `settings` hold the database's address and the key.
    """
    async with AsyncExitStack() as stack:
        replicas: list[ServerClient] = []
        for number in range(REPLICAS):
            server = ChildServer(data_dir=folder / f"replica-{number}", models_dir=models_dir, settings=settings)
            await stack.enter_async_context(server)
            replicas.append(await stack.enter_async_context(server.client()))
        for replica in replicas:
            await _has(replica, len(people))
        slowest_ms, asked_of_ms = [], []
        for number in range(changes):
            began = time.perf_counter()
            person_id = people[-1 - number]
            path = f"/api/v1/people/{person_id}/templates/{person_id}"
            await replicas[0].call("DELETE", path)
            ends = await asyncio.gather(*(_has(replica, len(people) - number - 1) for replica in replicas))
            slowest_ms.append((max(ends) - began) * 1000)
            asked_of_ms.append((ends[0] - began) * 1000)
    detail = {
        "p50": rounded(median(slowest_ms)),
        "most": rounded(max(slowest_ms)),
        "people": len(people),
        "replicas": REPLICAS,
        "changes": changes,
        "the_one_asked": rounded(median(asked_of_ms)),
    }
    title = f"Gallery of {len(people):,} people reloaded on {REPLICAS} servers after a change, p95"
    value = rounded(percentile(slowest_ms, 95))
    return Measurement("attendance.gallery_reload", value, "ms", AIM_MS, detail, title=title)


async def _has(replica: ServerClient, count: int) -> float:
    """Wait until its gallery holds so many people, and return when that was. Raises UnavailableError."""
    people = -1
    until = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < until:
        people = (await replica.readiness())["gallery"]["people"]
        if people == count:
            return time.perf_counter()
        await asyncio.sleep(LOOK_EVERY_S)
    raise UnavailableError(f"a server compares with {people} people instead of {count}")
