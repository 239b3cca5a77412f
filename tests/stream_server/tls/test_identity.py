import os
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from stream_server.settings.access import HttpsSettings
from stream_server.tls.identity import CertificateUnusable, TlsIdentity
from stream_server.tls.machine import Machine
from stream_server.tls.renewal import renew

MACHINE = Machine(("room5.local", "localhost"), (ip_address("127.0.0.1"),))
AUTO = HttpsSettings(cert="auto")


def own(folder: Path) -> HttpsSettings:
    return HttpsSettings(cert=str(folder / "server.crt"), key=folder / "server.key")


def shown_by(identity: TlsIdentity, ca: Path) -> str:
    """The fingerprint-like serial of the certificate that a client is shown."""
    client = ssl.create_default_context(cafile=str(ca))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    far = identity.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = near.getpeercert()
    assert certificate is not None
    return str(certificate["serialNumber"])


def test_auto_makes_a_certificate_that_is_good_for_this_machine(tmp_path: Path) -> None:
    identity = TlsIdentity(AUTO, tmp_path)
    assert identity.known is not None
    assert {"localhost", "127.0.0.1"} <= identity.hosts
    assert identity.known.authority_der == ssl.PEM_cert_to_DER_cert((tmp_path / "tls" / "ca.crt").read_text())
    assert shown_by(identity, tmp_path / "tls" / "ca.crt")


def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path) -> None:
    assert TlsIdentity(AUTO, tmp_path).context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    identity = TlsIdentity(AUTO, tmp_path)
    ca = tmp_path / "tls" / "ca.crt"
    before = shown_by(identity, ca)
    identity.look()
    assert shown_by(identity, ca) == before
    (tmp_path / "tls" / "server.crt").unlink()
    identity.look()
    assert shown_by(identity, ca) != before


def test_a_certificate_of_ones_own_is_taken_again_when_its_file_changes(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    renew(tmp_path, MACHINE, now)
    identity = TlsIdentity(own(tmp_path), tmp_path / "data")
    assert (identity.known, identity.hosts) == (None, frozenset())
    before = shown_by(identity, tmp_path / "ca.crt")
    (tmp_path / "server.crt").unlink()
    renew(tmp_path, MACHINE, now + timedelta(hours=1))
    identity.look()
    assert shown_by(identity, tmp_path / "ca.crt") != before
    assert not (tmp_path / "data").exists()


def test_while_a_new_file_cannot_be_used_the_old_certificate_stays(tmp_path: Path) -> None:
    renew(tmp_path, MACHINE, datetime.now(UTC))
    identity = TlsIdentity(own(tmp_path), tmp_path)
    before = shown_by(identity, tmp_path / "ca.crt")
    (tmp_path / "server.crt").write_text("half a file")
    with pytest.raises(CertificateUnusable):
        identity.look()
    assert shown_by(identity, tmp_path / "ca.crt") == before


def test_a_new_certificate_whose_key_is_not_there_yet_does_not_harm_the_old_one(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    renew(tmp_path, MACHINE, now)
    identity = TlsIdentity(own(tmp_path), tmp_path)
    before = shown_by(identity, tmp_path / "ca.crt")
    old_key = (tmp_path / "server.key").read_bytes()
    (tmp_path / "server.crt").unlink()
    renew(tmp_path, MACHINE, now + timedelta(hours=1))
    new_key = (tmp_path / "server.key").read_bytes()
    assert new_key != old_key
    (tmp_path / "server.key").write_bytes(old_key)
    with pytest.raises(CertificateUnusable, match="KEY_VALUES_MISMATCH"):
        identity.look()
    assert shown_by(identity, tmp_path / "ca.crt") == before
    (tmp_path / "server.key").write_bytes(new_key)
    identity.look()
    assert shown_by(identity, tmp_path / "ca.crt") != before


def test_what_is_wrong_with_a_certificate_of_ones_own_is_said(tmp_path: Path) -> None:
    renew(tmp_path, MACHINE, datetime.now(UTC))
    renew(tmp_path / "other", MACHINE, datetime.now(UTC))
    settings = own(tmp_path)
    with pytest.raises(CertificateUnusable, match="nowhere"):
        TlsIdentity(settings.model_copy(update={"cert": str(tmp_path / "nowhere.pem")}), tmp_path)
    with pytest.raises(CertificateUnusable, match="KEY_VALUES_MISMATCH"):
        TlsIdentity(settings.model_copy(update={"key": tmp_path / "other" / "server.key"}), tmp_path)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    renew(tmp_path, MACHINE, datetime.now(UTC))
    sealed = tmp_path / "sealed.key"
    command = ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", tmp_path / "server.key", "-out", sealed]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl program")
    with pytest.raises(CertificateUnusable, match="has a password"):
        TlsIdentity(own(tmp_path).model_copy(update={"key": sealed}), tmp_path)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("a file")
    with pytest.raises(CertificateUnusable, match="could not be made"):
        TlsIdentity(AUTO, tmp_path)


def test_the_process_that_makes_it_gets_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}
    real = subprocess.run

    def run(*args: object, **options: object) -> object:
        seen.update(options["env"])  # type: ignore[call-overload]
        return real(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", "secret-secret-secret")
    monkeypatch.setattr(subprocess, "run", run)
    TlsIdentity(AUTO, tmp_path)
    assert set(seen) == {"PYTHONPATH", "LANG"}
    assert "secret-secret-secret" in os.environ.values()
