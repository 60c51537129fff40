"""Pixels to cluster records, and clusters to the network's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.geometry import Detector
from smartpix.outlines import Outlines, outlines_of
from smartpix.schema import CLUSTERS, N_COLUMNS, N_ROWS, TRUTH, InputError, require

__all__ = [
    "FlatClusters",
    "Pixels",
    "Truth",
    "cluster_records",
    "fill_windows",
    "flatten",
    "one_event",
    "pixel_lists",
    "window_origin",
    "windows",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pixels:
    """Pixels of an event's clusters: (K,) cluster number (from 0, none missing), module, row, column; (K, S)
    charge.
    """

    cluster: Ints
    module: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    charge: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """Who made which cluster: columns of :data:`smartpix.schema.TRUTH` (T,) with the cluster's number."""

    cluster: Ints
    particle_id: npt.NDArray[np.int64]
    share: Floats
    order: npt.NDArray[np.int32]
    x: Floats
    y: Floats
    cot_alpha: Floats
    cot_beta: Floats
    pt: Floats


def cluster_records(
    detector: Detector,
    pixels: Pixels,
    truth: Truth | None,
    slices: Sequence[int],
    shift: Floats,
    hit_id: npt.NDArray[np.int64] | None = None,
    position: Floats | None = None,
) -> ak.Array:
    """Cluster records of one event, sorted by cluster number.

    Args:
        shift: (M, 2) mean Lorentz displacement of the charge on each module in x and y (mm), taken off the
            centroid.
        hit_id: (C,) ids; None numbers them.
        position: (C, 3) global positions to keep instead of the centroid's, mm.
    """
    order = np.lexsort((pixels.column, pixels.row, pixels.cluster))
    pixels = Pixels(*(getattr(pixels, column.name)[order] for column in fields(Pixels)))
    n = int(pixels.cluster[-1]) + 1 if len(order) else 0
    counts = np.bincount(pixels.cluster, minlength=n)
    first = np.cumsum(counts) - counts
    module = pixels.module[first] if n else np.zeros(0, dtype=np.int32)
    local, sigma, total = _centroids(detector, pixels, first, module, shift)
    points = detector.to_global(module, local) if position is None else position
    if position is not None:
        local = detector.to_local(module, position)[:, :2]
    content: dict[str, npt.NDArray[Any]] = {
        "row": pixels.row.astype(np.int16),
        "column": pixels.column.astype(np.int16),
    }
    for k, s in enumerate(slices):
        content[f"charge_{s:02d}"] = pixels.charge[:, k].astype(np.float32)
    ids = detector.columns
    return ak.zip(
        {
            "hit_id": np.arange(n, dtype=np.int64) if hit_id is None else hit_id,
            "module_index": module.astype(np.int32),
            "volume_id": np.asarray(ids["volume_id"])[module].astype(np.int32),
            "layer_id": np.asarray(ids["layer_id"])[module].astype(np.int32),
            "module_id": np.asarray(ids["module_id"])[module].astype(np.int32),
            "x": points[:, 0].astype(np.float32),
            "y": points[:, 1].astype(np.float32),
            "z": points[:, 2].astype(np.float32),
            "local_x": local[:, 0].astype(np.float32),
            "local_y": local[:, 1].astype(np.float32),
            "sigma_x": sigma[:, 0].astype(np.float32),
            "sigma_y": sigma[:, 1].astype(np.float32),
            "charge": total.astype(np.float32),
            "truncated": _truncated(detector, pixels, first, counts, module),
            "pixels": ak.unflatten(ak.zip(content), counts),
            "truth": _truth_records(truth, n),
        },
        depth_limit=1,
    )


def _centroids(
    detector: Detector, pixels: Pixels, first: Ints, module: npt.NDArray[np.int32], shift: Floats
) -> tuple[Floats, Floats, Floats]:
    """Local positions (C, 2) and their sigmas in mm, and charges (C,) in e.

    Args:
        pixels: sorted by cluster; first: (C,) the first of each cluster; module: (C,) of each cluster.
        shift: as for :func:`cluster_records`.
    """
    n = len(first)
    # A negative charge is noise or undershoot: it would pull the centroid beyond the pixels.
    last = np.maximum(pixels.charge[:, -1].astype(np.float64), 0.0)
    total = np.asarray(np.bincount(pixels.cluster, last, n), dtype=np.float64)
    local, sigma = np.zeros((n, 2)), np.zeros((n, 2))
    for axis, (index, pitch, half) in enumerate(
        (
            (pixels.column, detector.pitch_x, detector.half_x),
            (pixels.row, detector.pitch_y, detector.half_y),
        )
    ):
        module_of_pixel = module[pixels.cluster]
        center = (index + 0.5) * pitch[module_of_pixel] - half[module_of_pixel]
        moment = np.bincount(pixels.cluster, last * center, n)
        local[:, axis] = moment / np.where(total > 0, total, 1.0) - shift[module, axis]
        # One pixel: pitch / sqrt(12). More: the end pixels' charges fluctuate, which moves the centre with
        # the length. On the embedded sample 68 % of the pulls lie within 0.7 in the barrel and 1.1 in the
        # end-caps.
        size = (
            np.maximum.reduceat(index, first) - np.minimum.reduceat(index, first) + 1
            if n
            else np.zeros(0, dtype=int)
        )
        sigma[:, axis] = pitch[module] * np.where(size == 1, 0.289, np.maximum(0.15, 0.06 * size))
    return local, sigma, total


def _truncated(
    detector: Detector, pixels: Pixels, first: Ints, counts: Ints, module: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """(C,) whether a cluster does not fit the network's window, or touches its module's edge, beyond which
    what the track left is missing.
    """
    row, column, cluster = pixels.row, pixels.column, pixels.cluster
    row0, column0 = (origin[cluster] for origin in window_origin(first, counts, row, column))
    outside = (row < row0) | (row >= row0 + N_ROWS) | (column < column0) | (column >= column0 + N_COLUMNS)
    last_row, last_column = (n[module[cluster]] - 1 for n in (detector.n_rows, detector.n_columns))
    outside |= (row == 0) | (row == last_row) | (column == 0) | (column == last_column)
    return np.asarray(np.bincount(cluster, outside, len(first)) > 0)


def _truth_records(truth: Truth | None, n_clusters: int) -> ak.Array:
    """Lists of the truth of each cluster, the largest share first."""
    if truth is None:
        no_ids, no_values = np.zeros(0, dtype=np.int64), np.zeros(0)
        truth = Truth(
            no_ids, no_ids, no_values, np.zeros(0, dtype=np.int32), no_values, no_values, no_values,
            no_values, no_values,
        )  # fmt: skip
    order = np.lexsort((-truth.share, truth.cluster))
    columns = {name: getattr(truth, name)[order].astype(column.dtype) for name, column in TRUTH.items()}
    return ak.unflatten(ak.zip(columns), np.bincount(truth.cluster, minlength=n_clusters))


def one_event(event: int, clusters: ak.Array, particles: ak.Array | None) -> ak.Array:
    """An array of one event from its cluster and particle records."""
    columns = {
        "event": np.array([event], dtype=np.int64),
        "clusters": ak.unflatten(clusters, [len(clusters)]),
    }
    if particles is not None:
        columns["particles"] = ak.unflatten(particles, [len(particles)])
    return ak.zip(columns, depth_limit=1)


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


@dataclass(frozen=True)
class FlatClusters:
    """Clusters of any number of events as plain arrays, for the estimates.

    Attributes:
        module: (C,) rows of the detector table.
        truncated: (C,) bool.
        local: (C, 2) positions in the file, sensor frame, mm.
        first, counts: (C,) place and number of each cluster's pixels.
        row, column: (K,); charge: (K, S) in e, for the wanted slices.
    """

    module: npt.NDArray[np.int32]
    truncated: npt.NDArray[np.bool_]
    local: Floats
    first: Ints
    counts: Ints
    row: npt.NDArray[np.int16]
    column: npt.NDArray[np.int16]
    charge: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.module)

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
        )  # fmt: skip


def flatten(clusters: ak.Array, slices: Sequence[int]) -> FlatClusters:
    """Plain arrays of cluster records (one event's, or several flattened).

    Args:
        slices: slices to take, in this order.

    Raises:
        InputError: these are no cluster records, or those of several events that are not flattened, or they
            lack a slice or pixels.
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
    if len(counts) and counts.min() < 1:
        raise InputError(
            f"clusters: hit_id {clusters['hit_id'][int(np.argmin(counts))]} has no pixels; every cluster "
            "needs one"
        )
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
