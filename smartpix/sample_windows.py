"""Clusters of data sets as the chip reads them, in the middle of their windows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from smartpix.io.cluster_set import ClusterSet
from smartpix.schema import origin_pixel
from smartpix.simulate.readout import ReadoutOptions, digitise

__all__ = ["read_out"]

Floats = npt.NDArray[np.float64]
CHUNK = 5_000
"""Clusters read out at a time: 110 MB with 20 slices of 13 x 21 pixels, several times over."""
SIGNIFICANT = 4.5
"""In units of the noise and the threshold's dispersion, added in quadrature."""
TOUCHING = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])
"""Pixels of one image that touch, corners included; images do not."""


def read_out(
    clusters: ClusterSet, readout: ReadoutOptions | None, sensor: Mapping[str, float], seed: int = 0
) -> tuple[npt.NDArray[np.float32], Floats, npt.NDArray[np.bool_]]:
    """Images (N, S, R, C) of a data set as the chip reads them, in the middle of their windows.

    Returns:
        Images; how far (N, 2) they were moved along x and y, mm; and which reach the border of the array.
    """
    rng = np.random.default_rng(seed)
    level, connected = 0.0, False
    if readout is not None:
        # Where noise alone passes the threshold, only pixels well above it tell where the cluster is. With
        # dispersion some thresholds are low and the ADC's lowest level may lie above that: then only pixels
        # that touch the largest one do.
        spread = SIGNIFICANT * math.hypot(readout.noise, readout.threshold_dispersion)
        level = spread if readout.threshold < spread else 0.0
        connected = readout.threshold_dispersion > 0
    images = np.empty_like(clusters.charge)
    shift = np.empty((len(clusters), 2))
    truncated = np.empty(len(clusters), dtype=bool)
    n_slices, n_rows, n_columns = clusters.charge.shape[1:]
    for first in range(0, len(clusters), CHUNK):
        part = slice(first, first + CHUNK)
        charge = clusters.charge[part]
        if readout is not None:
            pixels = np.moveaxis(charge, 1, 3).reshape(-1, n_slices)
            charge = np.moveaxis(
                digitise(pixels, readout, rng).reshape(len(charge), n_rows, n_columns, n_slices), 3, 1
            )
        images[part], shift[part], truncated[part] = _centred(charge, level, connected)
    return images, shift * np.array([sensor["pitch_x"], sensor["pitch_y"]]), truncated


def _centred(
    charge: npt.NDArray[np.float32], level: float, connected: bool
) -> tuple[npt.NDArray[np.float32], Floats, npt.NDArray[np.bool_]]:
    """Images shifted by whole pixels, the shifts (columns, rows), and which images reach the border of the
    array.

    The middle of the bounding box of the pixels above ``level`` comes to the origin pixel; ``connected``: of
    those among them that touch the one with the largest charge, directly or through others.
    """
    fired = np.any(np.abs(charge) > level, axis=1)
    if connected:
        largest = np.where(fired, np.abs(charge).max(axis=1), 0).reshape(len(charge), -1).argmax(axis=1)
        labels, _ = ndimage.label(fired, TOUCHING)
        cluster = labels.reshape(len(charge), -1)[np.arange(len(charge)), largest]
        fired &= labels == cluster[:, None, None]
    moved = []
    border = np.zeros(len(charge), dtype=bool)
    for axis in (2, 1):
        size = fired.shape[axis]
        line = fired.any(axis=3 - axis)
        low, high = line.argmax(axis=1), size - 1 - line[:, ::-1].argmax(axis=1)
        border |= line[:, 0] | line[:, -1]
        moved.append(
            np.where(
                line.any(axis=1), np.clip(origin_pixel(size) - (low + high) // 2, -low, size - 1 - high), 0
            )
        )
    columns, rows = moved
    n_rows, n_columns = charge.shape[2:]
    out = np.zeros_like(charge)
    for c, r in set(zip(columns.tolist(), rows.tolist(), strict=True)):
        moved_alike = np.flatnonzero((columns == c) & (rows == r))
        out[moved_alike, :, max(r, 0) : n_rows + min(r, 0), max(c, 0) : n_columns + min(c, 0)] = charge[
            moved_alike, :, max(-r, 0) : n_rows - max(r, 0), max(-c, 0) : n_columns - max(c, 0)
        ]
    return out, np.stack([columns, rows], axis=1).astype(np.float64), border
