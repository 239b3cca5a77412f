import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from stream_server.tls.authority import Pair, machine_of, make_authority, make_leaf, permitted_of
from stream_server.tls.machine import Machine

NOW = datetime.now(UTC).replace(microsecond=0)
MACHINE = Machine(
    ("rollcall.school.example", "room5.local", "room5", "localhost"),
    tuple(ip_address(text) for text in ("192.168.1.20", "203.0.113.5", "fd00::5", "127.0.0.1")),
)


@pytest.fixture(scope="module")
def authority() -> Pair:
    return make_authority(MACHINE, NOW)


def verify(authority: Pair, leaf: Pair, subject: x509.DNSName | x509.IPAddress, when: datetime = NOW) -> None:
    store = verification.Store([authority.certificate])
    builder = verification.PolicyBuilder().store(store).time(when)
    builder.build_server_verifier(subject).verify(leaf.certificate, [])


def test_a_certificate_is_good_for_every_name_and_address_of_the_machine(authority: Pair) -> None:
    leaf = make_leaf(authority, MACHINE, NOW)
    assert machine_of(leaf.certificate) == (frozenset(MACHINE.names), frozenset(MACHINE.addresses))
    for name in MACHINE.names:
        verify(authority, leaf, x509.DNSName(name))
    for address in MACHINE.addresses:
        verify(authority, leaf, x509.IPAddress(address))
    with pytest.raises(verification.VerificationError):
        verify(authority, leaf, x509.DNSName("other.local"))


def test_it_is_valid_no_longer_than_phones_take_and_from_a_little_before_now(authority: Pair) -> None:
    leaf = make_leaf(authority, MACHINE, NOW).certificate
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=397)
    assert leaf.not_valid_before_utc < NOW < leaf.not_valid_after_utc
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_authority_signs_certificates_of_servers_and_no_further_authorities(authority: Pair) -> None:
    basic = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    constraints = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical


def test_what_the_authority_may_not_speak_for_is_left_out(authority: Pair) -> None:
    moved = Machine(("other.example", "room6.local", "sub.room5"), (ip_address("8.8.8.8"), ip_address("10.0.0.9")))
    assert permitted_of(authority, moved) == Machine(("room6.local", "sub.room5"), (ip_address("10.0.0.9"),))
    names, addresses = machine_of(make_leaf(authority, moved, NOW).certificate)
    assert (names, addresses) == ({"room6.local", "sub.room5"}, {ip_address("10.0.0.9")})


async def test_a_stolen_authority_can_speak_for_nothing_on_the_internet(
    authority: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a thief would: sign for a name outside of the constraints, which only the client can refuse.
    monkeypatch.setattr("stream_server.tls.authority.permitted_of", lambda authority, machine: machine)
    bank = Machine(("bank.example.com",), (ip_address("1.1.1.1"),))
    ours = Machine(("room5.local",), (ip_address("10.1.1.1"),))
    for machine, accepted in ((bank, False), (ours, True)):
        leaf = make_leaf(authority, machine, NOW)
        assert await handshake(tmp_path, authority, leaf, machine.names[0]) is accepted
        assert await handshake(tmp_path, authority, leaf, str(machine.addresses[0])) is accepted


async def handshake(folder: Path, authority: Pair, leaf: Pair, name: str) -> bool:
    """Whether OpenSSL, trusting the authority, takes the certificate for this name."""
    (folder / "leaf.crt").write_bytes(leaf.certificate_pem)
    (folder / "leaf.key").write_bytes(leaf.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.crt", folder / "leaf.key")
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    trust = ssl.create_default_context(cadata=authority.certificate_pem.decode())
    async with server:
        try:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=trust, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            return "permitted subtree violation" not in str(error)
        writer.close()
    return True


def test_a_pair_that_does_not_belong_together_is_found(authority: Pair) -> None:
    other = make_leaf(authority, MACHINE, NOW)
    assert Pair.from_pem(authority.certificate_pem, authority.key_pem) is not None
    for certificate, key in ((authority.certificate_pem, other.key_pem), (b"nonsense", other.key_pem)):
        with pytest.raises(ValueError, match=r"."):
            Pair.from_pem(certificate, key)


def test_two_authorities_of_one_machine_can_be_told_apart(authority: Pair) -> None:
    subject: Callable[[Pair], str] = lambda pair: pair.certificate.subject.rfc4514_string()  # noqa: E731
    assert subject(authority).startswith("CN=Rollcall rollcall.school.example ")
    assert subject(authority) != subject(make_authority(MACHINE, NOW))
