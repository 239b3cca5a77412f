"""How the server and a reader talk over their socket: a JSON header and, for pictures, the bytes behind it.

Both numbers in front are lengths in bytes, unsigned, little endian. What is longer than agreed ends the connection: a
reader handles what strangers send, so the server trusts nothing it says.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

LENGTHS = struct.Struct("<II")
HEADER_MAX = 64 * 1024
PAYLOAD_MAX = 64 * 2**20

Header = dict[str, Any]


class BadMessage(ValueError):
    """The other side does not keep to the format."""


def pack(header: Header, payload_bytes: int = 0) -> bytes:
    """What goes in front of a payload of that length."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), payload_bytes) + text


class Assembler:
    """Puts messages together from bytes that are read straight into `buffer()`; nothing is copied twice."""

    def __init__(self, on_message: Callable[[Header, bytearray], None]) -> None:
        self._on_message = on_message
        self._steps = (self._lengths, self._header, self._payload)
        self._step = 0
        self._target = bytearray(LENGTHS.size)
        self._filled = 0
        self._payload_bytes = 0
        self._decoded: Header = {}

    def buffer(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        return memoryview(self._target)[self._filled :]

    def filled(self, count: int) -> None:
        """Say that so many bytes were read into it. Raises BadMessage."""
        self._filled += count
        while self._filled == len(self._target):
            self._steps[self._step]()

    def _expect(self, step: int, length: int) -> None:
        self._step, self._target, self._filled = step, bytearray(length), 0

    def _lengths(self) -> None:
        header_bytes, self._payload_bytes = LENGTHS.unpack(self._target)
        if not 2 <= header_bytes <= HEADER_MAX or self._payload_bytes > PAYLOAD_MAX:
            raise BadMessage("a message is longer than agreed")
        self._expect(1, header_bytes)

    def _header(self) -> None:
        try:
            self._decoded = json.loads(self._target)
        except ValueError as error:
            raise BadMessage("a header is no JSON") from error
        if not isinstance(self._decoded, dict):
            raise BadMessage("a header is no object")
        self._expect(2, self._payload_bytes)

    def _payload(self) -> None:
        payload = self._target
        self._expect(0, LENGTHS.size)
        self._on_message(self._decoded, payload)
