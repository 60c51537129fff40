"""Compiled: which helices cross a dead module (:mod:`seeding.holes`). Callers validate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit

__all__ = ["cross_modules"]

STRAIGHT = 1e-12
"""1/mm: curvatures below it are this, which bends nothing."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _crosses(
    point: Any, phi: float, at: float, k: float, cot: float, module: Any, is_barrel: bool, low: float, high: float
) -> bool:  # fmt: skip
    """Whether one helix crosses one module between two radii.

    Args:
        point: on the helix, at the azimuth ``phi``; at: half the angle that the helix has turned up to it.
        module: its centre (3), its axes x, y, z (9), and half lengths with their margins (2).
    """
    if is_barrel:
        r = math.sqrt(module[0] * module[0] + module[1] * module[1])
        sine = 0.5 * k * r
        if not abs(sine) < 1:
            return False
        half = math.asin(sine)
    else:
        if cot == 0:
            return False
        half = at + 0.5 * k * (module[2] - point[2]) / cot
        # Beyond a quarter turn of the chord the track comes back.
        if not abs(half) < 0.5 * math.pi:
            return False
        r = 2 * math.sin(half) / k
    if not low < r < high:
        return False
    azimuth = phi + half - at
    x, y = r * math.cos(azimuth) - module[0], r * math.sin(azimuth) - module[1]
    z = point[2] + 2 * cot * (half - at) / k - module[2]
    # The direction turns by twice the angle of the chord.
    c, s = math.cos(azimuth + half), math.sin(azimuth + half)
    along = c * module[9] + s * module[10] + cot * module[11]
    if along == 0:
        return False
    step = -(x * module[9] + y * module[10] + z * module[11]) / along
    x, y, z = x + step * c, y + step * s, z + step * cot
    u = x * module[3] + y * module[4] + z * module[5]
    v = x * module[6] + y * module[7] + z * module[8]
    return bool(abs(u) < module[12] and abs(v) < module[13])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def cross_modules(
    point: Any, curvature: Any, cot: Any, modules: Any, barrel: Any, layer: Any, wanted: Any, kind: Any, low: Any,
    high: Any,
) -> Any:  # fmt: skip
    """(N,) which helices cross a module of the layers that are wanted.

    Args:
        point: (N, 3), curvature, cot: (N,) of the helices; low, high: (N,) radii between which they cross.
        modules: (D, 15) of :class:`seeding.holes.DeadModules`; barrel, layer: (D,) of these, by layer.
        wanted: (K, L) layers; kind: (N,) row of each helix in it.
    """
    crossed = np.zeros(len(point), dtype=np.bool_)
    begin = np.zeros(wanted.shape[1] + 1, dtype=np.int64)
    for d in range(len(modules)):
        begin[layer[d] + 1] += 1
    for m in range(wanted.shape[1]):
        begin[m + 1] += begin[m]
    for i in range(len(point)):
        k, x, y = curvature[i], point[i, 0], point[i, 1]
        if abs(k) < STRAIGHT:
            k = STRAIGHT
        radius = math.sqrt(x * x + y * y)
        sine = 0.5 * k * radius
        if not abs(sine) < 1:
            continue
        phi, at, known = 0.0, 0.0, False
        for m in range(wanted.shape[1]):
            if not wanted[kind[i], m]:
                continue
            for d in range(begin[m], begin[m + 1]):
                # Most modules lie at another azimuth, which takes no arc to see.
                if x * modules[d, 0] + y * modules[d, 1] < modules[d, 14] * radius:
                    continue
                if not known:
                    phi, at, known = math.atan2(y, x), math.asin(sine), True
                if _crosses(point[i], phi, at, k, cot[i], modules[d], barrel[d], low[i], high[i]):
                    crossed[i] = True
                    break
            if crossed[i]:
                break
    return crossed
