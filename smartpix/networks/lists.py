"""Clusters as the networks' kernels read them: lists of pixels, windows, and an order by size."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from smartpix.networks.fused_blocks import by_size
from smartpix.outlines import outlines_of

__all__ = ["PixelLists"]

Ints = npt.NDArray[np.int64]

TOGETHER = 4096
"""Clusters that are sorted by size together."""


class PixelLists(NamedTuple):
    """Lists of pixels of N clusters, in the order of the kernels' arguments.

    Attributes:
        first, counts: (N,) place and number of each cluster's pixels.
        row, column: (K,); pixels outside the window are left out.
        charge: (K, S) in e, contiguous.
        origin: (N, 2) row and column where each window starts.
        box: (N, 4) of :class:`smartpix.outlines.Outlines`.
    """

    first: Ints
    counts: Ints
    row: npt.NDArray[Any]
    column: npt.NDArray[Any]
    charge: npt.NDArray[np.float32]
    origin: Ints
    box: Ints

    @classmethod
    def in_windows(
        cls,
        first: Ints,
        counts: Ints,
        row: npt.NDArray[Any],
        column: npt.NDArray[Any],
        charge: npt.NDArray[Any],
    ) -> PixelLists:
        """With rows and columns that are counted in each cluster's window."""
        charge = np.ascontiguousarray(charge, dtype=np.float32)
        box = outlines_of(first, counts, row, column, charge).box
        return cls(first, counts, row, column, charge, np.zeros((len(first), 2), dtype=np.int64), box)

    def by_size(self, rows: Ints, n_rows: int, n_columns: int) -> Ints:
        """``rows`` with clusters of the same size after one another, which kernels work out together.

        They are sorted by some thousands, so that clusters close in the order are close in memory.
        """
        parts = [rows[low : low + TOGETHER] for low in range(0, len(rows), TOGETHER)]
        return np.concatenate([part[by_size(part, self.box, n_rows, n_columns)] for part in parts] or [rows])
