import pytest

from stream_server.ingest.pull.wire import HEADER_MAX, LENGTHS, PAYLOAD_MAX, Assembler, BadMessage, Header, pack


def feed(assembler: Assembler, data: bytes, step: int) -> None:
    while data:
        buffer = assembler.buffer()
        count = min(step, len(buffer), len(data))
        buffer[:count] = data[:count]
        assembler.filled(count)
        data = data[count:]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_messages_come_whole_however_they_are_cut(step: int) -> None:
    got: list[tuple[Header, bytes]] = []
    assembler = Assembler(lambda header, payload: got.append((header, bytes(payload))))
    data = pack({"type": "alive"}) + pack({"type": "frame", "é": 1}, 5) + b"12345" + pack({})
    feed(assembler, data, step)
    assert got == [({"type": "alive"}, b""), ({"type": "frame", "é": 1}, b"12345"), ({}, b"")]


@pytest.mark.parametrize(
    "data",
    [
        LENGTHS.pack(HEADER_MAX + 1, 0),
        LENGTHS.pack(2, PAYLOAD_MAX + 1),
        LENGTHS.pack(0, 0),
        LENGTHS.pack(2, 0) + b"[]",
        LENGTHS.pack(2, 0) + b"{x",
    ],
)
def test_what_is_not_as_agreed_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        feed(Assembler(lambda header, payload: None), data, 100)
