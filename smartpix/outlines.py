"""Where clusters lie and how much charge they hold: one compiled pass over their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import FAST, njit
from smartpix.schema import N_COLUMNS, N_ROWS, origin_pixel

__all__ = ["Outlines", "outlines_of"]

CENTER_ROW, CENTER_COLUMN = origin_pixel(N_ROWS), origin_pixel(N_COLUMNS)


@dataclass(frozen=True)
class Outlines:
    """Bounding boxes and charges of C clusters.

    Attributes:
        box: (C, 4) lowest and highest row, lowest and highest column; of a cluster without pixels 0 and -1.
        origin: (C, 2) row and column of the window's first pixel: the box's middle is at the window's centre.
        shape: (C, 3) charge of the last slice in e, without negative charges, and columns and rows spanned.
        readable: (C,) all charges, in all slices, are finite.
    """

    box: npt.NDArray[np.int64]
    origin: npt.NDArray[np.int64]
    shape: npt.NDArray[np.float64]
    readable: npt.NDArray[np.bool_]


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
    n = len(first)
    box, origin = np.empty((n, 4), dtype=np.int64), np.empty((n, 2), dtype=np.int64)
    shape, readable = np.empty((n, 3)), np.empty(n, dtype=np.bool_)
    _outline(first, counts, row, column, np.ascontiguousarray(charge), box, origin, shape, readable)
    return Outlines(box, origin, shape, readable)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _outline(
    first: Any, counts: Any, row: Any, column: Any, charge: Any, box: Any, origin: Any, shape: Any,
    readable: Any,
) -> None:  # fmt: skip
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
        origin[k, 0] = (low_row + high_row) // 2 - CENTER_ROW
        origin[k, 1] = (low_column + high_column) // 2 - CENTER_COLUMN
        shape[k, 0], readable[k] = added, nothing == 0.0
        shape[k, 1], shape[k, 2] = high_column - low_column + 1, high_row - low_row + 1
