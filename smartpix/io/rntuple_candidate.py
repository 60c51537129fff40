"""RNTuples of ROOT's second release candidate of the format (0.2, ROOT 6.32), which uproot reads no more.

Layout: ROOT's `tree/ntuple/v7/doc/specifications.md` at aa51346. A header describes fields and columns,
a footer names page lists, a page list says where the elements of each column of each cluster of entries
are. Read are lists of numbers and of records of numbers, as podio writes them. Fields of other kinds
are left out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import uproot

from smartpix.schema import InputError

__all__ = ["CANDIDATE", "CandidateTuple", "candidate_of", "read_candidate"]

CANDIDATE = "ROOT::Experimental::RNTuple"
"""Class of an RNTuple before its format was fixed (1.0, ROOT 6.34)."""
ANCHOR = struct.Struct(">6xHHHHQQQQQQQ")
"""After count of bytes and version of the class: version (4), place, packed and unpacked size of header and
of footer, checksum."""
READ = (0, 2)
"""Version that is read: epoch and major."""
HEADER, FOOTER, PAGES = 1, 2, 3
"""Kinds of envelopes."""
SMALLEST_ITEM = 8
"""Bytes."""
COLLECTION, RECORD = 1, 2
"""Roles of fields; 0 is a number."""
PLAIN = {4: "u1", 7: "f8", 8: "f4", 9: "f2", 10: "u8", 11: "u4", 12: "u2", 13: "u1", 22: "i8", 23: "i4", 24: "i2",
         25: "i1"}  # fmt: skip
SPLIT = {16: "f8", 17: "f4", 18: "f2", 19: "u8", 20: "u4", 21: "u2"}
"""Of these the first bytes of all elements come first, then the second ones, and so on."""
ZIGZAG = {26: "i8", 27: "i4", 28: "i2"}
"""Split; a small number of either sign is a small number without one."""
INDEX, DELTA = {1: "u8", 2: "u4"}, {14: "u8", 15: "u4"}
"""Where the lists of a cluster end; as differences, split."""

Read = Callable[[int, int, int], bytes]
"""Bytes at a place in the file, of a size there, unpacked to a size."""
Page = tuple[int, int, int]
"""Number of elements, size in the file and place."""


@dataclass
class _Bytes:
    """Little-endian bytes that are read from ``at`` on."""

    data: bytes
    at: int = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.data, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def text(self) -> str:
        (size,) = self.take("I")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-8")

    def record(self) -> _Bytes:
        """What a record frame holds."""
        start = self.at
        (size,) = self.take("q")
        if size < 8 or start + size > len(self.data):
            raise ValueError(f"a record of {size} bytes")
        self.at = start + size
        return _Bytes(self.data[: self.at], start + 8)

    def items(self) -> Iterator[_Bytes]:
        """The rest of the bytes from each item on, which must be read before the next is asked for."""
        start = self.at
        size, count = self.take("qI")
        if size > -12 or start - size > len(self.data):
            raise ValueError(f"a list of {-size} bytes")
        if SMALLEST_ITEM * count > -size:
            raise ValueError(f"a list of {count} items in {-size} bytes")
        inside = _Bytes(self.data[: start - size], self.at)
        self.at = start - size
        for _ in range(count):
            yield inside


@dataclass(frozen=True)
class _Column:
    """Lists of numbers: which columns hold them, and what kinds these have."""

    tuple: CandidateTuple
    ends: int
    values: int

    def array(self, entry_start: int = 0, entry_stop: int | None = None) -> ak.Array:
        """The lists of a range of entries."""
        stop = self.tuple.num_entries if entry_stop is None else entry_stop
        parts = []
        for cluster, (first, n) in enumerate(self.tuple.clusters):
            if first < stop and first + n > entry_start:
                ends = self.tuple.elements(cluster, self.ends).astype(np.int64)
                counts = np.diff(ends, prepend=0)
                lists = ak.unflatten(self.tuple.elements(cluster, self.values), counts)
                parts.append(lists[max(entry_start - first, 0) : stop - first])
        return ak.concatenate(parts) if parts else ak.Array([])


@dataclass(frozen=True)
class CandidateTuple:
    """An RNTuple; what is asked of it is called as in uproot.

    Attributes:
        lists: of each field of numbers, by its name (``Hits.position.x``), its columns: ends of lists,
            numbers.
        kinds: of all columns.
        clusters: first entry and number of entries of each.
        pages: of each column of each cluster.
    """

    lists: Mapping[str, tuple[int, int]]
    kinds: tuple[int, ...]
    clusters: tuple[tuple[int, int], ...]
    pages: tuple[tuple[tuple[Page, ...], ...], ...]
    read: Read

    def keys(self) -> list[str]:
        """Names of the fields."""
        return list(self.lists)

    @cached_property
    def num_entries(self) -> int:
        """Number of entries of all clusters."""
        return sum(n for _, n in self.clusters)

    def __getitem__(self, name: str) -> _Column:
        return _Column(self, *self.lists[name])

    def elements(self, cluster: int, column: int) -> npt.NDArray[Any]:
        """All elements of a column in a cluster."""
        kind = self.kinds[column]
        dtype = np.dtype("<" + KINDS[kind])
        parts = [
            _decoded(self.read(place, size, n * dtype.itemsize), kind, dtype)
            for n, size, place in self.pages[cluster][column]
        ]
        if kind in DELTA:
            # Each page begins with a number and goes on with differences.
            parts = [np.cumsum(part, dtype=dtype) for part in parts]
        return np.concatenate([np.zeros(0, dtype), *parts])


KINDS = PLAIN | SPLIT | ZIGZAG | INDEX | DELTA


def _decoded(data: bytes, kind: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if kind in SPLIT | ZIGZAG | DELTA:
        data = np.frombuffer(data, "u1").reshape(dtype.itemsize, -1).T.tobytes()
    if kind not in ZIGZAG:
        return np.frombuffer(data, dtype)
    values = np.frombuffer(data, dtype.str.replace("i", "u"))
    one = values.dtype.type(1)
    return np.asarray(((values >> one) ^ (~(values & one) + one)).view(dtype))


def _envelope(data: bytes, kind: int) -> _Bytes:
    """The content of an envelope, without its length and kind."""
    content = _Bytes(data)
    (head,) = content.take("Q")
    if head & 0xFFFF != kind or head >> 16 != len(data):
        raise ValueError(f"an envelope of kind {head & 0xFFFF} and {head >> 16} bytes")
    return content


def read_candidate(anchor: bytes, read: Read, where: str) -> CandidateTuple:
    """What an RNTuple holds; its numbers are read when they are asked for.

    Args:
        anchor: the object in the ROOT file; read: the file's bytes; where: what errors call it.

    Raises:
        InputError: another version, or fields that were added while it was written.
    """
    *version, at_header, packed, size, at_footer, packed_footer, size_footer, _ = ANCHOR.unpack_from(anchor)
    if tuple(version[:2]) != READ:
        raise InputError(
            f"{where}: an RNTuple of version {'.'.join(map(str, version))}, from before that format was fixed (ROOT 6.34); "
            "0.2 (ROOT 6.32) and 1.0 or later are read: write it again with podio 1.3 or later, or as a TTree"
        )
    header = _envelope(read(at_header, packed, size), HEADER)
    header.take("Q")
    for _ in range(3):
        header.text()
    fields = [_field(item.record()) for item in header.items()]
    columns = [item.record().take("HHI") for item in header.items()]
    footer = _envelope(read(at_footer, packed_footer, size_footer), FOOTER)
    footer.take("QQ")
    added = footer.record()
    if any(sum(1 for _ in added.items()) for _ in range(2)):
        raise InputError(f"{where}: an RNTuple of version 0.2 to which fields were added while it was written; write it "
                         "again with podio 1.3 or later, or as a TTree")  # fmt: skip
    for _ in footer.items():
        pass
    clusters: list[tuple[int, int]] = []
    pages: list[tuple[tuple[Page, ...], ...]] = []
    for item in footer.items():
        _, _, _, size, packed, place = item.record().take("QQIQIQ")
        of_group = _envelope(read(place, packed, size), PAGES)
        of_group.take("Q")
        clusters += [c.record().take("QQ") for c in of_group.items()]
        pages += [
            tuple(tuple(p.take("IIQ") for p in column.items()) for column in cluster.items())
            for cluster in of_group.items()
        ]
    kinds = tuple(kind for kind, _, _ in columns)
    found = CandidateTuple(_lists(fields, columns), kinds, tuple(clusters), tuple(pages), read)
    _check_entries(found)
    return found


def _check_entries(found: CandidateTuple) -> None:
    """Check that clusters follow one another, and that each has an end for each list of its entries.

    Raises:
        ValueError: they do not.
    """
    at = 0
    for (first, n), columns in zip(found.clusters, found.pages, strict=True):
        if first != at or any(sum(p[0] for p in columns[ends]) != n for ends, _ in found.lists.values()):
            raise ValueError(f"a cluster of {n} entries from {first} on")
        at += n


def _field(record: _Bytes) -> tuple[int, int, int, str]:
    """Parent, role, flags and name of a field."""
    _, _, parent, role, flags = record.take("IIIHH")
    if flags & 1:
        record.take("Q")
    return parent, role, flags, record.text()


def _lists(
    fields: list[tuple[int, int, int, str]], columns: list[tuple[Any, ...]]
) -> dict[str, tuple[int, int]]:
    """The numbers that are in one list each, by name."""
    of_field: dict[int, list[int]] = {}
    for column, (_, _, field) in enumerate(columns):
        of_field.setdefault(field, []).append(column)
    found = {}
    for k, own in of_field.items():
        names, lists, row, plain = list[str](), list[int](), k, True
        while True:
            parent, role, flags, name = fields[row]
            lists += [row] * (role == COLLECTION)
            plain &= not flags & 1 and role in (0, COLLECTION, RECORD)
            # What a list holds has no name of its own.
            names += [name] * (parent == row or fields[parent][1] != COLLECTION)
            if parent == row:
                break
            if len(names) > len(fields):
                raise ValueError(f"field {k} is in itself")
            row = parent
        if plain and fields[k][1] == 0 and len(own) == len(lists) == 1 and columns[own[0]][0] in KINDS:
            found[".".join(reversed(names))] = of_field[lists[0]][0], own[0]
    return found


def candidate_of(file: Any, name: str, where: str) -> CandidateTuple:
    """An RNTuple of an open ROOT file of uproot.

    Raises:
        InputError: as :func:`read_candidate`.
    """
    key = file.key(name)
    chunk, cursor = key.get_uncompressed_chunk_cursor()
    anchor = cursor.bytes(chunk, ANCHOR.size, {}).tobytes()

    def read(place: int, packed: int, size: int) -> bytes:
        data = file.file.source.chunk(place, place + packed)
        at = uproot.source.cursor.Cursor(place)
        if packed < size:
            data, at = (
                uproot.compression.decompress(data, at, {}, packed, size),
                uproot.source.cursor.Cursor(0),
            )
        return bytes(at.bytes(data, size, {}))

    return read_candidate(anchor, read, where)
