"""Raw pixels on the link, zero-suppressed: as addresses, as a bitmap of the bounding box, and in an
arithmetic code.

Of the fixed formats:

- **addresses**: 9 bits for the number of pixels; for each pixel 9 bits of address in the window and the bits
  of both slices' codes;
- **bitmap**: the size of the box (4 and 5 bits), a bit for each of its pixels, and the bits of both slices'
  codes for each that has charge.

The arithmetic code sends the size of the box and then its pixels in turn: first the last slice's code, whose
probability depends on its neighbours that are known already and on the class of the box; then the other
slice's, whose probability depends on the last slice's code at the same place and on its own neighbours. The
tables are counted once.

Fewer bits a pixel join levels of the ADC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.link.arithmetic import N_CLASSES, Tables, box_class, box_symbol, codeword_bits, count_tables
from smartpix.link.codes import CodedClusters, Sent
from smartpix.link.images import ESCAPE_BITS, Adc
from smartpix.schema import InputError

__all__ = ["FORMATS", "PixelTables", "count_pixel_tables", "join_levels", "raw_code"]

Ints = npt.NDArray[np.int64]

FORMATS = ("address", "bitmap")
COUNT_BITS = ADDRESS_BITS = 9
"""Of a window's 273 pixels."""
N_LEVELS, N_PRESENT = 6, 3
"""Classes of a neighbour's code: beyond the box, negative, none, low, middle, high; beyond, none, any."""
LOW, MIDDLE = 3, 7
"""Largest codes of the classes."""


@dataclass(frozen=True)
class PixelTables:
    """Tables of the arithmetic code: of the box's size, the last slice's codes, and the first slice's."""

    box: Tables
    last: Tables
    first: Tables


def join_levels(adc: Adc, bits: int) -> npt.NDArray[np.int64]:
    """The joint code (K,) of each code of the ADC, from the lowest; codes of one joint code are neighbours.

    Three bits keep two levels below and five above no charge, two bits three above. A joint code is one of
    the middle ones that it joins.

    Raises:
        InputError: other numbers of bits than 2, 3 and the ADC's own.
    """
    codes = np.arange(adc.n_codes) + adc.lowest
    if 2**bits >= adc.n_codes:
        return codes
    if bits not in (2, 3):
        raise InputError(f"link: levels cannot be joined to {bits} bits; use 2 or 3, or the ADC's own")
    joint = np.zeros(len(codes), dtype=np.int64)
    for sign, n in ((1, 3 if bits == 2 else 5), (-1, 0 if bits == 2 else 2)):
        own = np.flatnonzero(codes * sign > 0)[::sign]
        for part in np.array_split(own, n) if n else []:
            if len(part):
                joint[part] = codes[part[len(part) // 2]]
    return joint


def raw_code(seen: CodedClusters, tables: PixelTables, form: str = "bitmap", bits: int = 4) -> Sent:
    """Send raw pixels.

    Args:
        tables: of the arithmetic code, counted with the same number of bits.
        form: of :data:`FORMATS`.
        bits: of a pixel's code in one slice.
    """
    codes = _joined(seen, bits)
    n_slices = codes.shape[1]
    fired = np.any(codes != 0, axis=1).sum(axis=(1, 2))
    fixed = {
        "address": np.where(seen.boxes.inside, COUNT_BITS, COUNT_BITS + ESCAPE_BITS) + fired * ADDRESS_BITS,
        "bitmap": seen.boxes.bits + seen.boxes.area,
    }
    symbol, _ = box_symbol(seen.boxes)
    information = tables.box.bits(np.zeros(len(seen), dtype=np.int64), symbol)
    for table, (context, code, owner) in zip((tables.last, tables.first), _pixels(seen, codes), strict=True):
        information = information + np.bincount(owner, table.bits(context, code), len(seen))
    escape = np.where(seen.boxes.inside, 0, ESCAPE_BITS)
    return Sent(
        seen.adc.charge(codes), fixed[form] + fired * n_slices * bits, codeword_bits(information) + escape
    )


def count_pixel_tables(seen: CodedClusters, bits: int = 4) -> PixelTables:
    """Count the tables of the arithmetic code on clusters of a training."""
    n_codes = seen.adc.n_codes
    symbol, n_symbols = box_symbol(seen.boxes)
    box = count_tables(np.zeros(len(seen), dtype=np.int64), symbol, 1, n_symbols)
    sizes = (N_LEVELS**2 * N_PRESENT * N_CLASSES, N_LEVELS**2 * n_codes)
    pixels = _pixels(seen, _joined(seen, bits))
    parts = (
        count_tables(context, code, n, n_codes) for n, (context, code, _) in zip(sizes, pixels, strict=True)
    )
    return PixelTables(box, *parts)


def _joined(seen: CodedClusters, bits: int) -> npt.NDArray[np.int8]:
    """Codes (N, S, R, C) with joint levels."""
    joint = join_levels(seen.adc, bits)
    # Numbered from the end of the table where they are negative, as Python does.
    return np.asarray(np.roll(joint, seen.adc.lowest).astype(np.int8)[seen.codes])


def _pixels(seen: CodedClusters, codes: npt.NDArray[np.int8]) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Of the last slice and then of the first: contexts, symbols and cluster numbers of all pixels in the
    boxes.
    """
    mask = seen.boxes.mask()
    owner, row, column = np.nonzero(mask)
    before: Ints = box_class(seen.boxes)[owner]
    for k in (codes.shape[1] - 1, 0):
        level = np.zeros((len(codes), mask.shape[1] + 1, mask.shape[2] + 2), dtype=np.int8)
        own = codes[owner, k, row, column].astype(np.int64)
        level[owner, row + 1, column + 1] = (
            np.searchsorted([0, 1, LOW + 1, MIDDLE + 1], own, side="right") + 1
        )
        left, up = level[owner, row + 1, column], level[owner, row, column + 1]
        context = (before * N_LEVELS + left) * N_LEVELS + up
        if k:
            beside = level[owner, row, column + 2]
            context = context * N_PRESENT + np.where(beside == 0, 0, np.where(beside == 2, 1, 2))
        before = own - seen.adc.lowest
        yield context, before, owner
