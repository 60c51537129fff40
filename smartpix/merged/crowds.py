"""How crowded it is around a cluster, and how likely particles merge there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import FAST, njit
from smartpix.geometry import Detector

__all__ = ["crowded", "expected_numbers"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_CELLS = 1 << 21
"""Cells of a module; with smaller ones than that, cells are larger than asked for."""


def crowded(
    module: npt.NDArray[np.int32], position: Floats, detector: Detector, cell: float, least: int
) -> tuple[Ints, Ints]:
    """Rows (R,) of clusters with at least so many others around them, rising, and how many (R,): in the four
    cells of a cluster's module that are nearest to it.

    Two cells a side, they hold the square of a cell a side around the cluster, and more.

    Args:
        module: (C,) rows of the detector's modules; position: (C, 2) or wider, its first two columns x and y
            on the module in mm.
        cell: side of the square cells in mm.
        least: others that there must be, 0 or more.
    """
    half_x, half_y = float(detector.half_x.max()), float(detector.half_y.max())
    while _cells(half_x, cell) * _cells(half_y, cell) > MOST_CELLS:
        cell *= 2
    n_x, n_y = _cells(half_x, cell), _cells(half_y, cell)
    own, first = np.empty((2, len(module)), dtype=np.uint32)
    _cells_of(position, half_x, half_y, 1 / cell, n_y, own, first)
    count, (rows, n_near) = np.zeros(n_x * n_y, dtype=np.int32), np.empty((2, len(module)), dtype=np.int64)
    n = _find(module, own, first, n_y, least, count, rows, n_near)
    if n < 0:
        # Not module by module, as event files have them.
        order = np.argsort(module, kind="stable")
        found, n_near = crowded(module[order], position[order], detector, cell, least)
        rising = np.argsort(order[found])
        return order[found][rising], n_near[rising]
    return rows[:n].copy(), n_near[:n].copy()


def _cells(half: float, cell: float) -> int:
    """Along one side of a module, with one more at either end."""
    return int(2 * half / cell) + 3


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _from_edge(at: float, half: float) -> float:
    """Distance in mm from the edge of a module, or of the largest one; 0 beyond it."""
    at += half
    at = at if at > 0.0 else 0.0
    return at if at < 2 * half else 2 * half


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _cells_of(
    position: Any, half_x: float, half_y: float, per_mm: float, n_y: int, own: Any, first: Any
) -> None:
    """Fill the number (C,) of each cluster's own cell among those of its module, and of the first of the four
    nearest to it.
    """
    for c in range(len(own)):
        # There is a cell before the first. What is within half a cell is in this or in the next.
        x = _from_edge(position[c, 0], half_x) * per_mm + 0.5
        y = _from_edge(position[c, 1], half_y) * per_mm + 0.5
        first[c] = np.int32(x) * np.int32(n_y) + np.int32(y)
        own[c] = np.int32(x + 0.5) * np.int32(n_y) + np.int32(y + 0.5)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _find(module: Any, own: Any, first: Any, n_y: int, least: int, count: Any, rows: Any, n_near: Any) -> int:
    """Fill ``rows`` and ``n_near`` (C,); returns how many, or -1 where modules do not rise.

    One module after the other, so that the counts of its cells, all 0 before and after, stay in the cache.
    """
    n, low, across = 0, 0, np.uint32(n_y)
    while low < len(module):
        m, high, most = module[low], low, 0
        while high < len(module) and module[high] == m:
            count[own[high]] += 1
            most = max(most, count[own[high]])
            high += 1
        if high < len(module) and module[high] < m:
            return -1
        # In most modules no four cells can hold so many.
        if high - low > least and 4 * most > least:
            for c in range(low, high):
                k = first[c]
                k_next = k + across
                others = count[k] + count[k + np.uint32(1)] + count[k_next] + count[k_next + np.uint32(1)] - 1
                rows[n], n_near[n] = c, others
                n += others >= least
        for c in range(low, high):
            count[own[c]] = 0
        low = high
    return n


def expected_numbers(n_near: npt.NDArray[Any], cell: float, area: float) -> Floats:
    """(R, 3) probabilities that one, two, and three or more particles made clusters, before their pixels are
    looked at.

    Particles come to a module as the clusters around do, at random: of others than the first one in the area
    in which they merge with it the number is Poisson's.

    Args:
        n_near: (R,) of :func:`crowded`; cell: in mm; area: in which two particles merge, mm2.
    """
    mean = n_near * (area / (2 * cell) ** 2)
    none = np.exp(-mean)
    return np.stack([none, mean * none, -np.expm1(-mean) - mean * none], axis=1)
