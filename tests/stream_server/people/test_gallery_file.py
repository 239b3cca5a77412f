import io
import json
from typing import Any

import pytest

from stream_server.people import gallery_file
from stream_server.people.gallery_file import (
    MAGIC,
    PIECE_BYTES,
    BackupUnusable,
    PassphraseUnusable,
    SealedWriter,
    checked_passphrase,
    sealed_lines,
)

PASSPHRASE = "correct horse battery"
OWN_COST = dict(gallery_file.SCRYPT_COST)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_file, "SCRYPT_COST", {"n": 2, "r": 8, "p": 1})


def written(*lines: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, PASSPHRASE)
    for line in lines:
        writer.line(line)
    writer.close()
    return file.getvalue()


def read(content: bytes, passphrase: str = PASSPHRASE) -> list[dict[str, Any]]:
    return list(sealed_lines(io.BytesIO(content), passphrase))


LONG = [{"number": number, "text": "x" * 1000} for number in range(180)]


@pytest.mark.parametrize("lines", [[], [{"a": "ä"}], LONG])
def test_what_was_written_is_read_again(lines: list[dict[str, Any]]) -> None:
    content = written(*lines)
    assert read(content) == lines
    assert b"xxxx" not in content


def test_two_backups_of_the_same_have_nothing_in_common() -> None:
    one, two = written(*LONG), written(*LONG)
    assert one[-1000:] != two[-1000:]


def test_another_passphrase_opens_nothing() -> None:
    with pytest.raises(BackupUnusable, match="another passphrase"):
        read(written({"a": 1}), "another passphrase")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_told_from_a_whole_one(part: float) -> None:
    content = written(*LONG)
    with pytest.raises(BackupUnusable):
        read(content[: int(len(content) * part)])


def test_a_file_that_is_cut_between_two_pieces_is_told_as_well() -> None:
    content = written(*LONG)
    head = len(MAGIC) + 4 + int.from_bytes(content[len(MAGIC) : len(MAGIC) + 4], "big")
    with pytest.raises(BackupUnusable):
        read(content[: head + 4 + PIECE_BYTES + 16])
    with pytest.raises(BackupUnusable):
        read(content[:head])


def test_pieces_cannot_be_swapped_left_out_or_added() -> None:
    content = written(*LONG)
    head = len(MAGIC) + 4 + int.from_bytes(content[len(MAGIC) : len(MAGIC) + 4], "big")
    size = 4 + PIECE_BYTES + 16
    first, second, rest = (
        content[head : head + size],
        content[head + size : head + 2 * size],
        content[head + 2 * size :],
    )
    for forged in (second + first + rest, first + rest, first + first + second + rest, first + second + rest + first):
        with pytest.raises(BackupUnusable):
            read(content[:head] + forged)


def test_no_byte_can_be_changed() -> None:
    content = written({"a": "x" * 50})
    for place in range(0, len(content), 3):
        forged = bytearray(content)
        forged[place] ^= 1
        with pytest.raises(BackupUnusable):
            read(bytes(forged))


@pytest.mark.parametrize("cost", [b'"n": 1073741824', b'"n": 3', b'"n": 0', b'"n": "many"'])
def test_a_file_cannot_make_this_machine_compute_for_ever(cost: bytes) -> None:
    content = written({"a": 1})
    length = int.from_bytes(content[16:20], "big")
    head = content[20 : 20 + length].replace(b'"n": 2', cost)
    with pytest.raises(BackupUnusable):
        read(MAGIC + len(head).to_bytes(4, "big") + head + content[20 + length :])


def test_a_later_version_is_named() -> None:
    content = written({"a": 1}).replace(b'"version": 1', b'"version": 2')
    with pytest.raises(BackupUnusable, match="version 2"):
        read(content)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", MAGIC, MAGIC + b"\0\0\0\0", MAGIC + b"\xff" * 40])
def test_what_is_no_backup_is_refused(content: bytes) -> None:
    with pytest.raises(BackupUnusable):
        read(content)


def test_a_passphrase_is_one_line_and_no_short_one() -> None:
    assert checked_passphrase("correct horse\n") == "correct horse"
    with pytest.raises(PassphraseUnusable):
        checked_passphrase("password\n")


@pytest.mark.parametrize("cost", [{"n": 2**17, "r": 8}, {"n": 2**16, "r": 9}, {"n": 2**20, "r": 1}])
def test_a_file_cannot_make_this_machine_use_up_its_memory(
    cost: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(*_: object) -> None:
        raise AssertionError("the key was made")

    content = written({"a": 1})
    length = int.from_bytes(content[16:20], "big")
    head = json.dumps(json.loads(content[20 : 20 + length]) | cost).encode()
    monkeypatch.setattr(gallery_file._Head, "cipher", computed)
    with pytest.raises(BackupUnusable):
        read(MAGIC + len(head).to_bytes(4, "big") + head + content[20 + length :])


def test_the_cost_of_our_own_backups_is_within_the_bound() -> None:
    assert 128 * OWN_COST["n"] * OWN_COST["r"] <= gallery_file._SCRYPT_MEMORY_MAX
