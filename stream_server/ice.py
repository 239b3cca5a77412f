"""ICE servers for WebRTC: what a client and this server use to find a way to each other.

TURN credentials are made for one camera and a limited time from a secret that is shared with the TURN server, after
"A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest), which coturn calls `use-auth-secret`.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server; TURN has a user name and a credential."""

    url: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)

    def link(self) -> str:
        """The value of a `Link` header that names it (RFC 9725, section 4.6)."""
        if self.username is None:
            return f'<{self.url}>; rel="ice-server"'
        return (
            f'<{self.url}>; rel="ice-server"; username="{self.username}"; '
            f'credential="{self.credential}"; credential-type="password"'
        )


def turn_credential(secret: str, camera_id: str, expires_at_unix: int) -> tuple[str, str]:
    """User name and password that a TURN server with this secret takes until the moment given (seconds since 1970)."""
    username = f"{expires_at_unix}:{camera_id}"
    # The draft fixes HMAC-SHA1; it is not used as a hash of anything secret.
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def ice_servers(
    *, stun_urls: Sequence[str], turn_urls: Sequence[str], turn_secret: str | None, camera_id: str, expires_at_unix: int
) -> tuple[IceServer, ...]:
    """The servers of the settings, with credentials for this camera. Without a secret there are no TURN servers."""
    servers = [IceServer(url) for url in stun_urls]
    if turn_secret is not None:
        username, credential = turn_credential(turn_secret, camera_id, expires_at_unix)
        servers += [IceServer(url, username, credential) for url in turn_urls]
    return tuple(servers)
