"""`rollcall serve`: run the server."""

import contextlib
import signal
import socket
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from recognition.errors import UnavailableError
from stream_server.commands.command import EXIT_UNAVAILABLE, Command, say_error
from stream_server.memory import limit_malloc
from stream_server.settings import Settings, load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

# A peer that acknowledges nothing for so long is gone. It also ends connections whose client never reads: nothing
# above the kernel can, once their buffers are full.
PEER_SILENT_MS = 30_000
GRACE_S = 8


class PortTaken(UnavailableError):
    """The address cannot be listened on."""

    code = "port_taken"


@click.command(cls=Command)
@click.option("--host", help="Address to listen on (ROLLCALL_HTTP__HOST).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for a free one (ROLLCALL_HTTP__PORT)."
)
def serve(host: str | None, port: int | None) -> None:
    """Run the server until it is told to stop."""
    settings = load_settings()
    http = settings.http.model_copy(
        update={key: value for key, value in (("host", host), ("port", port)) if value is not None}
    )
    run(settings.model_copy(update={"http": http}))


def run(settings: Settings) -> None:
    """Serve; exits the process with 3 when the server cannot start."""
    limit_malloc()  # before anything is imported that allocates much
    import uvicorn

    from stream_server.app import create_app
    from stream_server.http_protocol import DeadlineProtocol
    from stream_server.logs import configure_logging

    configure_logging(settings.log_level)
    try:
        listening = _listen(settings)  # before a token is made: one that is never printed helps nobody
        try:
            app = create_app(settings)
        except BaseException:
            listening.close()
            raise
    except UnavailableError as error:
        say_error(error)
        sys.exit(EXIT_UNAVAILABLE)
    host = settings.http.host or "0.0.0.0"
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    if app.state.new_token is not None:
        click.echo(
            f"A token was made. It opens everything; keep it to yourself:\n\n    {app.state.new_token}\n",
            err=True,
        )
    click.echo(f"Rollcall listens on {address}", err=True)
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Headers of proxies say who the client is; without a proxy that we know anybody could write them.
        proxy_headers=False,
        http=DeadlineProtocol,
        ws="websockets-sansio",
        ws_max_size=settings.cameras.max_frame_bytes,
        ws_max_queue=2,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        limit_concurrency=settings.http.max_connections,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _server(uvicorn, config, app)
    # uvicorn raises the signal again once it has stopped; asked to stop and stopped in order is exit code 0.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    finally:  # uvicorn itself exits when the start fails
        if app.state.startup_error is not None:
            say_error(app.state.startup_error)
            sys.exit(EXIT_UNAVAILABLE)


def _server(uvicorn: Any, config: Any, app: "FastAPI") -> Any:
    class Server(uvicorn.Server):  # type: ignore[misc]
        """Lets the readers of the event stream go as soon as it is told to stop: uvicorn would wait for them first."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if app.state.services is not None:
                app.state.services.bus.close()
            super().handle_exit(sig, frame)

    return Server(config)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.http.host, settings.http.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_SILENT_MS)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise PortTaken(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="choose another with --port, or 0 for a free one",
        ) from error
    listening.set_inheritable(True)
    return listening
