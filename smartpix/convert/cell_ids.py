"""Cell numbers of DD4hep: 64 bits, and the text that says which bits mean what.

``system:0:8,layer:8:4,sensor:12:2,x:32:-16,y:48:-16`` has five fields: name, first bit, width. Without a
first bit a field begins where the one before ends. A negative width is that of a number with a sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError, quoted

__all__ = ["BitField", "CellFields", "cell_field", "parse_encoding", "sensors_of"]

BITS = 64
PIXEL = ("x", "y", "z", "r", "phi", "slice", "strip", "cellid")
"""Fields that say where on a sensor a cell is, in lower case."""


@dataclass(frozen=True)
class BitField:
    """Bits of a field: the first, how many, and whether the number has a sign."""

    first: int
    width: int
    signed: bool


CellFields = Mapping[str, BitField]
"""Fields by name."""


def parse_encoding(text: str, where: str) -> CellFields:
    """The fields that a text describes.

    Raises:
        InputError: it is no such text, fields overlap, or one is there twice.
    """
    fields: dict[str, BitField] = {}
    begin, used = 0, 0
    for part in text.split(","):
        name, *numbers = (word.strip() for word in part.split(":"))
        try:
            values = [int(number) for number in numbers]
        except ValueError:
            values = []
        good = bool(name) and len(values) in (1, 2) and name not in fields
        first, width = (values if len(values) == 2 else [begin, *values]) if good else (0, 0)
        good &= first >= 0 and abs(width) > 0 and first + abs(width) <= BITS
        mask = ((1 << abs(width)) - 1) << first if good else 0
        if not good or used & mask:
            raise InputError(
                f"{where}: the encoding of cell numbers {quoted(text)} cannot be read at {quoted(part)}; expected "
                "name:first bit:width, or name:width, of 64 bits in all, each bit once"
            )
        used |= mask
        fields[name] = BitField(first, abs(width), width < 0)
        begin = first + abs(width)
    return fields


def cell_field(cell: npt.NDArray[np.uint64], field: BitField) -> npt.NDArray[np.int64]:
    """(N,) numbers of a field."""
    bits = (cell >> np.uint64(field.first)) & np.uint64((1 << field.width) - 1)
    value = bits.astype(np.int64)
    if field.signed and field.width < BITS:
        value = np.where(value >> (field.width - 1) & 1, value - (1 << field.width), value)
    return value


def sensors_of(cell: npt.NDArray[np.uint64], fields: CellFields) -> npt.NDArray[np.uint64]:
    """(N,) cell numbers without the bits that say where on its sensor a cell is."""
    mask = 0
    for name, field in fields.items():
        if name.lower() not in PIXEL:
            mask |= ((1 << field.width) - 1) << field.first
    return cell & np.uint64(mask)
