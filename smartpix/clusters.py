"""Cluster records to plain arrays, and to the network's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.notebook import span, words_and_table
from smartpix.outlines import Outlines, outlines_of
from smartpix.rows import Rows
from smartpix.schema import CLUSTERS, N_COLUMNS, N_ROWS, InputError, require
from smartpix.thumbnails import histogram

__all__ = [
    "FlatClusters",
    "fill_windows",
    "flatten",
    "pixel_lists",
    "window_origin",
    "windows",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def window_origin(
    first: Ints, counts: Ints, row: npt.NDArray[Any], column: npt.NDArray[Any]
) -> tuple[Ints, Ints]:
    """Row and column (C,) of the window's first pixel: the middle of the cluster's bounding box is at its
    centre.

    Args:
        first, counts: (C,) place and number of each cluster's pixels in row and column (K,).
    """
    origin = outlines_of(first, counts, row, column, np.zeros((len(row), 1), dtype=np.float32)).origin
    return origin[:, 0], origin[:, 1]


@words_and_table
@dataclass(frozen=True)
class FlatClusters(Rows):
    """Clusters of any number of events as plain arrays, for the estimates.

    Attributes:
        module: (C,) rows of the detector table.
        truncated: (C,) bool.
        local: (C, 2) positions in the file, sensor frame, mm.
        first, counts: (C,) place and number of each cluster's pixels.
        row, column: (K,); charge: (K, S) in e, for the wanted slices.
        sigma: (C, 2) of the positions in the file, mm; None: not known, as where all have pixels.
    """

    module: npt.NDArray[np.int32]
    truncated: npt.NDArray[np.bool_]
    local: Floats
    first: Ints
    counts: Ints
    row: npt.NDArray[np.int16]
    column: npt.NDArray[np.int16]
    charge: npt.NDArray[np.float32]
    sigma: Floats | None = None

    def __len__(self) -> int:
        return len(self.module)

    @property
    def bare(self) -> npt.NDArray[np.bool_]:
        """(C,) hits without pixels: a position and its sigma are all that is known of them."""
        return np.asarray(self.counts == 0)

    @cached_property
    def outlines(self) -> Outlines:
        """Their bounding boxes and charges."""
        return outlines_of(self.first, self.counts, self.row, self.column, self.charge)

    def take(self, rows: Ints) -> FlatClusters:
        """The clusters with these numbers, in this order."""
        counts = self.counts[rows]
        first = np.cumsum(counts) - counts
        pixels = np.repeat(self.first[rows] - first, counts) + np.arange(int(counts.sum()))
        return FlatClusters(
            self.module[rows], self.truncated[rows], self.local[rows], first, counts, self.row[pixels],
            self.column[pixels],
            self.charge[pixels],
            None if self.sigma is None else self.sigma[rows],
        )  # fmt: skip

    @property
    def total_charge(self) -> npt.NDArray[np.float32]:
        """(C,) e, of the last of the slices."""
        ends = np.cumsum([0.0, *self.charge[:, -1].astype(np.float64)])
        return np.asarray(ends[self.first + self.counts] - ends[self.first], dtype=np.float32)

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Module, pixels, charge (e) in the last slice, position in the file (mm), and whether truncated."""
        return {
            "module": self.module, "n_pixels": self.counts, "charge": self.total_charge,
            "local_x": self.local[:, 0], "local_y": self.local[:, 1], "truncated": self.truncated,
        }  # fmt: skip

    def in_words(self) -> dict[str, str]:
        """How many, of how many pixels, and their charges."""
        return {
            "clusters": f"{len(self):,} clusters on {len(np.unique(self.module)):,} modules, "
            f"{self.truncated.sum():,} of them truncated",
            "pixels": f"{len(self.row):,}, {span(self.counts)} each",
            "charge": f"{span(self.total_charge, 'e')}, in the last of {self.charge.shape[1]} slices",
        }

    def thumbnails(self) -> str:
        """Histograms of size and charge."""
        return histogram(self.counts, "pixels") + histogram(self.total_charge, "charge in e")


def flatten(clusters: ak.Array, slices: Sequence[int]) -> FlatClusters:
    """Plain arrays of cluster records (one event's, or several flattened).

    Args:
        slices: slices to take, in this order.

    Raises:
        InputError: these are no cluster records, or those of several events that are not flattened, or they
            lack a slice.
    """
    fix = 'Give those of one event: events[0]["clusters"], with events from smartpix.io.events.iterate.'
    if not isinstance(clusters, ak.Array):
        raise InputError(
            f"clusters: expected an awkward array of cluster records and got {type(clusters).__name__}. {fix}"
        )
    require(clusters.fields, [*(n for n, c in CLUSTERS.items() if not c.optional), "pixels"], "clusters", fix)
    if clusters["hit_id"].ndim != 1:
        raise InputError(
            f"clusters: expected one flat array of records and got {clusters['hit_id'].ndim} levels. {fix}"
        )
    pixels = clusters["pixels"]
    charges = [f"charge_{s:02d}" for s in slices]
    require(
        pixels.fields,
        ["row", "column", *charges],
        "clusters: pixels",
        "Estimates need the slices they were trained with.",
    )
    counts = ak.to_numpy(ak.num(pixels, axis=1)).astype(np.int64)
    flat = ak.flatten(pixels, axis=1)
    return FlatClusters(
        module=ak.to_numpy(clusters["module_index"]),
        truncated=ak.to_numpy(clusters["truncated"]),
        local=np.stack([ak.to_numpy(clusters[n]) for n in ("local_x", "local_y")], axis=1).astype(np.float64),
        first=np.cumsum(counts) - counts,
        counts=counts,
        row=ak.to_numpy(flat["row"]),
        column=ak.to_numpy(flat["column"]),
        charge=np.stack([ak.to_numpy(flat[name]) for name in charges], axis=1),
        sigma=np.stack([ak.to_numpy(clusters[n]) for n in ("sigma_x", "sigma_y")], axis=1).astype(np.float64),
    )


def windows(clusters: FlatClusters) -> tuple[npt.NDArray[np.float32], Floats]:
    """Images for the network.

    Returns:
        (C, S, 13, 21) charge in e, rows along y and columns along x; and (C, 2) row and column of the first
        pixel.
    """
    row0, column0 = window_origin(clusters.first, clusters.counts, clusters.row, clusters.column)
    owner = np.repeat(np.arange(len(clusters)), clusters.counts)
    row, column = clusters.row - row0[owner], clusters.column - column0[owner]
    images = fill_windows(clusters.first, clusters.counts, row, column, clusters.charge, N_ROWS, N_COLUMNS)
    return images, np.stack([row0, column0], axis=1).astype(np.float64)


def fill_windows(
    first: Ints,
    counts: Ints,
    row: Ints,
    column: Ints,
    charge: npt.NDArray[np.float32],
    n_rows: int,
    n_columns: int,
) -> npt.NDArray[np.float32]:
    """Images (N, S, n_rows, n_columns) of clusters given as lists of pixels within their windows; others are
    left out.
    """
    images = np.zeros((len(first), charge.shape[1], n_rows, n_columns), dtype=np.float32)
    _fill(images, first, counts, row, column, charge)
    return images


@njit(cache=True, nogil=True)
def _fill(images: Any, first: Any, counts: Any, row: Any, column: Any, charge: Any) -> None:
    for i in range(len(first)):
        for k in range(first[i], first[i] + counts[i]):
            r, c = row[k], column[k]
            if 0 <= r < images.shape[2] and 0 <= c < images.shape[3]:
                for s in range(charge.shape[1]):
                    images[i, s, r, c] = charge[k, s]


def pixel_lists(
    images: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]:
    """First pixel and number of pixels of each cluster, row and column, and charge (K, S) of images (N, S, R,
    C).
    """
    images = np.ascontiguousarray(images, dtype=np.float32)
    counts = np.zeros(len(images), dtype=np.int64)
    _count(images, counts)
    n = int(counts.sum())
    row, column = np.empty((2, n), dtype=np.int64)
    charge = np.empty((n, images.shape[1]), dtype=np.float32)
    _list(images, row, column, charge)
    return np.cumsum(counts) - counts, counts, row, column, charge


@njit(cache=True, nogil=True)
def _count(images: Any, counts: Any) -> None:
    """Fill the numbers (N,) of pixels with charge in any slice."""
    n_slices, n_rows, n_columns = images.shape[1:]
    for k in range(len(images)):
        for r in range(n_rows):
            for c in range(n_columns):
                fired = False
                for s in range(n_slices):
                    fired |= images[k, s, r, c] != 0
                counts[k] += fired


@njit(cache=True, nogil=True)
def _list(images: Any, row: Any, column: Any, charge: Any) -> None:
    """Fill rows and columns (K,) and charges (K, S) of the pixels that :func:`_count` counts."""
    n_slices, n_rows, n_columns = images.shape[1:]
    n = 0
    for k in range(len(images)):
        for r in range(n_rows):
            for c in range(n_columns):
                fired = False
                for s in range(n_slices):
                    fired |= images[k, s, r, c] != 0
                if fired:
                    row[n], column[n] = r, c
                    for s in range(n_slices):
                        charge[n, s] = images[k, s, r, c]
                    n += 1
