"""The certificate that the server shows, and how it is renewed while the server runs."""

import asyncio
import json
import logging
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recognition.errors import UnavailableError
from stream_server.settings.access import HttpsSettings

log = logging.getLogger("rollcall.tls")

LOOK_EVERY_S = 6 * 3600.0
LOOK_AT_OWN_EVERY_S = 60.0
MAKE_TIMEOUT_S = 60.0


class CertificateUnusable(UnavailableError):
    """The certificate or its key cannot be read or made."""

    code = "certificate_unusable"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a certificate that was made here."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    authority_der: bytes
    authority_sha256: str


class TlsIdentity:
    """A certificate, its key, and the context that connections are made with."""

    def __init__(self, settings: HttpsSettings, data_dir: Path) -> None:
        """Makes the certificate, if it is to be made here. Raises CertificateUnusable."""
        self._settings = settings
        self._folder = data_dir / "tls"
        self.known: Known | None = None
        self.is_own = settings.cert != "auto"
        if self.is_own:
            assert settings.cert is not None
            assert settings.key is not None
            self._files = (Path(settings.cert), settings.key)
        else:
            self._files = (self._folder / "server.crt", self._folder / "server.key")
            self._learn(self._run())
        # TLS 1.2 at least, and no ciphers that Python's maintainers count as weak.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._stamp = self._load()

    @property
    def hosts(self) -> frozenset[str]:
        """The names and addresses that the certificate is for, if we know."""
        return frozenset() if self.known is None else frozenset((*self.known.names, *self.known.addresses))

    async def run(self) -> None:
        """Renew it before it expires and when the machine's addresses change, for ever; connections go on."""
        while True:
            await asyncio.sleep(LOOK_AT_OWN_EVERY_S if self.is_own else LOOK_EVERY_S)
            try:
                await asyncio.to_thread(self.look)
            except CertificateUnusable as error:
                log.error("the old certificate stays for now: %s", error)

    def look(self) -> None:
        """Renew it if it is time, and take what is in the files. Raises CertificateUnusable."""
        if not self.is_own:
            self._learn(self._run())
        if self._stamp_now() != self._stamp:
            self._stamp = self._load()
            log.info("a new certificate is in use")

    def _load(self) -> tuple[int, ...]:
        stamp = self._stamp_now()
        certificate, key = self._files
        try:
            # The certificate takes effect before the key is compared with it: a pair that does not fit, such as while
            # one of two files is written, must not get into the context that is in use.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
                context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise CertificateUnusable(
                f"the certificate {certificate} with the key {key} cannot be used: "
                f"{getattr(error, 'strerror', None) or getattr(error, 'reason', None) or error}",
                hint="both are PEM files, the key without a password; the certificate is followed by its chain",
            ) from error
        return stamp

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in self._files)
        except OSError as error:
            raise CertificateUnusable(
                f"{error.filename} cannot be read: {error.strerror}", hint="check the path and its rights"
            ) from error

    def _run(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "stream_server.tls.renewal", str(self._folder), *self._settings.names]
        environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LANG": "C.UTF-8"}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=MAKE_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CertificateUnusable(f"a certificate could not be made: {error}") from error
        if done.returncode != 0:
            words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise CertificateUnusable(
                f"a certificate could not be made in {self._folder}: {words[-1]}",
                hint="check the folder and its rights; without it a new authority is made, for every phone to trust",
            )
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def _learn(self, report: dict[str, Any]) -> None:
        if report["left_out"]:
            log.warning(
                "the certificate is not for %s: the authority was made for other names; delete %s to make a new one",
                ", ".join(report["left_out"]),
                self._folder,
            )
        self.known = Known(
            names=tuple(report["names"]),
            addresses=tuple(report["addresses"]),
            authority_der=ssl.PEM_cert_to_DER_cert((self._folder / "ca.crt").read_text()),
            authority_sha256=report["authority_sha256"],
        )


def _no_password() -> str:
    # Otherwise OpenSSL would ask on the terminal, and the server wait for ever.
    raise ValueError("the key has a password")
