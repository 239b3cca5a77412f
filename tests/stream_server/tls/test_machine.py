from ipaddress import ip_address

import pytest

from stream_server.tls.machine import is_dns_name, is_private, local_addresses, names_of, this_machine


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("room5", ("room5.local", "room5", "localhost")),
        ("Room5.School.example.", ("room5.local", "room5", "room5.school.example", "localhost")),
        ("localhost", ("localhost.local", "localhost")),
        # No names of the DNS: an underscore, a leading hyphen, and one that is too long.
        ("my_laptop", ("localhost",)),
        ("-x", ("localhost",)),
        ("a" * 64, ("localhost",)),
        ("", ("localhost",)),
    ],
)
def test_a_machine_is_known_by_its_name_and_by_mdns(host: str, names: tuple[str, ...]) -> None:
    assert names_of(host) == names


def test_names_of_the_settings_come_first() -> None:
    assert names_of("room5", ("rollcall.school.example",))[0] == "rollcall.school.example"


def test_a_wildcard_is_no_name() -> None:
    assert not is_dns_name("*.example")
    assert is_dns_name("xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("address", "private"),
    [("10.1.2.3", True), ("172.32.0.1", False), ("192.168.1.1", True), ("127.0.0.1", True), ("8.8.8.8", False),
     ("fd00::1", True), ("2001:db8::1", False), ("::1", True), ("100.64.1.1", True)],
)  # fmt: skip
def test_networks_that_anybody_may_use_are_known(address: str, private: bool) -> None:
    assert is_private(ip_address(address)) is private


def test_this_machine_has_a_loopback_address_which_is_told_last() -> None:
    addresses = local_addresses()
    assert ip_address("127.0.0.1") in addresses
    assert not [address for address in addresses if address.is_link_local]
    outside = [address for address in addresses if not address.is_loopback]
    assert list(addresses[: len(outside)]) == outside
    assert this_machine(("x.example",)).names[0] == "x.example"
