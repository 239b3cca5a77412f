"""Keeps the authority and the certificate as files, and makes them anew when it is time.

Run as a process of its own, `python -m stream_server.tls.renewal FOLDER [NAME …]`, which prints a report as JSON: the
libraries that it needs would cost the server 10 MB.
"""

import contextlib
import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from stream_server.tls.authority import Pair, machine_of, make_authority, make_leaf, permitted_of
from stream_server.tls.machine import Machine, this_machine

RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Report:
    """What is there now. Names and addresses as texts, those to tell people first; `left_out` cannot be served."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    left_out: tuple[str, ...]
    authority_sha256: str
    authority_is_new: bool
    leaf_is_new: bool
    expires_at: str


def renew(folder: Path, machine: Machine, now: datetime) -> Report:
    """Make what is missing, unreadable, about to expire, or for other names than the machine has now.

    Raises OSError when the folder cannot be used, and ValueError when the authority's files cannot be understood: a new
    one would have to be installed on every phone, which is not to happen by itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority, authority_is_new = _authority(folder, machine, now)
    allowed = permitted_of(authority, machine)
    leaf = None if authority_is_new else _kept(folder, "server")
    leaf_is_new = leaf is None or not _still_good(leaf, authority, allowed, now)
    if leaf is None or leaf_is_new:
        leaf = make_leaf(authority, machine, now)
        _keep(folder, "server", leaf)
    public = authority.certificate.public_bytes(serialization.Encoding.DER)
    left_out = (*(set(machine.names) - set(allowed.names)), *(set(machine.addresses) - set(allowed.addresses)))
    return Report(
        names=allowed.names,
        addresses=tuple(str(address) for address in allowed.addresses),
        left_out=tuple(sorted(str(item) for item in left_out)),
        authority_sha256=hashlib.sha256(public).hexdigest(),
        authority_is_new=authority_is_new,
        leaf_is_new=leaf_is_new,
        expires_at=leaf.certificate.not_valid_after_utc.isoformat(),
    )


def _authority(folder: Path, machine: Machine, now: datetime) -> tuple[Pair, bool]:
    if (folder / "ca.key").exists() or (folder / "ca.crt").exists():
        authority = Pair.from_pem((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())
        if authority.certificate.not_valid_after_utc - now > RENEW_BEFORE:
            return authority, False
    authority = make_authority(machine, now)
    _keep(folder, "ca", authority)
    return authority, True


def _still_good(leaf: Pair, authority: Pair, allowed: Machine, now: datetime) -> bool:
    if leaf.certificate.not_valid_after_utc - now <= RENEW_BEFORE or leaf.certificate.not_valid_before_utc > now:
        return False
    try:
        leaf.certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # of several kinds; whichever it is, it is not the certificate that is wanted
        return False
    names, addresses = machine_of(leaf.certificate)
    # An address that is gone for now (a card that is unplugged) is no reason for a new one.
    return set(allowed.names) <= names and set(allowed.addresses) <= addresses


def _kept(folder: Path, name: str) -> Pair | None:
    try:
        return Pair.from_pem((folder / f"{name}.crt").read_bytes(), (folder / f"{name}.key").read_bytes())
    except (OSError, ValueError):
        return None


def _keep(folder: Path, name: str, pair: Pair) -> None:
    # The certificate last: where it is, its key is too.
    _write(folder / f"{name}.key", pair.key_pem, 0o600)
    _write(folder / f"{name}.crt", pair.certificate_pem, 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    beside = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def main() -> int:
    """Renew and report; a failure is one line on standard error."""
    folder, *names = sys.argv[1:]
    try:
        report = renew(Path(folder), this_machine(tuple(names)), datetime.now(UTC))
    except (OSError, ValueError) as error:
        print(str(error) or type(error).__name__, file=sys.stderr)
        return 1
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
