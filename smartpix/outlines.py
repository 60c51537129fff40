"""Where clusters lie and how much charge they hold: one compiled pass over their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import FAST, njit
from smartpix.schema import N_COLUMNS, N_ROWS, origin_pixel

__all__ = ["Outlines", "outlines_of"]


@dataclass(frozen=True)
class Outlines:
    """Bounding boxes and charges of C clusters.

    Attributes:
        box: (C, 4) lowest and highest row, lowest and highest column; of a cluster without pixels 0 and -1.
        charge: (C,) of the last slice in e, without negative charges.
        readable: (C,) all charges, in all slices, are finite.
    """

    box: npt.NDArray[np.int64]
    charge: npt.NDArray[np.float64]
    readable: npt.NDArray[np.bool_]

    @property
    def origin(self) -> npt.NDArray[np.int64]:
        """(C, 2) row and column of the window's first pixel: the box's middle is at the window's centre."""
        middle = (self.box[:, 0::2] + self.box[:, 1::2]) // 2
        return np.asarray(middle - np.array([origin_pixel(N_ROWS), origin_pixel(N_COLUMNS)]))

    @property
    def shape(self) -> npt.NDArray[np.float64]:
        """(C, 3) charge, and the columns and rows that the clusters span."""
        columns, rows = (self.box[:, k + 1] - self.box[:, k] + 1 for k in (2, 0))
        return np.stack([self.charge, columns, rows], axis=1)


def outlines_of(
    first: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    row: npt.NDArray[Any],
    column: npt.NDArray[Any],
    charge: npt.NDArray[Any],
) -> Outlines:
    """Outlines of clusters given as lists of pixels.

    Args:
        first, counts: (C,) place and number of each cluster's pixels.
        row, column: (K,); charge: (K, S) in e.
    """
    box = np.empty((len(first), 4), dtype=np.int64)
    total, readable = np.empty(len(first)), np.empty(len(first), dtype=np.bool_)
    _outline(first, counts, row, column, np.ascontiguousarray(charge), box, total, readable)
    return Outlines(box, total, readable)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _outline(
    first: Any, counts: Any, row: Any, column: Any, charge: Any, box: Any, total: Any, readable: Any
) -> None:
    n_slices = charge.shape[1]
    for k in range(len(first)):
        low, high = first[k], first[k] + counts[k]
        low_row: Any = 0
        high_row: Any = -1
        low_column: Any = 0
        high_column: Any = -1
        if high > low:
            low_row = high_row = np.int64(row[low])
            low_column = high_column = np.int64(column[low])
        added, nothing = 0.0, 0.0
        for i in range(low, high):
            low_row, high_row = min(low_row, np.int64(row[i])), max(high_row, np.int64(row[i]))
            low_column = min(low_column, np.int64(column[i]))
            high_column = max(high_column, np.int64(column[i]))
            last = np.float64(charge[i, n_slices - 1])
            added += last if last > 0.0 else 0.0
            # Nothing times a number is nothing, but for those that are not finite.
            for s in range(n_slices):
                nothing += 0.0 * np.float64(charge[i, s])
        box[k, 0], box[k, 1], box[k, 2], box[k, 3] = low_row, high_row, low_column, high_column
        total[k], readable[k] = added, nothing == 0.0
