"""Clusters as codes of the ADC in their windows, and back: what all codes of the link start from and end at.

Every code sends where the cluster's bounding box is and how large, since the host must put it somewhere. A
cluster that does not fit its window is cut to it, and its box is sent whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import adc_codes
from smartpix.clusters import FlatClusters, fill_windows, pixel_lists
from smartpix.io.events import Header
from smartpix.schema import N_COLUMNS, N_ROWS, InputError
from smartpix.simulate.options import ReadoutOptions, adc_levels

__all__ = ["BOX_BITS", "ESCAPE_BITS", "Adc", "Boxes", "adc_of", "boxes_of", "code_images", "with_charge"]

Ints = npt.NDArray[np.int64]

BOX_BITS = 9
"""Rows and columns of a bounding box in the window: 4 and 5 bits, of which the largest numbers say that it is
longer.
"""
ESCAPE_BITS = 22
"""Rows and columns of a box that does not fit the window: any on a module of up to 2,048 of each."""


@dataclass(frozen=True)
class Adc:
    """Levels of an ADC.

    Attributes:
        edges, values: (K,) ascending, in e, as of :func:`smartpix.simulate.options.adc_levels`.
    """

    edges: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    @property
    def lowest(self) -> int:
        """The most negative code."""
        return -int(np.sum(self.edges < 0))

    @property
    def highest(self) -> int:
        """The largest code."""
        return self.n_codes + self.lowest - 1

    @property
    def n_codes(self) -> int:
        """Codes there are, that of no charge among them."""
        return len(self.edges) + 1

    def codes(self, charge: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
        """Codes of charges in e, of any shape."""
        return adc_codes(charge, self.edges)

    def charge(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Charges in e of codes, of any shape."""
        n_negative = -self.lowest
        table = np.concatenate([self.values[:n_negative], [0.0], self.values[n_negative:]])
        return np.asarray(table.astype(np.float32)[codes.astype(np.int64) + n_negative])


def adc_of(header: Header) -> Adc:
    """The ADC that digitised a file's charges.

    Raises:
        InputError: the file does not name it, or its charges are not digitised.
    """
    options = header.made_by.get("options")
    readout = header.made_by.get("readout") or (
        options.get("readout") if isinstance(options, Mapping) else None
    )
    if not isinstance(readout, Mapping) or not readout.get("adc_bits"):
        raise InputError(
            "link: the file does not say which ADC digitised its charges, and raw codes are counted in its bits; "
            "give a file of smartpix simulate events with --adc-bits above 0"
        )
    known = {key: readout[key] for key in ("threshold", "adc_bits", "adc_max") if key in readout}
    return Adc(*adc_levels(ReadoutOptions(**known)))


@dataclass(frozen=True)
class Boxes:
    """Bounding boxes of N clusters.

    Attributes:
        size: (N, 2) rows and columns, also those beyond the window.
        first, last: (N, 2) row and column in the window of the first and of the last pixel that it has.
    """

    size: Ints
    first: Ints
    last: Ints

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """(N,) boxes that fit the window."""
        return np.asarray((self.size[:, 0] <= N_ROWS) & (self.size[:, 1] <= N_COLUMNS))

    @property
    def area(self) -> Ints:
        """(N,) pixels of the box in the window."""
        return np.asarray(np.prod(self.last - self.first + 1, axis=1))

    @property
    def bits(self) -> Ints:
        """(N,) of the sizes, each in a field of fixed length."""
        return np.where(self.inside, BOX_BITS, BOX_BITS + ESCAPE_BITS)

    def mask(self) -> npt.NDArray[np.bool_]:
        """(N, rows, columns) pixels of the window that lie in the box."""
        row, column = np.arange(N_ROWS), np.arange(N_COLUMNS)
        rows = (row >= self.first[:, :1]) & (row <= self.last[:, :1])
        columns = (column >= self.first[:, 1:]) & (column <= self.last[:, 1:])
        return np.asarray(rows[:, :, None] & columns[:, None, :])


def boxes_of(clusters: FlatClusters) -> Boxes:
    """Bounding boxes of clusters."""
    box, origin = clusters.outlines.box, clusters.outlines.origin
    size = box[:, 1::2] - box[:, ::2] + 1
    most = np.array([N_ROWS, N_COLUMNS]) - 1
    return Boxes(size, np.maximum(box[:, ::2] - origin, 0), np.minimum(box[:, 1::2] - origin, most))


def code_images(clusters: FlatClusters, adc: Adc) -> npt.NDArray[np.int8]:
    """Codes (N, S, rows, columns) of clusters in their windows."""
    origin = clusters.outlines.origin
    row, column = (
        index.astype(np.int64) - np.repeat(origin[:, k], clusters.counts)
        for k, index in enumerate((clusters.row, clusters.column))
    )
    images = fill_windows(clusters.first, clusters.counts, row, column, clusters.charge, N_ROWS, N_COLUMNS)
    return adc.codes(images)


def with_charge(clusters: FlatClusters, charge: npt.NDArray[np.float32]) -> FlatClusters:
    """The clusters with other charges in their windows, at the same place and with the same bounding box.

    The box stays since it is sent: its first and last pixel are there, without charge if need be.

    Args:
        charge: (N, S, rows, columns) in e; that outside of the box must be 0.
    """
    _, counts, row, column, values = pixel_lists(charge)
    box, origin, n = clusters.outlines.box, clusters.outlines.origin, len(clusters)
    owner = np.concatenate([np.repeat(np.arange(n), counts), np.arange(n), np.arange(n)])
    row = np.concatenate([row + np.repeat(origin[:, 0], counts), box[:, 0], box[:, 1]])
    column = np.concatenate([column + np.repeat(origin[:, 1], counts), box[:, 2], box[:, 3]])
    values = np.concatenate([values, np.zeros((2 * n, charge.shape[1]), dtype=np.float32)])
    # Of equal pixels the first stays: it has the charge.
    order = np.lexsort((column, row, owner))
    keys = np.stack([owner, row, column])[:, order]
    other = np.ones(len(order), dtype=bool)
    other[1:] = np.any(keys[:, 1:] != keys[:, :-1], axis=0)
    kept = order[other]
    counts = np.bincount(owner[kept], minlength=n)
    return replace(
        clusters, first=np.cumsum(counts) - counts, counts=counts, row=row[kept].astype(np.int16),
        column=column[kept].astype(np.int16), charge=np.ascontiguousarray(values[kept]),
    )  # fmt: skip
