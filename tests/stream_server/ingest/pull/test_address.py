from pathlib import Path

import pytest

from stream_server.ingest.pull.address import (
    AddressInvalid,
    AddressNotAllowed,
    AddressRules,
    NameUnknown,
    file_path,
    parse,
    resolve,
    shown,
)

STRICT = AddressRules()
PRIVATE = AddressRules(allow_private=True)


def test_user_and_password_are_split_off_and_decoded() -> None:
    address, username, password = parse("rtsp://admin:p%40ss%2F1@203.0.114.7:8554/stream2?x=1#top", STRICT)
    assert (address.url, username, password) == ("rtsp://203.0.114.7:8554/stream2?x=1", "admin", "p@ss/1")
    assert (address.scheme, address.host, address.port) == ("rtsp", "203.0.114.7", 8554)


def test_a_connection_is_made_to_the_address_that_was_checked() -> None:
    address, _, _ = parse("rtsp://camera.example/live", STRICT)
    assert address.at_ip("203.0.114.7", "a b", "p@:/") == "rtsp://a%20b:p%40%3A%2F@203.0.114.7:554/live"
    assert address.at_ip("2606:4700::1") == "rtsp://[2606:4700::1]:554/live"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rtsp://203.0.114.7/a\nb",
        "rtsp://203.0.114.7/a\r\nHost: x",
        "rtsp://203.0.114.7/a b",
        "rtsp://203.0.114.7/\x00",
        "http://203.0.114.7\\@10.0.0.1/",
        "rtsp://[::1",
        "rtsp://203.0.114.7:99999/",
        "rtsp:///live",
        "rtsp://[fe80::1%25eth0]/",
        "rtsp://203.0.114.7/" + "a" * 2000,
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        parse(text, PRIVATE)
    assert refused.value.code == "address_invalid"
    assert "203.0.114.7" not in str(refused.value)


@pytest.mark.parametrize("text", ["ftp://203.0.114.7/x", "gopher://203.0.114.7/", "concat:a|b", "/dev/video0", "x"])
def test_other_schemes_are_refused(text: str) -> None:
    with pytest.raises(AddressNotAllowed):
        parse(text, PRIVATE)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.8.8", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0.1.2.3", "[::]", "169.254.169.254",
        "169.254.1.1", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1",
        "239.255.255.250", "[ff02::1]", "255.255.255.255", "240.0.0.1", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]",
        "[::ffff:169.254.169.254]",
    ],
)  # fmt: skip
def test_some_machines_are_never_connected_to(host: str) -> None:
    with pytest.raises(AddressNotAllowed):
        parse(f"http://{host}/x", PRIVATE)


@pytest.mark.parametrize("host", ["10.0.0.7", "192.168.1.9", "172.16.0.1", "[fc00::1]", "100.64.0.1"])
def test_private_networks_need_a_setting_that_the_refusal_names(host: str) -> None:
    with pytest.raises(AddressNotAllowed) as refused:
        parse(f"rtsp://{host}/x", STRICT)
    assert "ROLLCALL_PULL__ALLOW_PRIVATE" in refused.value.hint
    parse(f"rtsp://{host}/x", PRIVATE)


def test_a_public_address_is_allowed() -> None:
    assert parse("https://8.8.8.8/x", STRICT)[0].port == 443


def test_every_address_of_a_name_is_checked() -> None:
    address, _, _ = parse("http://camera.example/x", STRICT)
    assert resolve(address, STRICT, lambda host, port: ["8.8.8.8"]) == ["8.8.8.8"]
    with pytest.raises(AddressNotAllowed):
        resolve(address, STRICT, lambda host, port: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AddressNotAllowed):
        resolve(address, PRIVATE, lambda host, port: ["169.254.169.254"])


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
def test_other_spellings_of_an_address_do_not_pass(host: str) -> None:
    address, _, _ = parse(f"http://{host}/x", STRICT)  # names, until they are resolved
    with pytest.raises((AddressNotAllowed, NameUnknown)):
        resolve(address, STRICT)


def test_a_name_that_nobody_knows_is_said_so() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise OSError("unknown")

    address, _, _ = parse("http://camera.example/x", STRICT)
    for resolver in (nobody, lambda host, port: []):
        with pytest.raises(NameUnknown):
            resolve(address, STRICT, resolver)


def test_files_need_a_folder_and_stay_below_it(tmp_path: Path) -> None:
    folder = tmp_path / "replay"
    folder.mkdir()
    (folder / "a b.mp4").write_bytes(b"")
    (tmp_path / "secret.mp4").write_bytes(b"")
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(AddressNotAllowed) as refused:
        parse("file:a.mp4", PRIVATE)
    assert "ROLLCALL_PULL__REPLAY_DIR" in refused.value.hint
    rules = AddressRules(replay_dir=folder)
    address, _, _ = parse("file:a%20b.mp4", rules)
    assert file_path(address, rules) == folder / "a b.mp4"
    for text in ("file:../secret.mp4", "file:///etc/passwd", "file:link.mp4", "file:%2e%2e/secret.mp4"):
        with pytest.raises(AddressNotAllowed):
            parse(text, rules)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("rtsp://c/user=admin&password=geheim&channel=1", "rtsp://c/user=admin&password=***&channel=1"),
        ("http://c/snap?pwd=geheim", "http://c/snap?pwd=***"),
        ("http://c/snap?Token=geheim&x=1", "http://c/snap?Token=***&x=1"),
        ("http://c/compass=1", "http://c/compass=1"),
    ],
)
def test_a_password_in_the_path_is_not_shown(url: str, seen: str) -> None:
    assert shown(url) == seen
