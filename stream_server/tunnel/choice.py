"""Which tunnel the settings ask for."""

from collections.abc import Callable
from datetime import datetime

from stream_server.access.door import Traffic
from stream_server.access.phones import Invitation
from stream_server.settings import Settings
from stream_server.tunnel.cloudflared import CloudflaredLine
from stream_server.tunnel.keeper import TunnelKeeper
from stream_server.tunnel.line import TunnelLine
from stream_server.tunnel.ngrok_line import NgrokLine
from stream_server.tunnel.state import Patience
from stream_server.tunnel.usage import Allowance, Usage


def line_of(settings: Settings) -> TunnelLine | None:
    """The tunnel of the settings, None without one. Raises TunnelUnusable when something for it is missing."""
    tunnel = settings.tunnel
    if tunnel.provider == "off":
        return None
    line: TunnelLine
    if tunnel.provider == "ngrok":
        token = settings.ngrok_authtoken.get_secret_value() if settings.ngrok_authtoken else None
        line = NgrokLine(token, domain=tunnel.ngrok_domain, server=tunnel.ngrok_server, ca=tunnel.ngrok_ca)
    else:
        line = CloudflaredLine(settings.data_dir / "cloudflared", tunnel.cloudflared_path)
    line.check()
    return line


def make_keeper(
    line: TunnelLine, settings: Settings, *, traffic: Traffic, invitation: Invitation, now: Callable[[], datetime]
) -> TunnelKeeper:
    """The keeper of that tunnel; each new address is shown with an invitation."""
    tunnel = settings.tunnel
    # Quick tunnels of Cloudflare have no documented allowance.
    allowance = (
        Allowance(bytes_max=tunnel.ngrok_monthly_bytes, requests_max=tunnel.ngrok_monthly_requests)
        if line.provider == "ngrok"
        else Allowance()
    )
    usage = Usage(settings.data_dir / "tunnel-usage.json", line.provider, traffic, allowance, now)

    async def announce(address: str, is_new: bool) -> None:
        used = f"used through {line.provider}: {usage.look().in_words()}"
        if is_new:
            await invitation.show(address, used)
        else:
            invitation.say(f"The tunnel is open again: {address}")

    return TunnelKeeper(
        line=line,
        usage=usage,
        patience=Patience(
            open_timeout_s=tunnel.open_timeout_s,
            retry_first_s=tunnel.retry_first_s,
            retry_max_s=tunnel.retry_max_s,
            refused_retry_s=tunnel.refused_retry_s,
        ),
        announce=announce,
        now=now,
    )
