"""The compiled loops: arrays in, arrays out. Callers validate; nothing here does.

Geometry used throughout: a helix through the beam line, signed curvature k (1/mm, counter-clockwise positive). At radius r the
azimuth has turned by asin(k r / 2) from the start, the path in the transverse plane is 2 asin(k r / 2) / k.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

__all__ = [
    "CURVATURE_PER_TESLA",
    "cone_edges",
    "grid_sort",
    "group_by",
    "grow_rows",
    "joint_test",
    "path_length",
    "update_cones",
    "window_edges",
]

CURVATURE_PER_TESLA = 0.299792458e-3
"""Curvature in 1/mm of a particle of pT = 1 GeV in 1 T."""

N_PHI = 256
"""Azimuthal bins of the candidate grid."""


@njit(cache=True, nogil=True)
def half_turn(curvature: float, radius: float) -> float:
    """asin(k r / 2), clipped where the circle does not reach the radius."""
    return float(math.asin(min(max(0.5 * curvature * radius, -0.999), 0.999)))


@njit(cache=True, nogil=True)
def path_length(curvature: float, radius: float) -> float:
    """Transverse path in mm from the beam line to the radius."""
    if abs(curvature * radius) < 1e-4:
        return radius
    return float(2 * half_turn(curvature, radius) / curvature)


@njit(cache=True, nogil=True)
def local_slopes(axes: Any, i: int, psi: float, cot_theta: float) -> Any:
    """cot alpha, cot beta and the local z component of the direction (cos psi, sin psi, cot theta) on hit i's module."""
    dx, dy = math.cos(psi), math.sin(psi)
    lx = axes[i, 0] * dx + axes[i, 1] * dy + axes[i, 2] * cot_theta
    ly = axes[i, 3] * dx + axes[i, 4] * dy + axes[i, 5] * cot_theta
    lz = axes[i, 6] * dx + axes[i, 7] * dy + axes[i, 8] * cot_theta
    if abs(lz) < 1e-3:
        lz = 1e-3
    return lx / lz, ly / lz, lz


@njit(cache=True, nogil=True)
def update_cones(
    position: Any, axes: Any, cot: Any, covariance: Any, sigma_z0: float, sigma_d0: float, sigma_curvature: float
) -> Any:
    """Posterior (cot theta, curvature, and covariance cc, ck, kk) of every hit, (N, 5)."""
    n = len(position)
    out = np.empty((n, 5))
    for i in range(n):
        x, y, z = position[i, 0], position[i, 1], position[i, 2]
        r = math.hypot(x, y)
        phi = math.atan2(y, x)
        # Prior: from the beam line, straight.
        c = z / r
        pc, pk = (sigma_z0 / r) ** 2, sigma_curvature**2
        a0, b0, lz = local_slopes(axes, i, phi, c)
        # Derivatives of (cot alpha, cot beta) by cot theta and by psi; d psi / d k = r / 2.
        dx, dy = -math.sin(phi), math.cos(phi)
        tz = axes[i, 6] * dx + axes[i, 7] * dy
        hac = (axes[i, 2] - a0 * axes[i, 8]) / lz
        hbc = (axes[i, 5] - b0 * axes[i, 8]) / lz
        hap = (axes[i, 0] * dx + axes[i, 1] * dy - a0 * tz) / lz
        hbp = (axes[i, 3] * dx + axes[i, 4] * dy - b0 * tz) / lz
        hak, hbk = 0.5 * r * hap, 0.5 * r * hbp
        # The impact parameter turns the direction by d0 / r.
        vp = (sigma_d0 / r) ** 2
        saa = covariance[i, 0] + hac * hac * pc + hak * hak * pk + hap * hap * vp
        sab = covariance[i, 1] + hac * hbc * pc + hak * hbk * pk + hap * hbp * vp
        sbb = covariance[i, 2] + hbc * hbc * pc + hbk * hbk * pk + hbp * hbp * vp
        det = saa * sbb - sab * sab
        iaa, iab, ibb = sbb / det, -sab / det, saa / det
        ra, rb = cot[i, 0] - a0, cot[i, 1] - b0
        gca, gcb = pc * (hac * iaa + hbc * iab), pc * (hac * iab + hbc * ibb)
        gka, gkb = pk * (hak * iaa + hbk * iab), pk * (hak * iab + hbk * ibb)
        out[i, 0] = c + gca * ra + gcb * rb
        out[i, 1] = gka * ra + gkb * rb
        out[i, 2] = max(pc - (gca * hac + gcb * hbc) * pc, 1e-12)
        out[i, 3] = -(gca * hak + gcb * hbk) * pk
        out[i, 4] = max(pk - (gka * hak + gkb * hbk) * pk, 1e-16)
    return out


@njit(cache=True, nogil=True)
def grid_sort(phi: Any, along: Any, low: float, width: float, n_along: int) -> Any:
    """Counting sort of a layer's hits into (along, phi) bins.

    Returns:
        order (N,) and start (n_along * N_PHI + 1,).
    """
    n = len(phi)
    cell = np.empty(n, dtype=np.int64)
    start = np.zeros(n_along * N_PHI + 1, dtype=np.int64)
    for i in range(n):
        p = min(int((phi[i] + math.pi) / (2 * math.pi) * N_PHI), N_PHI - 1)
        a = min(max(int((along[i] - low) / width), 0), n_along - 1)
        cell[i] = a * N_PHI + p
        start[cell[i] + 1] += 1
    for k in range(len(start) - 1):
        start[k + 1] += start[k]
    order = np.empty(n, dtype=np.int64)
    place = start.copy()
    for i in range(n):
        order[place[cell[i]]] = i
        place[cell[i]] += 1
    return order, start


@njit(cache=True, nogil=True)
def wrap(angle: float) -> float:
    """Angle in (-pi, pi]."""
    while angle > math.pi:
        angle -= 2 * math.pi
    while angle <= -math.pi:
        angle += 2 * math.pi
    return angle


@njit(cache=True, nogil=True)
def joint_test(
    i: int,
    j: int,
    position: Any,
    radius: Any,
    phi: Any,
    axes: Any,
    cot: Any,
    covariance: Any,
    inverse_z0: float,
    inverse_curvature: float,
    scattering: float,
    out: Any,
) -> float:
    """chi2 of the edge i -> j; fills out: curvature, cot theta, z0, four slope residuals in sigmas (a, b at each end).

    The circle through the beam line and both hits gives slope and curvature, far better than either cluster; each
    cluster's slopes are then compared with the edge's in its own frame and covariance.

    Args:
        inverse_z0, inverse_curvature: 1 / sigma of the two priors.
        scattering: of one layer, theta0^2 = scattering * k^2 / (1 + cot theta^2).
    """
    dphi = wrap(phi[j] - phi[i])
    chord = math.hypot(position[j, 0] - position[i, 0], position[j, 1] - position[i, 1])
    curvature = 2 * math.sin(dphi) / max(chord, 1e-3)
    s_i, s_j = path_length(curvature, radius[i]), path_length(curvature, radius[j])
    ds = s_j - s_i
    if ds < 1e-3:
        return 1e9
    cot_theta = (position[j, 2] - position[i, 2]) / ds
    z0 = position[i, 2] - cot_theta * s_i
    out[0], out[1], out[2] = curvature, cot_theta, z0
    chi2 = (z0 * inverse_z0) ** 2 + (curvature * inverse_curvature) ** 2
    theta2 = scattering * curvature * curvature / (1 + cot_theta * cot_theta)
    for end in range(2):
        h = j if end else i
        psi = phi[h] + half_turn(curvature, radius[h])
        a, b, _ = local_slopes(axes, h, psi, cot_theta)
        ra, rb = cot[h, 0] - a, cot[h, 1] - b
        # A kick by theta in either direction across (a, b, 1), seen in the slopes.
        kick = theta2 * (1 + a * a + b * b)
        caa = covariance[h, 0] + kick * (1 + a * a)
        cab = covariance[h, 1] + kick * a * b
        cbb = covariance[h, 2] + kick * (1 + b * b)
        det = caa * cbb - cab * cab
        chi2 += (ra * ra * cbb - 2 * ra * rb * cab + rb * rb * caa) / det
        out[3 + 2 * end] = ra / math.sqrt(caa)
        out[4 + 2 * end] = rb / math.sqrt(cbb)
    return float(chi2)


@njit(cache=True, nogil=True)
def grow_rows(values: Any, size: int) -> Any:
    """The rows of a 2-D array in a longer one."""
    wider = np.empty((size, values.shape[1]), dtype=values.dtype)
    wider[: len(values)] = values
    return wider


@njit(cache=True, nogil=True)
def cone_edges(
    sources: Any,
    targets: Any,
    position: Any,
    radius: Any,
    phi: Any,
    axes: Any,
    cot: Any,
    covariance: Any,
    state: Any,
    state_covariance: Any,
    barrel: bool,
    r_low: float,
    r_high: float,
    z_low: float,
    z_high: float,
    order: Any,
    start: Any,
    low: float,
    width: float,
    n_along: int,
    gate: float,
    cut: float,
    inverse_z0: float,
    inverse_curvature: float,
    sigma_d0: float,
    scattering: float,
    limit: int,
) -> Any:
    """Edges from the hits ``sources`` of one layer to the hits ``targets`` of another.

    For every source the cone gives a box on the target layer; the hits in the grid cells under it are tested jointly.

    Args:
        state, state_covariance: (N, 2) and (N, 3) of :func:`update_cones`.
        barrel, r_low ... z_high: kind and envelope of the target layer.
        order, start, low, width, n_along: grid of the targets, along z (barrel) or r (disk).
        gate: half width of the box in sigmas; cut: largest joint chi2.
        limit: stop after this many edges.

    Returns:
        pairs (E, 2), values (E, 8): chi2 and what :func:`joint_test` fills; and the number of pairs tested.
    """
    pairs = np.empty((1024, 2), dtype=np.int32)
    values = np.empty((1024, 8), dtype=np.float32)
    scratch = np.empty(7)
    n_edges = 0
    n_tested = 0
    for m in range(len(sources)):
        i = sources[m]
        r, z = radius[i], position[i, 2]
        c, k = state[i, 0], state[i, 1]
        sigma_c, sigma_k = math.sqrt(state_covariance[i, 0]), math.sqrt(state_covariance[i, 2])
        c_low, c_high = c - gate * sigma_c, c + gate * sigma_c
        if barrel:
            far_low, far_high = r_low, r_high
            reach = r_high * 1.1 - r
            near = max(r_low - r, 0.0)
            along_low = z + min(c_low * near, c_low * reach)
            along_high = z + max(c_high * near, c_high * reach)
        else:
            # Radius where the ray meets the disk: steeper rays meet it closer in.
            dz_low, dz_high = z_low - z, z_high - z
            if dz_low > 0:
                steep, flat = c_high, c_low
                near_dz, far_dz = dz_low, dz_high
            else:
                steep, flat = -c_low, -c_high
                near_dz, far_dz = -dz_high, -dz_low
            if steep <= 1e-6:
                continue
            along_low = r + near_dz / steep * 0.9
            along_high = r + far_dz / flat if flat > 1e-6 else r_high
            far_low, far_high = max(along_low, r), min(along_high, r_high)
            if far_low > r_high:
                continue
        # Azimuth at the ends of the radius range and of the curvature range.
        k_low, k_high = k - gate * sigma_k, k + gate * sigma_k
        turn_low, turn_high = 1e9, -1e9
        for kk in (k_low, k_high):
            at_source = half_turn(kk, r)
            for rr in (far_low, far_high):
                turn = half_turn(kk, rr) - at_source
                turn_low, turn_high = min(turn_low, turn), max(turn_high, turn)
        slack = gate * sigma_d0 * max(1.0 / r - 1.0 / far_high, 0.0) + 1e-4
        phi_low, phi_high = phi[i] + turn_low - slack, phi[i] + turn_high + slack

        a_first = min(max(int((along_low - low) / width), 0), n_along - 1)
        a_last = min(max(int((along_high - low) / width), 0), n_along - 1)
        p_first = int(math.floor((phi_low + math.pi) / (2 * math.pi) * N_PHI))
        p_last = int(math.floor((phi_high + math.pi) / (2 * math.pi) * N_PHI))
        if p_last - p_first >= N_PHI:
            p_last = p_first + N_PHI - 1
        for a in range(a_first, a_last + 1):
            for p in range(p_first, p_last + 1):
                cell = a * N_PHI + p % N_PHI
                for q in range(start[cell], start[cell + 1]):
                    j = targets[order[q]]
                    n_tested += 1
                    chi2 = joint_test(
                        i, j, position, radius, phi, axes, cot, covariance, inverse_z0, inverse_curvature, scattering, scratch
                    )
                    if chi2 > cut:
                        continue
                    if n_edges == len(pairs):
                        pairs = grow_rows(pairs, 2 * n_edges)
                        values = grow_rows(values, 2 * n_edges)
                    pairs[n_edges, 0], pairs[n_edges, 1] = i, j
                    values[n_edges, 0] = chi2
                    for v in range(7):
                        values[n_edges, 1 + v] = scratch[v]
                    n_edges += 1
                    if n_edges > limit:
                        return pairs[:n_edges], values[:n_edges], n_tested
    return pairs[:n_edges].copy(), values[:n_edges].copy(), n_tested


@njit(cache=True, nogil=True)
def window_edges(
    sources: Any,
    targets: Any,
    z: Any,
    radius: Any,
    phi: Any,
    order: Any,
    start: Any,
    low: float,
    width: float,
    n_along: int,
    max_curvature: float,
    max_z0: float,
    r_high: float,
    limit: int,
) -> Any:
    """Edges of the reference window: |dphi| of the softest track, straight line to |z0| within bounds, (E, 2)."""
    pairs = np.empty((4096, 2), dtype=np.int32)
    n_edges = 0
    for m in range(len(sources)):
        i = sources[m]
        r = radius[i]
        at_source = half_turn(max_curvature, r)
        widest = half_turn(max_curvature, r_high) - at_source
        p_first = int(math.floor((phi[i] - widest + math.pi) / (2 * math.pi) * N_PHI))
        p_last = int(math.floor((phi[i] + widest + math.pi) / (2 * math.pi) * N_PHI))
        if p_last - p_first >= N_PHI:
            p_last = p_first + N_PHI - 1
        for a in range(n_along):
            for p in range(p_first, p_last + 1):
                cell = a * N_PHI + p % N_PHI
                for q in range(start[cell], start[cell + 1]):
                    j = targets[order[q]]
                    dr = radius[j] - r
                    if dr <= 0:
                        continue
                    if abs(z[i] - (z[j] - z[i]) / dr * r) > max_z0:
                        continue
                    if abs(wrap(phi[j] - phi[i])) > half_turn(max_curvature, radius[j]) - at_source:
                        continue
                    if n_edges == len(pairs):
                        pairs = grow_rows(pairs, 2 * n_edges)
                    pairs[n_edges, 0], pairs[n_edges, 1] = i, j
                    n_edges += 1
                    if n_edges > limit:
                        return pairs[:n_edges]
    return pairs[:n_edges].copy()


@njit(cache=True, nogil=True)
def group_by(key: Any, n_keys: int) -> Any:
    """Counting sort: rows in the order of their key, and where each key starts (n_keys + 1,)."""
    start = np.zeros(n_keys + 1, dtype=np.int64)
    for e in range(len(key)):
        start[key[e] + 1] += 1
    for h in range(n_keys):
        start[h + 1] += start[h]
    rows = np.empty(len(key), dtype=np.int64)
    place = start.copy()
    for e in range(len(key)):
        rows[place[key[e]]] = e
        place[key[e]] += 1
    return rows, start
