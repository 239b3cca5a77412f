import json
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from stream_server.tls.machine import Machine
from stream_server.tls.renewal import renew

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MACHINE = Machine(("room5.local", "localhost"), (ip_address("192.168.1.20"), ip_address("127.0.0.1")))
ROOT = Path(__file__).resolve().parents[3]


def test_the_first_time_everything_is_made_and_the_keys_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "tls"
    report = renew(folder, MACHINE, NOW)
    assert (report.authority_is_new, report.leaf_is_new, report.left_out) == (True, True, ())
    assert report.names == MACHINE.names
    assert report.addresses == ("192.168.1.20", "127.0.0.1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"ca.key": 0o600, "server.key": 0o600, "ca.crt": 0o644, "server.crt": 0o644}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"PRIVATE" not in (folder / "ca.crt").read_bytes() + (folder / "server.crt").read_bytes()


def test_nothing_is_made_anew_without_a_reason(tmp_path: Path) -> None:
    first = renew(tmp_path, MACHINE, NOW)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = renew(tmp_path, MACHINE, NOW + timedelta(days=300))
    assert again == replace(first, authority_is_new=False, leaf_is_new=False)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_thirty_days_before_its_end_the_certificate_is_made_anew_by_the_same_authority(tmp_path: Path) -> None:
    first = renew(tmp_path, MACHINE, NOW)
    expires = datetime.fromisoformat(first.expires_at)
    assert not renew(tmp_path, MACHINE, expires - timedelta(days=31)).leaf_is_new
    later = renew(tmp_path, MACHINE, expires - timedelta(days=29))
    assert later.leaf_is_new
    assert later.authority_sha256 == first.authority_sha256
    assert datetime.fromisoformat(later.expires_at) > expires


def test_a_new_address_needs_a_new_certificate_and_one_that_is_gone_does_not(tmp_path: Path) -> None:
    renew(tmp_path, MACHINE, NOW)
    fewer = replace(MACHINE, addresses=MACHINE.addresses[1:])
    assert not renew(tmp_path, fewer, NOW).leaf_is_new
    more = replace(MACHINE, addresses=(ip_address("10.0.0.4"), *MACHINE.addresses))
    report = renew(tmp_path, more, NOW)
    assert report.leaf_is_new
    assert report.addresses[0] == "10.0.0.4"


def test_a_certificate_that_is_damaged_or_another_authoritys_is_made_anew(tmp_path: Path) -> None:
    renew(tmp_path, MACHINE, NOW)
    renew(tmp_path / "other", MACHINE, NOW)
    for content in (b"", b"nonsense", (tmp_path / "other" / "server.crt").read_bytes()):
        (tmp_path / "server.crt").write_bytes(content)
        assert renew(tmp_path, MACHINE, NOW).leaf_is_new
    for name in ("server.crt", "server.key"):
        (tmp_path / name).write_bytes((tmp_path / "other" / name).read_bytes())
    assert renew(tmp_path, MACHINE, NOW).leaf_is_new


@pytest.mark.parametrize("name", ["ca.key", "ca.crt"])
def test_an_authority_that_phones_trust_is_never_replaced_because_a_file_is_damaged(tmp_path: Path, name: str) -> None:
    renew(tmp_path, MACHINE, NOW)
    (tmp_path / name).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"."):
        renew(tmp_path, MACHINE, NOW)
    (tmp_path / name).unlink()
    with pytest.raises(OSError, match=name):
        renew(tmp_path, MACHINE, NOW)


def test_names_that_the_authority_may_not_speak_for_are_reported(tmp_path: Path) -> None:
    renew(tmp_path, MACHINE, NOW)
    moved = replace(MACHINE, names=("rollcall.school.example", *MACHINE.names))
    report = renew(tmp_path, moved, NOW)
    assert report.left_out == ("rollcall.school.example",)
    assert report.names == MACHINE.names


def test_as_a_process_it_reports_what_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stream_server.tls.renewal", str(tmp_path / "tls"), "rollcall.school.example"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["names"][0] == "rollcall.school.example"
    certificate = x509.load_pem_x509_certificate((tmp_path / "tls" / "server.crt").read_bytes())
    assert certificate.not_valid_after_utc.isoformat() == report["expires_at"]
    (tmp_path / "tls" / "ca.key").write_bytes(b"nonsense")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
