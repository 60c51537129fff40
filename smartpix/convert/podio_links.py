"""Collections of links of podio: pairs of objects, each named by its collection's number and its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.convert.podio import Collection, PodioFile, read_collection
from smartpix.io.root_files import reading
from smartpix.schema import InputError

__all__ = ["Link", "Pairs", "collection_id", "links_between", "read_pairs"]

ENDS = (("from", "to"), ("rec", "sim"))
"""What the ends of links are called, now and before EDM4hep 0.99."""
OBJECT = ("index", "collectionID")
WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Link:
    """A collection of links: the collections of its two ends."""

    name: str
    begin: Collection
    end: Collection


@dataclass(frozen=True)
class Pairs:
    """Pairs (L,) of objects.

    Attributes:
        group: (L, 2) numbers of both collections; row: (L, 2) of both objects in them.
    """

    group: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]


def collection_id(name: str) -> int:
    """The number that podio gives a collection: MurmurHash3 (A. Appleby) of its name in 32 bits, with seed
    0.
    """

    def turned(word: int, by: int) -> int:
        return (word << by | word >> (32 - by)) & WORD

    data, value = name.encode(), 0
    for at in range(0, len(data), 4):
        block = data[at : at + 4]
        word = int.from_bytes(block, "little") * 0xCC9E2D51 & WORD
        value ^= turned(word, 15) * 0x1B873593 & WORD
        if len(block) == 4:
            value = turned(value, 13) * 5 + 0xE6546B64 & WORD
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = (value ^ value >> shift) * factor & WORD
    return value ^ value >> 16


def links_between(
    file: PodioFile, tree: Any, begins: Sequence[Collection], ends: Sequence[Collection]
) -> tuple[Link, ...]:
    """The collections of links that begin and end in some collections, in any event."""
    by_name = {c.name: c for c in file.collections}
    wanted = [[collection_id(c.name) for c in group] for group in (begins, ends)]
    found = []
    for name in by_name:
        for first, second in ENDS:
            pair = [by_name.get(f"_{name}_{end}") for end in (first, second)]
            if pair[0] is None or pair[1] is None:
                continue
            numbers = []
            for collection in (pair[0], pair[1]):
                with reading(file.path, collection.name):
                    key = collection.fields.get("collectionID")
                    numbers.append([] if key is None else ak.flatten(tree[key].array()))
            if all(np.any(np.isin(n, w)) for n, w in zip(numbers, wanted, strict=True)):
                found.append(Link(name, pair[0], pair[1]))
    return tuple(found)


def read_pairs(
    file: PodioFile, tree: Any, links: Sequence[Link], event: int, names: tuple[Sequence[str], Sequence[str]],
    sizes: tuple[Sequence[int], Sequence[int]],
) -> Pairs:  # fmt: skip
    """The pairs of one event whose objects are in the collections ``names`` of both ends.

    Args:
        sizes: of these collections in the event.

    Raises:
        InputError: ends of different lengths, or an object that is not there.
    """
    parts_group, parts_row = [np.zeros((0, 2), dtype=np.int64)], [np.zeros((0, 2), dtype=np.int64)]
    for link in links:
        where = f"{file.path}: event {event}: {link.name}"
        objects = [read_collection(file, tree, c, OBJECT, event) for c in (link.begin, link.end)]
        if len(objects[0]["index"]) != len(objects[1]["index"]):
            raise InputError(f"{where} has ends of different lengths; the file was written inconsistently")
        groups, rows = [], []
        for side, of_side in enumerate(objects):
            group = np.full(len(of_side["index"]), -1, dtype=np.int64)
            for k, name in enumerate(names[side]):
                group[of_side["collectionID"] == collection_id(name)] = k
            row = of_side["index"].astype(np.int64)
            n = np.array([*sizes[side], np.iinfo(np.int64).max])[group]
            if np.any(lost := (group >= 0) & ((row < 0) | (row >= n))):
                k = int(np.argmax(lost))
                raise InputError(
                    f"{where} links to object {row[k]} of {names[side][group[k]]}, and the event has {n[k]}; keep the "
                    "hits that are linked"
                )
            groups.append(group)
            rows.append(row)
        group, row = np.stack(groups, axis=1), np.stack(rows, axis=1)
        known = np.all(group >= 0, axis=1)
        parts_group.append(group[known])
        parts_row.append(row[known])
    return Pairs(np.concatenate(parts_group), np.concatenate(parts_row))
