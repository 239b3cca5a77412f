"""A stand-in for the program cloudflared: says on standard error what it says, and forwards.

The lines are in the form that cloudflared 2025 and 2026 write. Where its public side listens is written to the file
`edge` of its home, since nobody resolves its address here.
"""

import sys
from pathlib import Path

ADDRESS = "https://green-chalk-says-hello.trycloudflare.com"
_SCRIPT = """#!{python}
import sys
sys.path[:0] = {path!r}
from tests.partners.cloudflared import main
main({mode!r})
"""


def install(folder: Path, mode: str = "works") -> Path:
    """Make the program; `mode` is works, offline, dies, deaf or chatty."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "cloudflared"
    path = [entry for entry in sys.path if entry]
    program.write_text(_SCRIPT.format(python=sys.executable, path=path, mode=mode))
    program.chmod(0o755)
    return program


def say(level: str, text: str) -> None:
    print(f"2026-11-23T09:00:00Z {level} {text}", file=sys.stderr, flush=True)


def main(mode: str) -> None:
    import asyncio
    import json
    import os
    import signal
    from functools import partial

    from tests.partners.tunnel_edge import PublicEdge, TcpStream, certified

    assert sys.argv[1:4] == ["tunnel", "--no-autoupdate", "--url"], sys.argv
    home = Path(os.environ["HOME"])
    (home / "environment.json").write_text(json.dumps(sorted(os.environ)))
    (home / "pid").write_text(str(os.getpid()))
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("INF", "Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare account, is a quick way to")
    say("INF", "Requesting new quick Tunnel on trycloudflare.com...")
    if mode == "offline":
        api = "https://api.trycloudflare.com/tunnel"
        say(
            "ERR",
            f'Error unmarshaling QuickTunnel response: failed to request quick Tunnel: Post "{api}": no such host',
        )
        sys.exit(1)

    async def serve() -> None:
        context, _ = certified(home / "edge-tls")
        port = int(sys.argv[4].rpartition(":")[2])
        edge = PublicEdge(partial(TcpStream.connect, port), context, interstitial=False)
        await edge.start()
        (home / "edge.new").write_text(str(edge.port))
        (home / "edge.new").replace(home / "edge")
        say("INF", "+" + "-" * 92 + "+")
        say("INF", "|  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |")
        say("INF", f"|  {ADDRESS:<88}  |")
        say("INF", "+" + "-" * 92 + "+")
        if mode == "chatty":
            print("x" * 100_000, file=sys.stderr, flush=True)
        say(
            "INF",
            "Registered tunnel connection connIndex=0 connection=9c1b ip=198.41.200.13 location=fra08 protocol=quic",
        )
        if mode == "dies":
            say("ERR", 'Serve tunnel error error="connection with edge closed" connIndex=0')
            sys.exit(7)
        if mode == "chatty":
            for _ in range(2000):
                say("DBG", "x" * 1000)
            (home / "said-much").touch()
        await asyncio.sleep(3600)

    asyncio.run(serve())
