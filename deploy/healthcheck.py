"""The container's health check: exit code 0 when the server answers GET /healthz with 200.

It asks where the server itself wrote that it listens (`address` in the data folder), and loads next to nothing: it runs
every 30 seconds inside the same limits of memory and processor.
"""

import os
import socket
import sys

TIMEOUT_S = 4.0


def main() -> int:
    """The exit code; the reason, when there is one, goes to standard error, which `docker inspect` shows."""
    path = os.path.join(os.environ.get("ROLLCALL_DATA_DIR", "/data"), "address")  # noqa: PTH118  # pathlib is heavy
    try:
        with open(path) as file:  # noqa: PTH123
            scheme, _, place = file.readline().strip().partition("://")
        status = _ask(scheme, place)
    except (OSError, ValueError) as error:
        print(f"the server does not answer yet: {error}", file=sys.stderr)
        return 1
    if status != b"200":
        print(f"/healthz answers {status.decode('latin-1')}", file=sys.stderr)
        return 1
    return 0


def _ask(scheme: str, place: str) -> bytes:
    host, _, port = place.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S) as plain:
        if scheme == "https":
            import ssl

            # It asks this very machine, whose certificate may be for other names.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with context.wrap_socket(plain) as wrapped:
                return _status(wrapped, place)
        return _status(plain, place)


def _status(connection: socket.socket, place: str) -> bytes:
    connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode("ascii"))
    answer = b""
    while b"\r\n" not in answer and len(answer) < 1024:
        part = connection.recv(1024)
        if not part:
            break
        answer += part
    words = answer.split(b" ", 2)
    return words[1] if len(words) > 1 else b"nothing"


if __name__ == "__main__":
    sys.exit(main())
