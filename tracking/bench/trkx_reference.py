"""What a straight line finds on the toys of HEP.TrkX: the reference for its networks, with nothing learned.

A line is fitted to the pixels of the seed by least squares and followed: on each plane the hit nearest to it
    is taken
and joins the fit. With equal errors, that is a Kalman filter of straight tracks without scattering.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tracking.finders.trkx.options import ToyOptions
from tracking.finders.trkx.toys import ToyEvents, make_toys

__all__ = ["follow_lines", "line_accuracy"]

BATCH = 1024
"""Toys that are looked at together."""
REFITS = 2
"""Times that the line is fitted to the hits of all planes, and the nearest hits are taken again."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def line_accuracy(toy: ToyOptions, n: int, seed: int) -> dict[str, Any]:
    """Accuracies of the followed line, defined as those of the networks.

    It always names a pixel with a hit, so that both differ by the planes of the seed alone.

    Returns:
        ``pixel_accuracy``, and ``hit_accuracy_unseeded``, which is the same: share of the planes without
            seed;
        ``hit_accuracy``: share of all planes.
    """
    right = np.zeros(toy.n_planes)
    for first in range(0, n, BATCH):
        toys = make_toys(toy, min(BATCH, n - first), seed, first)
        right += (follow_lines(toys, toy) == toys.wanted).sum(axis=0)
    unseeded = float(right[toy.seed_planes :].mean() / n)
    return {
        "pixel_accuracy": unseeded, "hit_accuracy": float(right.mean() / n), "hit_accuracy_unseeded": unseeded,
    }  # fmt: skip


def follow_lines(toys: ToyEvents, toy: ToyOptions) -> Ints:
    """Pixel of the line on each plane (N, P); x W + y where planes are W x W.

    Args:
        toys: with at least two planes of seed.
    """
    n, n_planes = toys.wanted.shape
    hits = toys.images.reshape(n, n_planes, -1) > 0
    centers = _centers(toy)
    chosen = np.zeros((n, n_planes), dtype=np.int64)
    for plane in range(n_planes):
        if plane < toy.seed_planes:
            # The wanted track's pixel is the only one.
            chosen[:, plane] = hits[:, plane].argmax(axis=1)
            continue
        line = _fit(centers[chosen[:, :plane]])
        chosen[:, plane] = _nearest(line[0] + line[1] * plane, hits[:, plane], centers)
    for _ in range(REFITS):
        start, slope = _fit(centers[chosen])
        for plane in range(toy.seed_planes, n_planes):
            chosen[:, plane] = _nearest(start + slope * plane, hits[:, plane], centers)
    return chosen


def _centers(toy: ToyOptions) -> Floats:
    """Centres of the pixels of a plane (pixels, 1 or 2)."""
    axes = np.meshgrid(*[np.arange(side) + 0.5 for side in toy.plane_shape], indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def _fit(points: Floats) -> tuple[Floats, Floats]:
    """Start and slope (N, D) of the least-squares lines through points (N, K, D) of the first K planes."""
    planes = np.arange(points.shape[1], dtype=np.float64)
    away = planes - planes.mean()
    slope = np.einsum("k,nkd->nd", away, points) / np.sum(away**2)
    return points.mean(axis=1) - slope * planes.mean(), slope


def _nearest(crossing: Floats, hits: npt.NDArray[np.bool_], centers: Floats) -> Ints:
    """Pixel with a hit (N,) that is nearest to a crossing (N, D)."""
    square = np.sum((centers - crossing[:, None]) ** 2, axis=2)
    return np.asarray(np.where(hits, square, np.inf).argmin(axis=1), dtype=np.int64)
