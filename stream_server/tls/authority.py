"""Makes a certificate authority for this machine alone, and certificates by it.

The authority is constrained (RFC 5280, 4.2.1.10): even if its key is stolen, it is good for names and addresses of
local networks only, and for nothing on the internet that a phone trusting it might visit.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stream_server.tls.machine import PRIVATE_NETWORKS, IpAddress, Machine, is_private

AUTHORITY_DAYS = 3650
# Safari and Chrome take no certificate for longer than 398 days, from public authorities at least.
LEAF_DAYS = 396
# Clocks of phones are late now and then.
BACKDATED = timedelta(hours=12)
# Names for local use: RFC 6762, RFC 8375, RFC 6761, the reserved `internal`, and what routers like to give.
LOCAL_DOMAINS = ("local", "home.arpa", "localhost", "internal", "lan", "home")

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> Self:
        """Raises ValueError when they cannot be read or do not belong together."""
        cert = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is of another kind")
        if private.public_key() != cert.public_key():
            raise ValueError("the key belongs to another certificate")
        return cls(cert, private)

    @property
    def certificate_pem(self) -> bytes:
        """The public part."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def make_authority(machine: Machine, now: datetime) -> Pair:
    """An authority for local names and private networks, and for what `machine` has besides."""
    key = ec.generate_private_key(ec.SECP256R1())
    # Told apart in the phone's list of authorities, also after it was made anew.
    label = f"Rollcall {machine.names[0]} {secrets.token_hex(2)}"[:64]
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rollcall"), x509.NameAttribute(NameOID.COMMON_NAME, label)]
    )
    names = dict.fromkeys((*LOCAL_DOMAINS, *(name for name in machine.names if not _within(name, LOCAL_DOMAINS))))
    networks: list[Network] = [*PRIVATE_NETWORKS, *(ip_network(ip) for ip in machine.addresses if not is_private(ip))]
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    permitted += [x509.IPAddress(network) for network in networks]
    public = key.public_key()
    certificate = (
        _begin(subject, subject, public, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def make_leaf(authority: Pair, machine: Machine, now: datetime) -> Pair:
    """A certificate for those names and addresses of the machine that the authority may speak for."""
    key = ec.generate_private_key(ec.SECP256R1())
    allowed = permitted_of(authority, machine)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in allowed.names]
    alternatives += [x509.IPAddress(address) for address in allowed.addresses]
    # No name as common name: those are outside of the constraints, and verifiers look into the list alone.
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rollcall server")])
    issuer_key = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _begin(subject, authority.certificate.subject, key.public_key(), now, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Pair(certificate, key)


def permitted_of(authority: Pair, machine: Machine) -> Machine:
    """What of the machine's names and addresses the authority may speak for."""
    constraints = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = constraints.permitted_subtrees or []
    domains = tuple(name.value for name in permitted if isinstance(name, x509.DNSName))
    networks = [name.value for name in permitted if isinstance(name, x509.IPAddress)]

    def may(address: IpAddress) -> bool:
        return any(
            isinstance(network, IPv4Network | IPv6Network) and network.version == address.version and address in network
            for network in networks
        )

    return Machine(
        names=tuple(name for name in machine.names if _within(name, domains)),
        addresses=tuple(address for address in machine.addresses if may(address)),
    )


def machine_of(leaf: x509.Certificate) -> tuple[frozenset[str], frozenset[IpAddress]]:
    """The names and addresses that a certificate is for."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(), frozenset()
    addresses = (ip for ip in names.get_values_for_type(x509.IPAddress) if isinstance(ip, IPv4Address | IPv6Address))
    return frozenset(names.get_values_for_type(x509.DNSName)), frozenset(addresses)


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    begins = now - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _within(name: str, domains: tuple[str, ...]) -> bool:
    return any(name == domain or name.endswith("." + domain) for domain in domains)
