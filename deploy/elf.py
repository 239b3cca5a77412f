"""Two cuts into 64-bit ELF files, for wheels that carry more than is loaded: `stripped` and `hollow`.

Written out because both are smaller than what would do them: binutils and a compiler are 150 MB in a build stage, and
no wheel on the package index makes an empty shared object. The format: System V ABI, chapters 4 and 5, and the Linux
Standard Base, chapter 10.7 on symbol versions.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MAGIC = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian
_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("<IIQQQQQQ")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")
_VERDEF = struct.Struct("<HHHHIII")
_VERDAUX = struct.Struct("<II")
_DYN = struct.Struct("<qQ")

_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551
_SHT_DYNSYM, _SHT_VERDEF, _SHT_VERSYM = 11, 0x6FFFFFFD, 0x6FFFFFFF
_READ, _WRITE, _EXECUTE = 4, 2, 1
_PAGE = 65536  # the largest page of any machine that Python has wheels for
# For x86-64 and 64-bit ARM. What stops a program at once (`ud2`, `udf #0`), and what answers 0.
_TRAPS = {62: b"\x0f\x0b", 183: b"\x00\x00\x00\x00"}
_ZEROS = {62: b"\x31\xc0\xc3", 183: b"\x00\x00\x80\xd2\xc0\x03\x5f\xd6"}


class NotElf(ValueError):
    """The file is no 64-bit little-endian ELF file of a known machine."""


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: bytes
    info: int
    other: int
    size: int
    version: int


def stripped(content: bytes) -> bytes:
    """The same without what is never loaded: debugging symbols and the table of sections, which lie at the end."""
    header = _header(content)
    offset, size, count = header[5], header[9], header[10]
    segments = [_PHDR.unpack_from(content, offset + number * size) for number in range(count)]
    end = max((segment[2] + segment[5] for segment in segments), default=0)
    if offset > end or end >= len(content):
        return content
    fields = list(header)
    fields[6] = fields[11] = fields[12] = fields[13] = 0  # where the table of sections was
    return _EHDR.pack(*fields) + content[_EHDR.size : end]


def hollow(content: bytes, soname: str, *, zero: bool = False) -> bytes:
    """A library of the same name that defines the same symbols, in the same versions, with nothing behind them.

    What links to it loads as before; the first call into it ends the process, or with `zero` gets 0 (or NULL) back.
    For parts that are linked and not used. Raises NotElf.
    """
    machine = _header(content)[2]
    if machine not in _TRAPS:
        raise NotElf(f"machine {machine} is not known")
    symbols = list(_defined(content))
    names = _Names()
    own_name = names.offset(soname.encode())
    versions, version_count = _versions(content, names)
    table = bytearray(_SYM.size)
    marks = bytearray(struct.pack("<H", 0))
    code_at = _EHDR.size + 4 * _PHDR.size
    for symbol in symbols:
        # Any section's number but zero, which would be "not here".
        table += _SYM.pack(names.offset(symbol.name), symbol.info, symbol.other, 1, code_at, symbol.size)
        marks += struct.pack("<H", symbol.version)
    parts = {
        "hash": _hash_table([symbol.name for symbol in symbols]),
        "symbols": bytes(table),
        "versions": versions,
        "marks": bytes(marks),
        "names": bytes(names.content),
    }
    text = bytearray((_ZEROS if zero else _TRAPS)[machine].ljust(16, b"\0"))
    at: dict[str, int] = {}
    for name, part in parts.items():
        text += b"\0" * (-len(text) % 8)
        at[name] = code_at + len(text)
        text += part
    return _assembled(machine, bytes(text), at, own_name, len(parts["names"]), version_count)


def _assembled(machine: int, text: bytes, at: dict[str, int], own_name: int, names_size: int, versions: int) -> bytes:
    start = _EHDR.size + 4 * _PHDR.size
    text_end = start + len(text)
    dynamic_at = text_end + (-text_end % _PAGE)
    entries = [
        (14, own_name),  # DT_SONAME
        (4, at["hash"]),
        (5, at["names"]),
        (6, at["symbols"]),
        (10, names_size),
        (11, _SYM.size),
    ]
    if versions:
        # DT_VERSYM, DT_VERDEF, DT_VERDEFNUM
        entries += [(0x6FFFFFF0, at["marks"]), (0x6FFFFFFC, at["versions"]), (0x6FFFFFFD, versions)]
    dynamic = b"".join(_DYN.pack(*entry) for entry in [*entries, (0, 0)])
    file_at = text_end + (-text_end % 8)
    # Its place in memory is as far into a page as its place in the file: what `mmap` wants.
    dynamic_at += file_at % _PAGE
    size = len(dynamic)
    segments = (
        _PHDR.pack(_LOAD, _READ | _EXECUTE, 0, 0, 0, text_end, text_end, _PAGE),
        # Writable: the loader puts addresses in.
        _PHDR.pack(_LOAD, _READ | _WRITE, file_at, dynamic_at, dynamic_at, size, size, _PAGE),
        _PHDR.pack(_DYNAMIC, _READ | _WRITE, file_at, dynamic_at, dynamic_at, size, size, 8),
        # Without it the loader would make the stack of the whole process executable.
        _PHDR.pack(_STACK, _READ | _WRITE, 0, 0, 0, 0, 0, 16),
    )
    ident = _MAGIC.ljust(16, b"\0")
    header = _EHDR.pack(ident, 3, machine, 1, 0, _EHDR.size, 0, 0, _EHDR.size, _PHDR.size, len(segments), 0, 0, 0)
    return (header + b"".join(segments) + text).ljust(file_at, b"\0") + dynamic


def _header(content: bytes) -> tuple[int, ...]:
    if len(content) < _EHDR.size or not content.startswith(_MAGIC):
        raise NotElf("no 64-bit little-endian ELF file")
    return _EHDR.unpack_from(content)


def _section(content: bytes, kind: int) -> tuple[int, ...] | None:
    header = _header(content)
    offset, size, count = header[6], header[11], header[12]
    sections = (_SHDR.unpack_from(content, offset + number * size) for number in range(count))
    return next((section for section in sections if section[1] == kind), None)


def _linked_names(content: bytes, section: tuple[int, ...]) -> int:
    """Where the names lie that a section's offsets count from."""
    header = _header(content)
    linked: tuple[int, ...] = _SHDR.unpack_from(content, header[6] + section[6] * header[11])
    return linked[4]


def _text_at(content: bytes, offset: int) -> bytes:
    return content[offset : content.index(b"\0", offset)]


def _defined(content: bytes) -> Iterator[_Symbol]:
    section = _section(content, _SHT_DYNSYM)
    if section is None:
        raise NotElf("it exports nothing, or its sections have been stripped")
    names = _linked_names(content, section)
    marks = _section(content, _SHT_VERSYM)
    for number in range(1, section[5] // _SYM.size):
        name, info, other, place, _, size = _SYM.unpack_from(content, section[4] + number * _SYM.size)
        if place == 0:
            continue
        version = struct.unpack_from("<H", content, marks[4] + 2 * number)[0] if marks else 1
        yield _Symbol(_text_at(content, names + name), info, other, size, version)


def _versions(content: bytes, names: "_Names") -> tuple[bytes, int]:
    """The library's table of versions, with the names in their new places, and how many it has."""
    section = _section(content, _SHT_VERDEF)
    if section is None:
        return b"", 0
    strings = _linked_names(content, section)
    offset, made, count = section[4], bytearray(), section[7]
    for number in range(count):
        revision, flags, index, parents, digest, first, following = _VERDEF.unpack_from(content, offset)
        own, _ = _VERDAUX.unpack_from(content, offset + first)
        last = number == count - 1
        one = _VERDEF.size + _VERDAUX.size
        # Parents say from which version one was derived; nothing reads that.
        del parents
        made += _VERDEF.pack(revision, flags, index, 1, digest, _VERDEF.size, 0 if last else one)
        made += _VERDAUX.pack(names.offset(_text_at(content, strings + own)), 0)
        offset += following
    return bytes(made), count


class _Names:
    """A table of strings that grows."""

    def __init__(self) -> None:
        self.content = bytearray(b"\0")
        self._known: dict[bytes, int] = {b"": 0}

    def offset(self, name: bytes) -> int:
        if name not in self._known:
            self._known[name] = len(self.content)
            self.content += name + b"\0"
        return self._known[name]


def _hash_table(names: list[bytes]) -> bytes:
    """The table by which the loader finds symbols; the first symbol, number 0, is nobody's."""
    buckets = [0] * max(1, len(names) // 2)
    chains = [0] * (len(names) + 1)
    for number, name in enumerate(names, start=1):
        bucket = _elf_hash(name) % len(buckets)
        chains[number], buckets[bucket] = buckets[bucket], number
    return struct.pack(f"<{2 + len(buckets) + len(chains)}I", len(buckets), len(chains), *buckets, *chains)


def _elf_hash(name: bytes) -> int:
    value = 0
    for byte in name:
        value = (value << 4) + byte
        top = value & 0xF0000000
        value = (value ^ (top >> 24)) & ~top & 0xFFFFFFFF
    return value
