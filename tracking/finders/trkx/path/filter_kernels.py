"""Helices carried from module to module, and a hit taken in: compiled loops, arrays in, arrays out. Callers
validate.

A helix is a point on a module, and there the azimuth of its direction, its slope dz/ds and its curvature
(1/mm, counter-clockwise positive), s being the transverse path. Its covariance is of (x, y on the module,
azimuth, slope, curvature), as in :mod:`seeding.cones`, whose cones of single hits paths start from.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.physics import PION_MASS
from smartpix.scattering import theta2_behind

__all__ = ["cross", "predict_pairs", "take_hits"]

STEPS = 12
"""Newton steps to a plane."""
LONGEST = 100.0
"""mm of one step: from a tangent along the plane the next step would lead to another turn."""
NEAR = 1e-7
"""mm: a crossing as near to the plane is one."""
FLAT = 1e-3
"""Turns (rad) below which sine and cosine are series."""
TIGHTEST = 30.0
"""1/GeV: a path of a larger curvature is thrown off."""
LEAST_SPEED = 1e-6
UPRIGHT = math.sqrt(0.5)
"""A module whose normal has less of the beam's direction stands along it
(:attr:`seeding.hits.Hits.upright`).
"""
LEAST_VARIANCE = 1e-24
FLATTEST = 0.02
"""Least cosine of the angle to a module's normal: along a module the path through it would have no end."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _moved(cos: float, sin: float, k: float, s: float) -> Any:
    """Step across the beam after the path s, its derivative by the curvature, and the heading there."""
    turn = k * s
    if abs(turn) < FLAT:
        a, b = s * (1 - turn * turn / 6), s * turn / 2 * (1 - turn * turn / 12)
        da, db = -s * s * turn / 3, s * s / 2 * (1 - turn * turn / 4)
        along, across = 1 - turn * turn / 2, turn * (1 - turn * turn / 6)
    else:
        along, across = math.cos(turn), math.sin(turn)
        a, b = across / k, (1 - along) / k
        da, db = (s * along - a) / k, (s * across - b) / k
    return (
        cos * a - sin * b, sin * a + cos * b, cos * da - sin * db, sin * da + cos * db,
        cos * along - sin * across, sin * along + cos * across,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def cross(point: Any, psi: float, slope: float, k: float, center: Any, normal: Any) -> Any:
    """Transverse path to the crossing of a plane, and whether it is reached."""
    cos, sin = math.cos(psi), math.sin(psi)
    ox, oy, oz = center[0] - point[0], center[1] - point[1], center[2] - point[2]
    s = math.sqrt(ox * ox + oy * oy)
    if ox * cos + oy * sin < 0:
        s = -s
    for _ in range(STEPS):
        dx, dy, _, _, tx, ty = _moved(cos, sin, k, s)
        left = normal[0] * (ox - dx) + normal[1] * (oy - dy) + normal[2] * (oz - slope * s)
        if abs(left) < NEAR:
            return s, True
        speed = normal[0] * tx + normal[1] * ty + normal[2] * slope
        if not abs(speed) > LEAST_SPEED:
            return s, False
        s += min(max(left / speed, -LONGEST), LONGEST)
    return s, False


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _arrive(
    point: Any, psi: float, slope: float, k: float, own: Any, s: float, target: Any, jacobian: Any
) -> Any:
    """Step to the crossing after the path s, the slopes on the target's module, and all derivatives.

    Args:
        own, target: (9,) axes of the module that the helix starts on, and of that which it comes to.
        jacobian: (5, 5) filled.
    """
    cos, sin = math.cos(psi), math.sin(psi)
    dx, dy, kx, ky, tx, ty = _moved(cos, sin, k, s)
    speed = target[6] * tx + target[7] * ty + target[8] * slope
    for j in range(5):
        if j < 2:
            mx, my, mz = own[3 * j], own[3 * j + 1], own[3 * j + 2]
        elif j == 2:
            mx, my, mz = -dy, dx, 0.0
        elif j == 3:
            mx, my, mz = 0.0, 0.0, s
        else:
            mx, my, mz = kx, ky, 0.0
        # The plane stops the helix somewhat before or after.
        on = -(target[6] * mx + target[7] * my + target[8] * mz) / speed
        mx, my, mz = mx + tx * on, my + ty * on, mz + slope * on
        for i in range(2):
            jacobian[i, j] = target[3 * i] * mx + target[3 * i + 1] * my + target[3 * i + 2] * mz
        jacobian[2, j] = k * on
        jacobian[3, j] = jacobian[4, j] = 0.0
    jacobian[2, 2] += 1.0
    jacobian[2, 4] += s
    jacobian[3, 3] = jacobian[4, 4] = 1.0
    alpha = (target[0] * tx + target[1] * ty + target[2] * slope) / speed
    beta = (target[3] * tx + target[4] * ty + target[5] * slope) / speed
    return (dx, dy, slope * s), alpha, beta


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _on_target(jacobian: Any, covariance: Any) -> Any:
    """Covariance of the crossing: xx, xy, yy."""
    xx, xy, yy = 0.0, 0.0, 0.0
    for i in range(5):
        for j in range(5):
            c = covariance[i, j]
            xx += jacobian[0, i] * c * jacobian[0, j]
            xy += jacobian[0, i] * c * jacobian[1, j]
            yy += jacobian[1, i] * c * jacobian[1, j]
    return xx, xy, yy


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _scattering(psi: float, slope: float, k2: float, normal: Any, material: Any) -> Any:
    """Variances of azimuth and slope that a module's material adds (PDG, eq. 34.16).

    Args:
        k2: mean square of the curvature: Highland's angle goes as 1 / p.
        normal: of the module; material: thicknesses of a cylinder's and of a disk's layer in radiation
            lengths, curvature of 1 GeV in 1/mm, and the largest 1/pT in 1/GeV that counts.
    """
    cylinder, disk, strength, softest = material
    thickness = cylinder if abs(normal[2]) < UPRIGHT else disk
    if thickness <= 0:
        return 0.0, 0.0
    stretch = 1 + slope * slope
    inverse2 = min(k2 / (strength * strength), softest * softest) / stretch
    inverse_beta2 = 1 + inverse2 * PION_MASS * PION_MASS
    cosine = abs(normal[0] * math.cos(psi) + normal[1] * math.sin(psi) + normal[2] * slope) / math.sqrt(
        stretch
    )
    through = thickness / max(cosine, FLATTEST)
    theta2 = theta2_behind(through, inverse2 * inverse_beta2, 1 / inverse_beta2)
    # An angle across the track turns the azimuth by it over sin(theta), and the slope by it over its square.
    return theta2 * stretch, theta2 * stretch * stretch


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def predict_pairs(
    position: Any, helix: Any, axes: Any, covariance: Any, rows: Any, center: Any, target: Any, material: Any,
    local: Any, spread: Any, path: Any, slopes: Any, reached: Any,
) -> None:  # fmt: skip
    """Where helices cross planes.

    Args:
        position, helix, axes, covariance: of the helices, (N, 3), (N, 3), (N, 9), (N, 5, 5), in front of the
            material of their modules; rows: (K,) of these; center, target: (K, 3) a point on each plane, and
            (K, 9) its axes.
        material: see :func:`_scattering`.
        local: (K, 2) filled with the crossing less the point, along the plane's axes; spread: (K, 3) with
            its covariance; path: (K,); slopes: (K, 2) on the plane; reached: (K,).
    """
    jacobian, behind = np.empty((5, 5)), np.empty((5, 5))
    for j in range(len(rows)):
        i = rows[j]
        psi, slope, k = helix[i, 0], helix[i, 1], helix[i, 2]
        s, good = cross(position[i], psi, slope, k, center[j], target[j, 6:])
        reached[j], path[j] = good, s
        if not good:
            continue
        step, slopes[j, 0], slopes[j, 1] = _arrive(
            position[i], psi, slope, k, axes[i], s, target[j], jacobian
        )
        for a in range(2):
            local[j, a] = 0.0
            for b in range(3):
                local[j, a] += target[j, 3 * a + b] * (position[i, b] + step[b] - center[j, b])
        behind[:] = covariance[i]
        turned, tilted = _scattering(psi, slope, k * k + behind[4, 4], axes[i, 6:], material)
        behind[2, 2] += turned
        behind[3, 3] += tilted
        spread[j, 0], spread[j, 1], spread[j, 2] = _on_target(jacobian, behind)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _slope_rows(psi: float, slope: float, target: Any, jacobian: Any, rows: Any) -> None:
    """Derivatives of the slopes on the target's module.

    Args:
        psi, slope: azimuth of the direction there, and dz/ds; jacobian: (5, 5) of :func:`_arrive`.
        rows: (4, 5), of which the last two are filled: dx/dz and dy/dz.
    """
    tx, ty = math.cos(psi), math.sin(psi)
    speed = target[6] * tx + target[7] * ty + target[8] * slope
    turned = -target[6] * ty + target[7] * tx
    for a in range(2):
        x, y, z = target[3 * a], target[3 * a + 1], target[3 * a + 2]
        ratio = (x * tx + y * ty + z * slope) / speed
        by_psi, by_slope = (-x * ty + y * tx - ratio * turned) / speed, (z - ratio * target[8]) / speed
        for j in range(5):
            rows[2 + a, j] = by_psi * jacobian[2, j] + by_slope * jacobian[3, j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _spread(rows: Any, n: int, covariance: Any, half: Any, total: Any) -> None:
    """Fill ``half`` (5, 4) with P H^T and ``total`` (4, 4) with H P H^T, of the first ``n`` rows."""
    for m in range(n):
        for a in range(5):
            half[a, m] = 0.0
            for b in range(5):
                half[a, m] += covariance[a, b] * rows[m, b]
    for m in range(n):
        for k in range(n):
            total[m, k] = 0.0
            for a in range(5):
                total[m, k] += rows[m, a] * half[a, k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _chi2(u: float, v: float, xx: float, xy: float, yy: float) -> float:
    """Of a residual with its covariance."""
    return (u * u * yy - 2 * u * v * xy + v * v * xx) / (xx * yy - xy * xy)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _factorised(matrix: Any, n: int) -> None:
    """Replace the lower triangle of the first ``n`` rows by the Cholesky factor."""
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(max(value, LEAST_VARIANCE)) if i == j else value / matrix[j, j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _solved(lower: Any, n: int, values: Any) -> None:
    """Replace the first ``n`` values by the solution of a lower-triangular system."""
    for i in range(n):
        for k in range(i):
            values[i] -= lower[i, k] * values[k]
        values[i] /= lower[i, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def take_hits(
    position: Any, helix: Any, axes: Any, covariance: Any, rows: Any, center: Any, target: Any, cot: Any, noise: Any,
    material: Any, repeats: int, outlier: float, doubt: float,
    new_position: Any, new_helix: Any, new_covariance: Any, good: Any,
) -> None:  # fmt: skip
    """Helices that know one hit more, on that hit's module, in front of its material.

    The update is iterated (A. H. Jazwinski, Stochastic Processes and Filtering Theory, 1970, section 8.3):
    with two hits the curvature may turn out to be far from what one hit said. With it changes how much the
    module before scattered.

    Args:
        position, helix, axes, covariance, rows, center, target, material: as :func:`predict_pairs`, the
            points being the hits'; cot: (K, 2) slopes of these; noise: (K, 4, 4) covariance of both, or (K,
            2, 2) of
            the points: then slopes are not read.
        repeats: linearisations of each update; outlier: chi2 of a hit above which its noise counts as so much
            larger that it has no more; doubt: chi2 of a hit's slopes above which they are not read.
        new_position, new_helix, new_covariance: (K, 3), (K, 3), (K, 5, 5) filled; good: (K,) filled, False
            where a helix does not come to the module: then it stays what it was.
    """
    jacobian, kept, behind = np.empty((5, 5)), np.empty((5, 5)), np.empty((5, 5))
    known, half, total, off = np.empty((4, 5)), np.empty((5, 4)), np.empty((4, 4)), np.empty(4)
    strength = material[2]
    shift, point = np.zeros(5), np.empty(3)
    for j in range(len(rows)):
        i = rows[j]
        own = axes[i]
        shift[:] = 0.0
        good[j] = True
        n = noise.shape[1]
        wide, k2 = 1.0, helix[i, 2] * helix[i, 2] + covariance[i, 4, 4]
        for repeat in range(repeats):
            for b in range(3):
                point[b] = position[i, b] + shift[0] * own[b] + shift[1] * own[3 + b]
            psi, slope, k = helix[i, 0] + shift[2], helix[i, 1] + shift[3], helix[i, 2] + shift[4]
            s, reached = cross(point, psi, slope, k, center[j], target[j, 6:])
            if not reached:
                good[j] = False
                break
            step, alpha, beta = _arrive(point, psi, slope, k, own, s, target[j], jacobian)
            behind[:] = covariance[i]
            turned, tilted = _scattering(psi, slope, k2, own[6:], material)
            behind[2, 2] += turned
            behind[3, 3] += tilted
            known[:2] = jacobian[:2]
            off[:2] = 0.0
            for b in range(3):
                left = center[j, b] - point[b] - step[b]
                off[0] += target[j, b] * left
                off[1] += target[j, 3 + b] * left
            if n == 4:
                _slope_rows(psi + k * s, slope, target[j], jacobian, known)
                off[2], off[3] = cot[j, 0] - alpha, cot[j, 1] - beta
            _spread(known, n, behind, half, total)
            if repeat == 0:
                # A hit far off, with an estimate that is wrong, must not throw the path off for good.
                wide = max(
                    _chi2(
                        off[0], off[1], total[0, 0] + noise[j, 0, 0], total[0, 1] + noise[j, 0, 1],
                        total[1, 1] + noise[j, 1, 1],
                    ) / outlier,
                    1.0,
                )  # fmt: skip
                # Of a cluster longer than the network's window even the sign of a slope may be wrong.
                if n == 4 and doubt < _chi2(
                    off[2], off[3], total[2, 2] + noise[j, 2, 2], total[2, 3] + noise[j, 2, 3],
                    total[3, 3] + noise[j, 3, 3],
                ):  # fmt: skip
                    n = 2
            for a in range(n):
                for b in range(n):
                    scale = math.sqrt((wide if a < 2 else 1.0) * (wide if b < 2 else 1.0))
                    total[a, b] += scale * noise[j, a, b]
                for b in range(5):
                    off[a] += known[a, b] * shift[b]
            # P - K S K^T is P - W W^T, and K r is W v, with W = P H^T C^-T and v = C^-1 r of the factor C of S.
            _factorised(total, n)
            _solved(total, n, off)
            for a in range(5):
                _solved(total, n, half[a])
                shift[a] = 0.0
                for b in range(n):
                    shift[a] += half[a, b] * off[b]
            gained = 0.0
            for b in range(n):
                gained += half[4, b] * half[4, b]
            k2 = (helix[i, 2] + shift[4]) ** 2 + max(covariance[i, 4, 4] - gained, 0.0)
        if good[j]:
            for b in range(3):
                point[b] = position[i, b] + shift[0] * own[b] + shift[1] * own[3 + b]
            psi, slope, k = helix[i, 0] + shift[2], helix[i, 1] + shift[3], helix[i, 2] + shift[4]
            for a in range(5):
                for b in range(5):
                    kept[a, b] = behind[a, b]
                    for d in range(n):
                        kept[a, b] -= half[a, d] * half[b, d]
            s, good[j] = cross(point, psi, slope, k, center[j], target[j, 6:])
            good[j] &= abs(k) < TIGHTEST * strength
        if not good[j]:
            new_position[j], new_helix[j], new_covariance[j] = position[i], helix[i], covariance[i]
            continue
        step, _, _ = _arrive(point, psi, slope, k, own, s, target[j], jacobian)
        for b in range(3):
            new_position[j, b] = point[b] + step[b]
        new_helix[j, 0], new_helix[j, 1], new_helix[j, 2] = psi + k * s, slope, k
        for a in range(5):
            for b in range(a, 5):
                c = 0.0
                for d in range(5):
                    row = 0.0
                    for e in range(5):
                        row += kept[d, e] * jacobian[b, e]
                    c += jacobian[a, d] * row
                new_covariance[j, a, b] = new_covariance[j, b, a] = c
