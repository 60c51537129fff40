"""Tracks in a table of the field, against helices in a uniform one: compiled loops, arrays in, arrays
out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import njit
from smartpix.field_kernels import FIELD_STEP, along_helix, field_at
from smartpix.physics import CURVATURE_PER_TESLA
from tracking.fit.helix import axis, crossing, dot, path_on_circle

__all__ = ["bent_away", "mean_strengths"]

POINTS = 16
"""Places on a track's chord where its field is looked up."""
FLATTEST = 1e-3
"""Sine of the polar angle: along the beam, below, nothing but Bz counts."""
STEPS = 5
"""Newton steps to a plane; from the helix's crossing two do."""
NEAR = 1e-7
"""mm from the plane."""
WEAKEST = 1e-3
"""Of a track's mean field, T: weaker ones would leave its momentum without any meaning."""


@njit(cache=True, nogil=True)
def _turned(rows: Any, vector: Any, out: Any) -> None:
    for i in range(3):
        out[i] = rows[i, 0] * vector[0] + rows[i, 1] * vector[1] + rows[i, 2] * vector[2]


@njit(cache=True, nogil=True)
def _field(table: Any, frame: Any, point: Any, there: Any, b: Any) -> float:
    """Field (T) at a point of the frame of the beam; its direction is filled into ``b``.

    Args:
        frame: (4, 3) the frame's axes as rows, and its origin; there: (3,) memory.
    """
    for i in range(3):
        there[i] = frame[3, i]
        for j in range(3):
            there[i] += frame[j, i] * point[j]
    size = field_at(table, there, b)
    there[:] = b
    _turned(frame, there, b)
    return float(size)


@njit(cache=True, nogil=True)
def mean_strengths(start: Any, hits: Any, status: Any, table: Any, frame: Any, strengths: Any) -> None:
    """Fill (T,) curvatures (1/mm) of 1 GeV in the mean field along each track's chord.

    The curvature of many points over a length is the second derivative weighted with s^2 (1 - s)^2, of
    the share s of the length: the component of the parabola (A. Savitzky, M. J. E. Golay, Anal. Chem. 36
    (1964) 1627).
    """
    point, there, b = np.empty(3), np.empty(3), np.empty(3)
    for t in range(len(strengths)):
        inner, outer = -1, -1
        low, high = math.inf, -1.0
        for k in range(start[t], start[t + 1]):
            if status[k] != 0:
                continue
            place = axis(hits, k, 0)
            far = dot(place, place)
            if far < low:
                inner, low = k, far
            if far > high:
                outer, high = k, far
        if inner < 0:
            strengths[t] = CURVATURE_PER_TESLA * _field(table, frame, np.zeros(3), there, b) * b[2]
            continue
        first, last = axis(hits, inner, 0), axis(hits, outer, 0)
        if inner == outer:
            first = (0.0, 0.0, 0.0)
        way = (last[0] - first[0], last[1] - first[1], last[2] - first[2])
        length, across = math.sqrt(dot(way, way)), math.sqrt(way[0] * way[0] + way[1] * way[1])
        total, weights = 0.0, 0.0
        for i in range(POINTS):
            s = (i + 0.5) / POINTS
            weight = (s * (1 - s)) ** 2
            for j in range(3):
                point[j] = first[j] + s * way[j]
            size = _field(table, frame, point, there, b)
            bends = b[2]
            if across > FLATTEST * length:
                bends -= way[2] * (b[0] * way[0] + b[1] * way[1]) / (across * across)
            total += weight * size * bends
            weights += weight
        mean = total / weights
        if not abs(mean) > WEAKEST:
            mean = math.copysign(WEAKEST, mean)
        strengths[t] = CURVATURE_PER_TESLA * mean


@njit(cache=True, nogil=True)
def bent_away(
    first_track: int, last_track: int, start: Any, hits: Any, status: Any, parameters: Any, strengths: Any,
    table: Any, frame: Any, shift: Any,
) -> None:  # fmt: skip
    """Fill (K, 4) how far tracks in a table of the field pass from their helices on the modules of their
    hits: x and y (mm) and both slopes.

    Both start at the tracks' closest approach to the axis. A hit whose module either does not reach gets
    0.

    Args:
        start, hits, status: see :func:`tracking.fit.kernels.fit_part`.
        parameters: (T, 5) d0, z0, phi, theta, q/p; strengths: (T,) curvature of 1 GeV of the helices,
            1/mm.
        table: see :func:`smartpix.field_kernels.field_at`; frame: see :func:`_field`.
    """
    point, heading, to, ahead = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    middle, there, b = np.empty(3), np.empty(3), np.empty(3)
    longest = 0
    for t in range(first_track, last_track):
        longest = max(longest, start[t + 1] - start[t])
    order, path = np.empty(longest, dtype=np.int64), np.empty(longest)
    for t in range(first_track, last_track):
        d0, z0, phi, theta, q = parameters[t]
        sine, cosine, cos, sin = math.sin(theta), math.cos(theta), math.cos(phi), math.sin(phi)
        helix = ((-d0 * sin, d0 * cos, z0), (cos, sin), sine, cosine, -q * strengths[t])
        found = 0
        for k in range(start[t], start[t + 1]):
            shift[k, :] = 0.0
            if status[k] == 2 or not sine > FLATTEST:
                continue
            guess = path_on_circle(helix[0], cos, sin, helix[4] / sine, hits[k, 0], hits[k, 1]) / sine
            s, _, _, reached = crossing(helix, guess, axis(hits, k, 0), axis(hits, k, 9))
            if not reached:
                continue
            i = found
            while i > 0 and path[i - 1] > s:
                order[i], path[i] = order[i - 1], path[i - 1]
                i -= 1
            order[i], path[i] = k, s
            found += 1
        for j in range(3):
            point[j] = helix[0][j]
        heading[0], heading[1], heading[2] = sine * cos, sine * sin, cosine
        before = 0.0
        for i in range(found):
            k = order[i]
            way = path[i] - before
            before = path[i]
            pieces = int(abs(way) / FIELD_STEP) + 1
            for _ in range(pieces):
                step = way / pieces
                for j in range(3):
                    middle[j] = point[j] + 0.5 * step * heading[j]
                bend = CURVATURE_PER_TESLA * q * _field(table, frame, middle, there, b)
                along_helix(point, heading, b, bend, step, to, ahead)
                point[:], heading[:] = to, ahead
            center, ex, ey, normal = axis(hits, k, 0), axis(hits, k, 3), axis(hits, k, 6), axis(hits, k, 9)
            bend = CURVATURE_PER_TESLA * q * _field(table, frame, point, there, b)
            good = False
            for _ in range(STEPS):
                off = (center[0] - point[0], center[1] - point[1], center[2] - point[2])
                left = dot(normal, off)
                slope = dot(normal, (heading[0], heading[1], heading[2]))
                if not abs(slope) > 1e-6:
                    break
                good = abs(left) < NEAR
                if good:
                    break
                along_helix(point, heading, b, bend, left / slope, to, ahead)
                point[:], heading[:] = to, ahead
            _, r, tangent, reached = crossing(helix, path[i], center, normal)
            if not (good and reached):
                continue
            apart = (point[0] - r[0], point[1] - r[1], point[2] - r[2])
            own = (sine * tangent[0], sine * tangent[1], cosine)
            theirs = (heading[0], heading[1], heading[2])
            shift[k, 0], shift[k, 1] = dot(ex, apart), dot(ey, apart)
            shift[k, 2] = dot(ex, theirs) / dot(normal, theirs) - dot(ex, own) / dot(normal, own)
            shift[k, 3] = dot(ey, theirs) / dot(normal, theirs) - dot(ey, own) / dot(normal, own)
