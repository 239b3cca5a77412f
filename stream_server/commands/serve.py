"""`rollcall serve`: run the server."""

import contextlib
import errno
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from recognition.errors import RollcallError, UnavailableError
from stream_server.commands.command import Command, exit_code_of, say_error
from stream_server.commands.preparation import prepare
from stream_server.loaded_code import let_go
from stream_server.memory import limit_malloc
from stream_server.model_source import missing_files
from stream_server.serving.local_address import AddressFile, LocalAddress
from stream_server.settings import Settings, check_folders, load_settings
from stream_server.settings.access import HttpsSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from stream_server.services import Services
    from stream_server.serving.server import Doorway
    from stream_server.tls.identity import TlsIdentity

# A peer that acknowledges nothing for so long is gone. It also ends connections whose client never reads: nothing
# above the kernel can, once their buffers are full.
PEER_SILENT_MS = 30_000
ALL_ADDRESSES = "0.0.0.0"
LOOPBACK = "127.0.0.1"


class PortTaken(UnavailableError):
    """The address cannot be listened on."""

    code = "port_taken"


@click.command(cls=Command)
@click.option("--host", help="Address to listen on (ROLLCALL_HTTP__HOST). With --https all of them, unless it is set.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for a free one (ROLLCALL_HTTP__PORT)."
)
@click.option(
    "--tunnel",
    type=click.Choice(["ngrok", "cloudflared"]),
    help="Open a public address for phones, and show it as a QR code (ROLLCALL_TUNNEL__PROVIDER).",
)
@click.option(
    "--https",
    metavar="auto|CERT",
    help="Serve https in the local network: with a certificate made here, or the file of your own "
    "(ROLLCALL_HTTPS__CERT).",
)
@click.option("--key", metavar="KEY", help="File of the private key of your own certificate (ROLLCALL_HTTPS__KEY).")
@click.option(
    "--upgrade-db", is_flag=True, help="First apply the migrations that are missing, as `rollcall db upgrade` does."
)
def serve(
    host: str | None, port: int | None, tunnel: str | None, https: str | None, key: str | None, upgrade_db: bool
) -> None:
    """Run the server until it is told to stop."""
    if host == "":
        raise click.UsageError("--host needs an address; 0.0.0.0 is all of them")
    settings = load_settings()
    http = settings.http.model_copy(
        update={name: value for name, value in (("host", host), ("port", port)) if value is not None}
    )
    changes: dict[str, Any] = {"http": http}
    if tunnel is not None:
        changes["tunnel"] = settings.tunnel.model_copy(update={"provider": tunnel})
    if https is not None or key is not None:
        changes["https"] = _https(settings.https, https, key)
    settings = settings.model_copy(update=changes)
    prepare(models=settings.models.source is not None and bool(missing_files(settings)), database=upgrade_db)
    run(settings)


def run(settings: Settings) -> None:
    """Serve; exits the process with 1 or 3 when the server cannot start, as every command."""
    limit_malloc()  # before anything is imported that allocates much
    from stream_server.app import create_app
    from stream_server.serving.server import DoorServer
    from stream_server.telemetry.logs import configure_logging

    let_go()  # and again when the rest is loaded: the highest of memory is a start's
    configure_logging(settings.log_level, format_=settings.log.format)
    with contextlib.ExitStack() as opened:
        try:
            check_folders(settings)
            identity = _identity(settings)
            # Before a token is made: one that is never printed helps nobody.
            sockets = _listen_all(settings, identity, opened)
            app = create_app(settings, identity=identity)
            settings = app.state.settings  # fitted to this host
        except RollcallError as error:
            say_error(error)
            sys.exit(exit_code_of(error))
        opened.pop_all()  # from here on they are the server's
    _tell_token(settings, app)
    address = AddressFile(settings.data_dir, _addresses(settings, sockets, identity))
    on_listening = address.written_before(_announcer(settings, app, sockets), lambda text: click.echo(text, err=True))
    server = DoorServer(app, settings, _doorways(settings, app, sockets, identity), on_listening)
    # uvicorn raises the signal again once it has stopped; asked to stop and stopped in order is exit code 0.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
    finally:  # uvicorn itself exits when the start fails
        address.remove()
        if app.state.startup_error is not None:
            say_error(app.state.startup_error)
            sys.exit(exit_code_of(app.state.startup_error))


def _https(settings: HttpsSettings, cert: str | None, key: str | None) -> HttpsSettings:
    given: dict[str, str | None] = {name: value for name, value in (("cert", cert), ("key", key)) if value is not None}
    if cert == "auto" and key is None:
        given["key"] = None  # one of the environment belongs to another certificate
    try:
        return HttpsSettings.model_validate({**settings.model_dump(), **given})
    except ValidationError as error:
        raise click.UsageError(
            "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors())
        ) from None


def _identity(settings: Settings) -> "TlsIdentity | None":
    if settings.https.cert is None:
        return None
    from stream_server.tls.identity import TlsIdentity

    return TlsIdentity(settings.https, settings.data_dir)


def _listen_all(
    settings: Settings, identity: "TlsIdentity | None", opened: contextlib.ExitStack
) -> dict[str, socket.socket]:
    """The sockets by what they are for: `main`, and where they are asked for `plain` and `tunnel`."""
    host = _host(settings)
    sockets = {"main": opened.enter_context(listen(host, settings.http.port))}
    if identity is not None and settings.https.plain_port is not None:
        hint = "choose another by ROLLCALL_HTTPS__PLAIN_PORT, 0 for a free one, empty for none"
        sockets["plain"] = opened.enter_context(listen(host, settings.https.plain_port, hint))
    if settings.tunnel.provider != "off":
        # Its own, so that a request is known to be the tunnel's by the socket that it came in on.
        sockets["tunnel"] = opened.enter_context(listen(LOOPBACK, 0))
    return sockets


def _doorways(
    settings: Settings, app: "FastAPI", sockets: dict[str, socket.socket], identity: "TlsIdentity | None"
) -> "tuple[Doorway, ...]":
    from stream_server.access.door import Door
    from stream_server.serving.server import Doorway

    doorways = [Doorway(sockets["main"], tls=None if identity is None else identity.context)]
    if "tunnel" in sockets:
        doorways.append(Doorway(sockets["tunnel"], door=Door.TUNNEL, traffic=app.state.traffic))
    if "plain" in sockets:
        from stream_server.tls.plain_door import PlainDoor

        assert identity is not None
        plain = PlainDoor(identity, https_port=_port(sockets["main"]), https_host=_lan_host(settings, identity))
        doorways.append(Doorway(sockets["plain"], app=plain))
    return tuple(doorways)


def _tell_token(settings: Settings, app: "FastAPI") -> None:
    if app.state.new_token is None:
        return
    path = settings.data_dir / "token"
    # Elsewhere it would end up in a log, which is kept and read by others.
    shown = f":\n\n    {app.state.new_token}\n" if sys.stderr.isatty() else f": it is in {path}"
    click.echo(f"A token was made. It opens everything; keep it to yourself{shown}", err=True)


def _greet(settings: Settings, sockets: dict[str, socket.socket], identity: "TlsIdentity | None") -> None:
    host = _host(settings)
    shown = f"[{host}]" if ":" in host else host
    address = f"{'http' if identity is None else 'https'}://{shown}:{_port(sockets['main'])}"
    click.echo(f"Rollcall listens on {address}; the page for cameras is {address}/camera", err=True)


async def _invite_owner(settings: Settings, services: "Services", address: str) -> None:
    """Say where the first owner is made, while there is none."""
    from stream_server.access.auth import load_or_make_token

    try:
        if not await services.accounts.needs_set_up():
            return
    except RollcallError:  # the page says so, too
        return
    page = f"{address}/welcome"
    # As with the token itself: a log is kept, and read by others. Behind the `#` no server hears of it.
    if settings.auth.token is None and sys.stderr.isatty():
        page += f"#token={load_or_make_token(settings.data_dir)[0]}"
    click.echo(f"Nobody owns this server yet. Set it up at {page}", err=True)


def _announcer(settings: Settings, app: "FastAPI", sockets: dict[str, socket.socket]) -> Any:
    """What is done once the doors are open: the tunnel is opened, and phones in the local network are invited."""

    async def on_listening() -> None:
        _greet(settings, sockets, app.state.identity)
        services = app.state.services
        await _invite_owner(settings, services, _addresses(settings, sockets, app.state.identity).local)
        if services.tunnel is not None:
            services.tunnel.listening(_port(sockets["tunnel"]))
        identity: TlsIdentity | None = app.state.identity
        if identity is None:
            return
        from stream_server.tls.plain_door import HELP_PATH, fingerprint_in_words, https_base

        host = _lan_host(settings, identity)
        notes = []
        if identity.known is not None:
            if "plain" in sockets:
                shown = f"[{host}]" if ":" in host else host
                notes.append(f"first let the phone trust it: http://{shown}:{_port(sockets['plain'])}{HELP_PATH}")
            notes.append(
                f"the authority's fingerprint (SHA-256): {fingerprint_in_words(identity.known.authority_sha256)}"
            )
        try:
            await services.invitation.show(https_base(host, _port(sockets["main"])), *notes)
        except RollcallError as error:  # the server is of use without it
            say_error(error)

    return on_listening


def _addresses(settings: Settings, sockets: dict[str, socket.socket], identity: "TlsIdentity | None") -> LocalAddress:
    port = _port(sockets["main"])
    host = _host(settings)
    if host in (ALL_ADDRESSES, "::"):
        host = LOOPBACK if host == ALL_ADDRESSES else "::1"
    if identity is None:
        return LocalAddress(f"http://{_in_url(host)}:{port}")
    phones = f"https://{_in_url(_lan_host(settings, identity))}:{port}"
    # A certificate of one's own is for its names; that of `auto` is for this machine's addresses, too.
    return LocalAddress(phones if identity.known is None else f"https://{_in_url(host)}:{port}", phones)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _lan_host(settings: Settings, identity: "TlsIdentity") -> str:
    """What phones in the local network call this machine."""
    from stream_server.tls.machine import names_of

    host = _host(settings)
    if host not in (ALL_ADDRESSES, "::"):
        return host
    if identity.known is not None:  # an address before a name: not every phone resolves names of local networks
        return next(iter((*identity.known.addresses, *identity.known.names)))
    return next(iter((*settings.https.names, *names_of(socket.getfqdn()))))


def _host(settings: Settings) -> str:
    if settings.https.cert is not None and "host" not in settings.http.model_fields_set:
        return ALL_ADDRESSES  # https is asked for because of others in the network
    return settings.http.host


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def listen(host: str, port: int, hint: str = "choose another with --port, or 0 for a free one") -> socket.socket:
    """A socket that is bound, and listens as soon as the server does. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_SILENT_MS)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            hint = "this machine has no such address: choose another with --host (ROLLCALL_HTTP__HOST)"
        raise PortTaken(f"cannot listen on {host} port {port}: {error.strerror}", hint=hint) from error
    listening.set_inheritable(True)
    return listening
