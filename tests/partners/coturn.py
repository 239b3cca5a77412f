"""coturn, a TURN server that knows only a shared secret."""

import shutil
import subprocess
import tempfile
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aioice.ice import get_host_addresses

from tests.partners.rtsp_cameras import PartnerMissing, free_port


@contextmanager
def turn_server(secret: str) -> Iterator[str]:
    """A TURN server on an address that ICE uses; gives its `turn:` address."""
    program = shutil.which("turnserver")
    if program is None:
        raise PartnerMissing("coturn is not installed (tests/system_packages.txt)")
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        raise unittest.SkipTest("this machine has no address but loopback, which ICE does not use")
    ip, port = addresses[0], free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process = subprocess.Popen(
            [
                program, "-n", f"--listening-ip={ip}", f"--relay-ip={ip}", f"--listening-port={port}",
                "--use-auth-secret", f"--static-auth-secret={secret}", "--realm=rollcall",
                "--no-tls", "--no-dtls", "--no-cli",
                f"--pidfile={folder}/pid", f"--userdb={folder}/users", f"--log-file={log}", "--simple-log", "--verbose",
            ],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until = time.monotonic() + 20
            while not (log.exists() and f"listener opened on : {ip}:{port}" in log.read_text(errors="replace")):
                assert process.poll() is None, log.read_text(errors="replace") if log.exists() else "coturn has ended"
                assert time.monotonic() < until, log.read_text(errors="replace")
                time.sleep(0.05)
            yield f"turn:{ip}:{port}?transport=udp"
        finally:
            process.kill()
            process.wait()
