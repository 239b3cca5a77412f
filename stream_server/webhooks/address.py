"""Where a webhook may go: the rules against request forgery (SSRF) are those for cameras, and https is demanded."""

from recognition.errors import RequestError
from stream_server.ingest.pull.address import AddressRules, CameraAddress, Resolver, parse, resolve, shown
from stream_server.settings.webhooks import WebhookSettings

SHOWN_MAX = 120


class WebhookAddressInvalid(RequestError):
    """That is no address of a receiver."""

    code = "webhook_address_invalid"


def rules_of(settings: WebhookSettings) -> AddressRules:
    """What the site allows."""
    return AddressRules(
        allow_private=settings.allow_private, allow_loopback=settings.allow_loopback, group="ROLLCALL_WEBHOOKS"
    )


def webhook_address(text: str, settings: WebhookSettings) -> CameraAddress:
    """The address, parsed. Raises WebhookAddressInvalid, AddressInvalid and AddressNotAllowed; none repeats it."""
    scheme = text.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise WebhookAddressInvalid("a webhook goes to an https address", hint="like https://school.example/hooks")
    if scheme == "http" and not settings.allow_http:
        raise WebhookAddressInvalid(
            "over plain http everybody on the way could read what is sent",
            hint="use https; ROLLCALL_WEBHOOKS__ALLOW_HTTP=true allows http",
        )
    address, username, password = parse(text, rules_of(settings))
    if username is not None or password is not None:
        raise WebhookAddressInvalid(
            "the address holds a user or a password",
            hint="leave them out: every message is signed, and the receiver checks the signature",
        )
    return address


def where_to(address: CameraAddress, settings: WebhookSettings, resolver: Resolver | None = None) -> str:
    """The IP to connect to, checked. Blocks. Raises AddressNotAllowed and NameUnknown."""
    return resolve(address, rules_of(settings), resolver)[0]


def shown_address(address: CameraAddress) -> str:
    """As people may see it: what follows the host may be a secret, as it is with many chat services."""
    host, _, path = address.url.partition("://")[2].partition("/")
    start = f"{address.scheme}://{host}"
    first, _, rest = path.partition("?")[0].partition("/")
    text = f"{start}/{first}/…" if rest or "?" in path else f"{start}/{first}"
    return shown(text)[:SHOWN_MAX]
