"""What a running server does for the privacy of the people whom it knows."""

import asyncio
from collections.abc import Callable
from typing import Any

from stream_server.child import ChildServer


async def test_a_lost_key_costs_the_names_and_not_the_server(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    server = own_server()
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        ada = await client.add_person("Ada", consent=True)
        await client.enrol(ada, pictures.crop("sample1.jpg", 0))
    await server.stop()
    key = server.data_dir / "secret-key"
    kept = key.read_text()
    key.unlink()

    await server.start()
    photo = pictures.view("sample1.jpg", frames=1)[0]
    async with server.client() as client:
        ready = await client.readiness()
        assert (ready["gallery"]["templates"], ready["gallery"]["templates_unreadable"]) == (0, 1)
        assert any("1 templates cannot be opened" in reason for reason in ready["reasons"])
        seen = await client.call("POST", "/api/v1/recognise", photo=photo)
        assert {face["name"] for face in seen["faces"]} == {None}
        by_hand = await client.call("POST", "/api/v1/attendance", body={"person_id": str(ada)})
        assert by_hand["method"] == "manual"
    await server.stop()
    assert "Traceback" not in server.log_path.read_text()

    # The old key is brought back behind the one that was made meanwhile.
    key.write_text(key.read_text() + kept)
    await server.start()
    async with server.client() as client:
        assert (await client.readiness())["gallery"]["templates_unreadable"] == 0
        seen = await client.call("POST", "/api/v1/recognise", photo=photo)
        assert "Ada" in {face["name"] for face in seen["faces"]}
