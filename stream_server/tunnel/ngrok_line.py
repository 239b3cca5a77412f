"""ngrok, through its own SDK: https://github.com/ngrok/ngrok-python (the extra `tunnel`)."""

import asyncio
import contextlib
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from stream_server.tunnel.line import TunnelAway, TunnelRefused, TunnelUnusable

if TYPE_CHECKING:
    import ngrok

CLOSE_TIMEOUT_S = 3.0
HEARTBEAT_S = 10
_CODE = re.compile(r"ERR_NGROK_\d+")


class NgrokLine:
    """A tunnel of an ngrok account."""

    provider = "ngrok"

    def __init__(
        self, token: str | None, *, domain: str | None = None, server: str | None = None, ca: Path | None = None
    ) -> None:
        """`server` (`host:port`) and `ca` (PEM) are for an ngrok server other than the public one."""
        self._token = token
        self._domain = domain
        self._server = server
        self._ca = ca
        self._session: ngrok.Session | None = None
        self._listener: ngrok.Listener | None = None
        self._joining: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[str] | None = None

    def check(self) -> None:
        """The SDK and the token must be there."""
        if not self._token:
            raise TunnelUnusable(
                "no ngrok token is set",
                hint="copy yours from https://dashboard.ngrok.com/get-started/your-authtoken and set NGROK_AUTHTOKEN",
            )
        try:
            import ngrok  # noqa: F401
        except ImportError as error:
            raise TunnelUnusable(
                "the ngrok SDK is not installed",
                hint="`make extras` installs it, or `.venv/bin/pip install -e '.[tunnel]'` in the project's folder",
            ) from error

    async def open(self, port: int) -> str:
        """Connect a session and forward an https endpoint to `port` of 127.0.0.1."""
        import ngrok  # the SDK costs its memory only where it is used

        assert self._token is not None
        loop = asyncio.get_running_loop()
        gone = self._gone = loop.create_future()

        def on_disconnection(_address: str, reason: str) -> None:
            # In a thread of the SDK, which would reconnect for ever and behind our back unless this raises.
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_settle, gone, self._told(reason))
            raise ConnectionAbortedError("reopened by the server itself")

        def on_stop() -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, gone, "it was stopped in the ngrok dashboard")

        def on_heartbeat(*latency_ms: int) -> None:
            # Without a latency the answer is overdue; the SDK says so and does nothing about it.
            if not latency_ms:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_settle, gone, "ngrok does not answer any more")

        builder = (
            ngrok.SessionBuilder()
            .authtoken(self._token)
            .client_info("rollcall", version("rollcall"))
            .heartbeat_interval(HEARTBEAT_S)
            .heartbeat_tolerance(HEARTBEAT_S)
            .handle_disconnection(on_disconnection)
            .handle_stop_command(on_stop)
            .handle_heartbeat(on_heartbeat)
        )
        if self._server is not None:
            builder = builder.server_addr(self._server)
        if self._ca is not None:
            builder = builder.ca_cert(bytearray(await asyncio.to_thread(self._ca.read_bytes)))
        try:
            self._session = await builder.connect()
            # A page over plain http would get no camera, and would show its token to whoever listens.
            endpoint = self._session.http_endpoint().scheme("HTTPS")
            if self._domain is not None:
                endpoint = endpoint.domain(self._domain)
            self._listener = await endpoint.listen_and_forward(f"http://127.0.0.1:{port}")
        except ValueError as error:  # which is all that the SDK raises
            raise self._error(error) from None  # its text may hold the token
        self._joining = asyncio.ensure_future(self._listener.join())  # type: ignore[attr-defined]  # its stub lacks it
        self._joining.add_done_callback(lambda _: _settle(gone, "ngrok closed the endpoint"))
        return str(self._listener.url())

    async def lost(self) -> str:
        """Heartbeats tell of a line that is dead without a word."""
        assert self._gone is not None
        return await asyncio.shield(self._gone)

    async def close(self) -> None:
        """End the endpoint, which would outlive the session at ngrok for a while, and the session."""
        listener, self._listener = self._listener, None
        session, self._session = self._session, None
        joining, self._joining = self._joining, None
        if joining is not None:
            joining.cancel()
        for part in (listener, session):
            if part is not None:
                with contextlib.suppress(ValueError, TimeoutError):  # the line may be dead
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await part.close()

    def _error(self, error: ValueError) -> TunnelAway | TunnelRefused:
        text = self._told(" ".join(str(part) for part in error.args if part))
        code = _CODE.search(text)
        if code is None:
            return TunnelAway(f"ngrok cannot be reached: {text}", hint="it is tried again")
        return TunnelRefused(f"ngrok said no: {text}", hint=f"https://ngrok.com/docs/errors/{code[0].lower()}")

    def _told(self, text: str) -> str:
        """What ngrok says, in one line, without the token."""
        hidden = text.replace(self._token or "\0", "(the token)")
        return " ".join(hidden.split())[:300]


def _settle(gone: "asyncio.Future[str]", reason: str) -> None:
    if not gone.done():
        gone.set_result(reason)
