import io
import zipfile

import pytest

from stream_server.roster.archives import ArchiveLimits, ArchiveRefused, opened
from tests.stream_server.roster.rosters import zipped


def names(data: bytes, limits: ArchiveLimits | None = None) -> tuple[str, ...]:
    with opened(io.BytesIO(data), limits) as archive:
        for name in archive.names:
            archive.read(name, 10**9)
        return archive.names


def test_files_are_given_in_order_and_folders_left_out() -> None:
    assert names(zipped({"a.csv": "1", "folder/": "", "folder/b.csv": "2"})) == ("a.csv", "folder/b.csv")


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "..\\a", "c:\\a", "c:a"])
def test_a_name_that_leads_out_of_the_archive_is_refused(name: str) -> None:
    with pytest.raises(ArchiveRefused, match="leads out"):
        names(zipped({name: "x"}))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(ArchiveRefused, match="times its size"):
        names(zipped({"bomb": b"\0" * 20_000_000}))
    many = {f"{number}": b"\0" * 900_000 for number in range(40)}
    with pytest.raises(ArchiveRefused, match="MiB"):
        names(zipped(many), ArchiveLimits(total_bytes_max=30_000_000))
    with pytest.raises(ArchiveRefused, match="files"):
        names(zipped({f"{number}": "" for number in range(300)}))


def test_an_archive_that_lies_about_its_sizes_is_refused_while_it_is_read() -> None:
    data = bytearray(zipped({"a": b"x" * 100_000}, zipfile.ZIP_STORED))
    real = (100_000).to_bytes(4, "little")
    where = data.rindex(real + real)  # packed and unpacked size in the directory
    data[where + 4 : where + 8] = (10).to_bytes(4, "little")
    limits = ArchiveLimits(total_bytes_max=1000)
    with opened(io.BytesIO(bytes(data)), limits) as archive, pytest.raises(ArchiveRefused):
        archive.read("a", 10**9)


@pytest.mark.parametrize("data", [b"PK", b"PK\x03\x04" + bytes(100), b"nothing"])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveRefused):
        names(data)


def test_a_damaged_file_in_an_archive_is_refused() -> None:
    data = bytearray(zipped({"a": bytes(range(256)) * 100}))
    data[40:60] = bytes(20)
    with pytest.raises(ArchiveRefused):
        names(bytes(data))


def test_an_encrypted_archive_is_refused() -> None:
    data = bytearray(zipped({"a": "x"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    with pytest.raises(ArchiveRefused, match="encrypted"):
        names(bytes(data))


def test_a_file_that_is_there_twice_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("./a", "2")
    with pytest.raises(ArchiveRefused, match="twice"):
        names(buffer.getvalue())
