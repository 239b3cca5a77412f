"""WebRTC peers end with the credential that opened them: they outlive the request that a lease watches over."""

import asyncio
import logging
from uuid import UUID

import pytest

from stream_server.ingest.webrtc import WebRtcPeers
from tests.partners.webrtc_client import Client, Pictures, needs_address
from tests.stream_server.ingest.test_webrtc import Hub, make_peers, settled

pytestmark = needs_address
PHONE = ("device", UUID(int=1))


@pytest.fixture
def peers() -> WebRtcPeers:
    return make_peers(Hub(), connect_timeout_s=60.0)


async def test_a_peer_ends_with_its_credential_and_the_others_stay(peers: WebRtcPeers) -> None:
    clients = [Client(video=Pictures([])) for _ in range(2)]
    await peers.open("phone-1", await clients[0].offer(), frozenset({PHONE}))
    await peers.open("phone-2", await clients[1].offer())
    assert peers.has_peer_of(*PHONE)
    peers.end_of("device", UUID(int=2))
    peers.end_of("user", UUID(int=1))
    await asyncio.sleep(0)
    assert peers.count == 2
    peers.end_of(*PHONE)
    await settled(lambda: peers.count == 1)
    assert not peers.has_peer_of(*PHONE)
    await peers.close_all()
    for client in clients:
        await client.close()


async def test_a_peer_ends_when_its_credential_expires(peers: WebRtcPeers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rollcall.webrtc")
    client = Client(video=Pictures([]))
    await peers.open("phone-1", await client.offer(), frozenset({PHONE}), ends_in_s=0.0)
    await settled(lambda: peers.count == 0)
    assert "its access has expired" in caplog.text
    await client.close()
