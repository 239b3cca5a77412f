"""uvicorn with several doors: one application, one set of connections, a listening socket and rules for each door."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from stream_server.access.door import STATE_KEY, Door, Traffic
from stream_server.serving.connections import Admission
from stream_server.serving.http_protocol import DeadlineProtocol
from stream_server.settings import Settings
from stream_server.settings.group import networks
from stream_server.tunnel.meter import MeteredProtocol

GRACE_S = 8
# A peer that opens a connection and does not shake hands is gone after it, and holds little until then.
TLS_HANDSHAKE_S = 10.0


@dataclass(frozen=True, slots=True)
class Doorway:
    """One listening socket. `app` is another application than the server's own, such as the one that leads to https."""

    listening: socket.socket
    door: Door = Door.LAN
    tls: ssl.SSLContext | None = None
    app: ASGIApp | None = None
    traffic: Traffic | None = None


def config_of(app: ASGIApp, settings: Settings, *, lifespan: bool) -> uvicorn.Config:
    """Limits are set by hand: uvicorn's own allow a socket to queue 512 MiB. HTTP's are in `DeadlineProtocol`."""
    return uvicorn.Config(
        app,
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Whom to believe is decided in `door`, by the listening socket.
        proxy_headers=False,
        http=DeadlineProtocol,
        ws="websockets-sansio",
        ws_max_size=settings.cameras.max_frame_bytes,
        ws_max_queue=2,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_S,
    )


class DoorServer(uvicorn.Server):
    """Serves the application on all its doorways."""

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        doorways: tuple[Doorway, ...],
        on_listening: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_listening` is called once, when every doorway takes connections."""
        super().__init__(config_of(app, settings, lifespan=True))
        self._app = app
        self._settings = settings
        self._doorways = doorways
        self._on_listening = on_listening
        self._admission = Admission(
            in_all=settings.http.max_connections,
            from_one=settings.http.max_connections_per_client,
            proxies=networks(settings.http.trusted_proxies),
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, and then listen."""
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        for doorway in self._doorways:
            server = await loop.create_server(
                self._protocol_of(doorway),
                sock=doorway.listening,
                ssl=doorway.tls,
                ssl_handshake_timeout=None if doorway.tls is None else TLS_HANDSHAKE_S,
                backlog=self.config.backlog,
            )
            self.servers.append(server)
        await self._on_listening()

    def _protocol_of(self, doorway: Doorway) -> Callable[[], asyncio.Protocol]:
        config = self.config if doorway.app is None else config_of(doorway.app, self._settings, lifespan=False)
        if not config.loaded:
            config.load()
        # uvicorn copies this into the scope of every request: nobody outside can write there.
        state = {**self.lifespan.state, STATE_KEY: doorway.door}
        make = partial(
            DeadlineProtocol,
            config=config,
            server_state=self.server_state,
            app_state=state,
            admission=self._admission,
        )
        if doorway.traffic is None:
            return make
        return partial(MeteredProtocol, make, doorway.traffic)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Let the readers of the event stream go at once: uvicorn would wait for them first."""
        services: Any = self._app.state.services
        if services is not None:
            services.bus.close()
        super().handle_exit(sig, frame)
