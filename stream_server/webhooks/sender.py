"""One HTTP POST to a receiver: to the address that was checked, no redirect followed, bounded in time and size."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from recognition.errors import RequestError
from storage.webhook_deliveries import RESPONSE_MAX
from stream_server.ingest.pull.address import CameraAddress, Resolver
from stream_server.settings.webhooks import WebhookSettings
from stream_server.webhooks.address import webhook_address, where_to

if TYPE_CHECKING:
    import httpcore

EXCERPT_MAX_BYTES = 2000
EXCERPT_TIMEOUT_S = 2.0
RESOLVE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST. `problem` is empty when it was taken; `status` is None when no answer came."""

    status: int | None
    latency_ms: int
    problem: str = ""
    response: str = ""
    retry_after_s: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver took the message: any 2xx."""
        return not self.problem


class Sender:
    """Sends messages. Each on a connection of its own: receivers are few, and nothing lingers."""

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        resolver: Resolver | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        """`tls` makes the context that certificates are checked with; default: the system's and certifi's roots."""
        self._settings = settings
        self._resolver = resolver
        self._make_tls = tls or _trusted_roots
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body. Never raises for what the receiver, its name or its address do wrong."""
        began = time.monotonic()

        def failed(problem: str) -> Answer:
            return Answer(None, _ms_since(began), problem)

        try:
            async with asyncio.timeout(self._settings.timeout_s):
                address = webhook_address(url, self._settings)  # again: the settings may be stricter than they were
                ip = await self._resolved(address)
                if address.scheme == "https" and self._tls is None:
                    self._tls = await asyncio.to_thread(self._make_tls)
                return await self._exchange(address, ip, headers, body, began)
        except TimeoutError:
            return failed(f"it did not answer within {self._settings.timeout_s:g} s")
        except RequestError as error:
            return failed(error.detail)
        except Exception as error:
            # httpcore's errors have no common base, and it also lets those of ssl and anyio through.
            return failed(_why(error))

    async def _resolved(self, address: CameraAddress) -> str:
        # The thread of a resolver that hangs cannot be stopped, but is not waited for.
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            return await asyncio.to_thread(where_to, address, self._settings, self._resolver)

    async def _exchange(
        self, address: CameraAddress, ip: str, headers: Mapping[str, str], body: bytes, began: float
    ) -> Answer:
        import httpcore

        url = httpcore.URL(address.at_ip(ip))
        host = f"[{address.host}]" if ":" in address.host else address.host
        default_port = {"http": 80, "https": 443}[address.scheme]
        sent = {
            "Host": host if address.port == default_port else f"{host}:{address.port}",
            "User-Agent": f"Rollcall/{version('rollcall')}",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        async with httpcore.AsyncHTTPConnection(url.origin, ssl_context=self._tls) as connection:
            request = httpcore.Request(
                "POST",
                url,
                headers=[(name.encode(), value.encode()) for name, value in sent.items()],
                content=body,
                # The certificate is checked against the name, not against the address that is connected to.
                extensions={"sni_hostname": address.host},
            )
            response = await connection.handle_async_request(request)
            try:
                return _answer(response, await _excerpt(response), _ms_since(began))
            finally:
                with suppress(Exception):
                    await response.aclose()


async def _excerpt(response: "httpcore.Response") -> str:
    """How the body begins. It changes nothing any more, so that one that never ends is not waited for."""
    content = bytearray()
    with suppress(Exception):
        async with asyncio.timeout(EXCERPT_TIMEOUT_S):
            async for chunk in response.aiter_stream():
                content += chunk
                if len(content) >= EXCERPT_MAX_BYTES:
                    break
    text = bytes(content[:EXCERPT_MAX_BYTES]).decode("utf-8", "replace")
    shown = (letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return "".join(shown)[:RESPONSE_MAX]


def _answer(response: "httpcore.Response", excerpt: str, latency_ms: int) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return Answer(status, latency_ms, "", excerpt)
    problem = f"it answered {status}"
    if 300 <= status < 400:
        problem += ": redirects are not followed, give the webhook the new address"
    return Answer(status, latency_ms, problem, excerpt, _retry_after_s(response))


def _retry_after_s(response: "httpcore.Response") -> float | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after" and value.strip().isdigit():
            return float(value.strip()[:9])
    return None


def _why(error: Exception) -> str:
    name = type(error).__name__
    if isinstance(error.__cause__, ssl.SSLError) or isinstance(error, ssl.SSLError) or "CERTIFICATE" in str(error):
        return "its certificate is not trusted, or it speaks no TLS"
    if name in ("ConnectError", "ConnectionRefusedError"):
        return "nothing answers at its address"
    if name in ("RemoteProtocolError", "LocalProtocolError"):
        return "its answer is no proper HTTP"
    if name in ("ReadError", "WriteError"):
        return "it broke the connection off"
    return f"it could not be sent to ({name})"


def _trusted_roots() -> ssl.SSLContext:
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())  # slim containers have no roots of their own
    return context


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
