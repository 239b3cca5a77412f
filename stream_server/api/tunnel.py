"""The tunnel: where it leads, how it does, and what it has used of its allowance."""

from fastapi import APIRouter

from recognition.errors import RequestError
from stream_server.api.request import NOT_FOUND, PROBLEMS, ServicesOf
from stream_server.messages.tunnel import TunnelBody

router = APIRouter(prefix="/tunnel", tags=["tunnel"], responses={**PROBLEMS, **NOT_FOUND})


class NoTunnel(RequestError):
    """The server was started without a tunnel."""

    code = "no_tunnel"


@router.get("", summary="The tunnel")
async def get_tunnel(services: ServicesOf) -> TunnelBody:
    """Its public address and state, and what went through it in this month (UTC). 404 without a tunnel."""
    tunnel = services.tunnel
    if tunnel is None:
        raise NoTunnel("this server has no tunnel", hint="start it with `rollcall serve --tunnel ngrok` or cloudflared")
    used = tunnel.usage.look()
    return TunnelBody(
        provider=tunnel.provider,
        state=tunnel.state.value,
        reason=tunnel.reason,
        address=tunnel.address,
        since=tunnel.since,
        opened=tunnel.opened,
        failures=tunnel.failures,
        month=used.month,
        bytes_in=used.bytes_in,
        bytes_out=used.bytes_out,
        requests=used.requests,
        bytes_allowed=used.allowance.bytes_max or None,
        requests_allowed=used.allowance.requests_max or None,
        share_used=None if used.share is None else round(used.share, 4),
    )
