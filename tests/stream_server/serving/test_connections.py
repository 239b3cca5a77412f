from types import SimpleNamespace

import pytest

from stream_server.serving.connections import Admission, Places


def those(*hosts: str | None) -> list[SimpleNamespace]:
    return [SimpleNamespace(client=None if host is None else (host, 5000)) for host in hosts]


def test_one_address_gets_its_share_and_others_still_come_in() -> None:
    admission = Admission(in_all=100, from_one=3)
    there = those("192.0.2.1", "192.0.2.1", "192.0.2.1", None)
    refused = admission.refusal(("192.0.2.1", 1), there, by_tunnel=False)
    assert refused is not None
    assert "MAX_CONNECTIONS_PER_CLIENT" in refused.hint
    assert admission.refusal(("192.0.2.2", 1), there, by_tunnel=False) is None
    assert admission.refusal(("127.0.0.1", 1), there, by_tunnel=False) is None
    assert admission.refusal(None, there, by_tunnel=False) is None


def test_an_ipv6_network_counts_as_one_address() -> None:
    admission = Admission(in_all=100, from_one=2)
    there = those("2001:db8::1", "2001:db8::2")
    assert admission.refusal(("2001:db8::3", 1), there, by_tunnel=False) is not None
    assert admission.refusal(("2001:db8:0:1::3", 1), there, by_tunnel=False) is None


def test_the_tunnels_connections_are_all_of_this_machine_and_not_counted_together() -> None:
    admission = Admission(in_all=10, from_one=2)
    assert admission.refusal(("127.0.0.1", 1), those(*["127.0.0.1"] * 9), by_tunnel=True) is None
    assert admission.refusal(("127.0.0.1", 1), those(*["127.0.0.1"] * 10), by_tunnel=True) is not None


def test_the_last_places_are_kept_for_this_machine() -> None:
    admission = Admission(in_all=32, from_one=1)
    there = those(*(f"192.0.2.{number}" for number in range(28)))
    refused = admission.refusal(("192.0.2.99", 1), there, by_tunnel=False)
    assert refused is not None
    assert "ROLLCALL_HTTP__MAX_CONNECTIONS" in refused.hint
    assert admission.refusal(("::1", 1), there, by_tunnel=False) is None
    assert admission.refusal(("192.0.2.99", 1), there[1:], by_tunnel=False) is None


def test_places_are_counted_by_name_and_forgotten_when_all_are_given_back() -> None:
    places = Places(2)
    assert [places.take(name) for name in "aabab"] == [True, True, True, False, True]
    places.give_back("a")
    assert places.take("a")
    for name in "aabb":
        places.give_back(name)
    with pytest.raises(KeyError):
        places.give_back("a")
