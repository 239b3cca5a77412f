"""What a provider of tunnels has to do; `keeper` does the rest."""

from typing import Protocol

from recognition.errors import RequestError, UnavailableError


class TunnelAway(UnavailableError):
    """The provider cannot be reached, or the tunnel did not come up."""

    code = "tunnel_away"


class TunnelRefused(UnavailableError):
    """The provider said no: a wrong token, a domain of somebody else, too many tunnels."""

    code = "tunnel_refused"


class TunnelUnusable(RequestError):
    """This kind of tunnel cannot be used here: its software or its token is missing."""

    code = "tunnel_unusable"


class TunnelLine(Protocol):
    """One tunnel at a provider, opened again and again."""

    provider: str

    def check(self) -> None:
        """Look for what it needs before the server starts. Raises TunnelUnusable."""

    async def open(self, port: int) -> str:
        """Lead a public address to `port` of 127.0.0.1; returns `https://HOST`. Raises TunnelAway, TunnelRefused.

        It may be cancelled; `close` is called after it in any case.
        """

    async def lost(self) -> str:
        """Wait until the open tunnel is gone; returns the reason."""

    async def close(self) -> None:
        """End the tunnel, if there is one, and wait until nothing of it is left."""
