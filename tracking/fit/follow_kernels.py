"""Tracks followed outwards from layer to layer: compiled loops, arrays in, arrays out. Callers validate.

The filter of :mod:`tracking.fit.kalman`, the other way: from a track's innermost hit to its outermost,
and on. Its state is the deviation from the fitted helix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.scattering import theta2_behind
from tracking.fit.curvilinear import carried, derivatives, kicked, moved, sight, updated
from tracking.fit.helix import advance, axis, crossing, dot
from tracking.fit.kalman import behind, factor, prior
from tracking.fit.material import below, scattering
from tracking.fit.smoother import USED

__all__ = ["followed"]

STEPS = 10
"""Newton steps to a cylinder."""
WIDTHS = 4.0
"""Standard deviations of the prediction within which hits are looked at."""
BESIDE, ALONG = 6.0, 12.0
"""mm: how far besides; across the strips for modules that are turned or stand before the layer's middle, and
along them for half of a strip."""
DEPTH = 6.0
"""mm: of a layer's modules before or behind its middle; a flat track comes as far again for each unit of its
slope."""
HOLES = 2
"""Layers in a row that were crossed and have no hit, after which a track is followed no more."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _way_to(helix: Any, layer: Any, s: float) -> float:
    """Path to a layer from the path s on; infinite if it is not reached."""
    barrel, place, low, high, _ = layer
    if barrel == 0:
        cosine = helix[3]
        to = s + (place - advance(helix, s)[0][2]) / cosine if abs(cosine) > 1e-6 else np.inf
    else:
        to = s
        for _ in range(STEPS):
            r, t = advance(helix, to)
            outwards = helix[2] * (r[0] * t[0] + r[1] * t[1])
            if not outwards > 1e-3 * place:
                return np.inf
            step = (place * place - r[0] * r[0] - r[1] * r[1]) / (2 * outwards)
            to += step
            if abs(step) < 1e-3:
                break
    # "not <" also holds for what is no number. A track that comes back is not followed.
    if not s < to < s + math.pi / max(abs(helix[4]), 1e-9):
        return np.inf
    r = advance(helix, to)[0]
    other = r[2] if barrel else math.sqrt(r[0] * r[0] + r[1] * r[1])
    return to if low - ALONG < other < high + ALONG else np.inf


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _at(helix: Any, hit: Any, near: float, state: Any, surfaces: Any, scatter: Any) -> Any:
    """Deviation and covariance on a hit's module, its residual and covariance along N and V, how it is seen,
    and the path; and whether it is reached.

    Args:
        hit: place, axes and normal of the module, Cholesky factor; near: path near it.
        state: path, position, deviation and covariance where it was last; surfaces: cylinders and disks;
            scatter: strength, 1 / (beta p)^2 and beta^2.
    """
    center, ex, ey, normal, cholesky = hit
    before, far, x, p = state
    cylinders, disks = surfaces
    strength, momentum2, beta2 = scatter
    _, _, sine, cosine, w = helix
    s, r, t, reached = crossing(helix, near, center, normal)
    seen = sight(ex, ey, normal, t, sine, cosine)
    if reached and before < np.inf:
        rows = derivatives(helix, s - before, strength)
        x, p = moved(rows, x), carried(rows, p)
        way = (far[0] - r[0], far[1] - r[1], far[2] - r[2])
        chord = math.sqrt(dot(way, way))
        radius, far_radius = (
            math.sqrt(r[0] * r[0] + r[1] * r[1]),
            math.sqrt(far[0] * far[0] + far[1] * far[1]),
        )
        sums = scattering(
            (0.0, 0.0, 0.0), cylinders, below(cylinders, radius, 0), below(cylinders, far_radius, 0),
            (radius, far_radius), (r[2], far[2]), chord, momentum2, beta2,
        )  # fmt: skip
        sums = scattering(
            sums, disks, below(disks, r[2], 0), below(disks, far[2], 0), (r[2], far[2]), (radius, far_radius), chord,
            momentum2, beta2,
        )  # fmt: skip
        p = kicked(p, sums, dot(normal, way), (seen[6], seen[7], seen[8]), w * sine)
    off = (center[0] - r[0], center[1] - r[1], center[2] - r[2])
    measured = off[1] * t[0] - off[0] * t[1], off[2] * sine - (off[0] * t[0] + off[1] * t[1]) * cosine
    a, b, c, d = factor(cholesky, seen)
    return x, p, measured, (a * a + b * b, a * c + b * d, c * c + d * d), seen, s, r, reached


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _row(hits: Any, k: int) -> Any:
    return axis(hits, k, 0), axis(hits, k, 3), axis(hits, k, 6), axis(hits, k, 9), axis(hits, k, 12)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _best(
    helix: Any, layer: Any, near: float, state: Any, surfaces: Any, scatter: Any, strips: Any, begin: Any, first: int,
    cut: float,
) -> Any:  # fmt: skip
    """The strip hit of a layer with the smallest chi2 beside the track, -1 for none below ``cut``, and its
    chi2.

    Args:
        begin: where each bin of azimuth begins; first: the layer's first bin.
    """
    before, _, x, p = state
    _, _, sine, cosine, _ = helix
    barrel = layer[0]
    n_bins = int(layer[4])
    r, t = advance(helix, near)
    rows = derivatives(helix, near - before, scatter[0])
    x, p = moved(rows, x), carried(rows, p)
    place = (
        r[0] - t[1] * x[0] - t[0] * cosine * x[1],
        r[1] + t[0] * x[0] - t[1] * cosine * x[1],
        r[2] + sine * x[1],
    )
    radius = math.sqrt(place[0] * place[0] + place[1] * place[1])
    flat = abs(cosine) / sine if barrel else sine / max(abs(cosine), 1e-6)
    # What scattering adds on the way is small beside this, but for soft tracks.
    length = near - before
    theta2 = theta2_behind(0.05 + 0.1 * (not barrel), scatter[1], scatter[2])
    across = BESIDE + WIDTHS * math.sqrt(max(p[0], 0.0) + theta2 * length * length)
    along = ALONG + DEPTH * flat + WIDTHS * math.sqrt(max(p[5], 0.0) + theta2 * length * length) * (1 + flat)
    wanted = place[2] if barrel else radius
    phi = math.atan2(place[1], place[0])
    width = 2 * math.pi / n_bins
    low, high = (phi - across / radius + math.pi) / width, (phi + across / radius + math.pi) / width
    best, least = -1, cut
    for b in range(math.floor(low), min(math.floor(high), math.floor(low) + n_bins - 1) + 1):
        at = first + (b + n_bins) % n_bins
        for k in range(begin[at], begin[at + 1]):
            hx, hy, hz = axis(strips, k, 0)
            other = hz if barrel else math.sqrt(hx * hx + hy * hy)
            if not abs(other - wanted) < along:
                continue
            x, p, measured, noise, _, s, _, reached = _at(
                helix, _row(strips, k), near, state, surfaces, scatter
            )
            if reached and s > before:
                chi2 = updated(x, p, measured, noise)[5]
                if chi2 < least:
                    best, least = k, chi2
    return best, least


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def followed(
    start: Any, hits: Any, status: Any, parameters: Any, cylinders: Any, disks: Any, sensor: float, strength: float,
    momentum: float, mass: float, layers: Any, strips: Any, begin: Any, cut: float, chosen: Any, chi2: Any,
) -> None:  # fmt: skip
    """Find the strip hits of tracks.

    Args:
        start: (T + 1,) of the tracks; hits: (K, 15) see :func:`tracking.fit.kernels.gathered`, inner first;
            status: (K,) those that are used.
        parameters: (T, 5) fitted d0, z0, phi, theta, qop.
        cylinders, disks, sensor, strength, momentum, mass: see :func:`tracking.fit.kalman.filtered`.
        layers: (L, 5) cylinder (1) or disk (0), its radius or z, the range of the other one, bins of azimuth.
        strips: (S, 15) as ``hits``, sorted by layer and bin; begin: (bins + 1,) where each bin begins.
        cut: largest chi2.
        chosen: (T, L) filled with rows of ``strips``, -1 for none; chi2: (T, L) filled with theirs.
    """
    n_layers = len(layers)
    first = np.zeros(n_layers, dtype=np.int64)
    for n in range(1, n_layers):
        first[n] = first[n - 1] + int(layers[n - 1, 4])
    way, order = np.empty(n_layers), np.empty(n_layers, dtype=np.int64)
    surfaces = (cylinders, disks)
    for t in range(len(start) - 1):
        for n in range(n_layers):
            chosen[t, n] = -1
        d0, z0, phi, theta, qop = (
            parameters[t, 0], parameters[t, 1], parameters[t, 2], parameters[t, 3], parameters[t, 4]
        )  # fmt: skip
        sine, cosine = math.sin(theta), math.cos(theta)
        if not sine > 1e-6:
            continue
        heading = (math.cos(phi), math.sin(phi))
        helix = ((-d0 * heading[1], d0 * heading[0], z0), heading, sine, cosine, -qop * strength)
        q = qop if strength != 0 else 1 / momentum
        inverse = 1 + (q * mass) ** 2
        scatter = (strength, q * q * inverse, 1 / inverse)
        state = (np.inf, helix[0], (0.0, 0.0, 0.0, 0.0, 0.0), (0.0,) * 15)
        good, path = True, 0.0
        for k in range(start[t], start[t + 1]):
            if status[k] != USED:
                continue
            hit = _row(hits, k)
            dx, dy, dz = hit[0][0] - helix[0][0], hit[0][1] - helix[0][1], hit[0][2] - helix[0][2]
            near = math.sqrt(dx * dx + dy * dy + dz * dz)
            x, p, measured, noise, seen, s, r, reached = _at(helix, hit, near, state, surfaces, scatter)
            good &= reached and s > path
            if not good:
                break
            if state[0] == np.inf:
                p = prior(hit[4], seen, -qop * strength * sine, 1.0 if strength != 0 else 0.0)
            x, p, _, _, _, _ = updated(x, p, measured, noise)
            p = behind(p, theta2_behind(sensor / abs(seen[8]), scatter[1], scatter[2]))
            path, state = s, (s, r, x, p)
        if not good or state[0] == np.inf:
            continue
        n_reached = 0
        for n in range(n_layers):
            layer = (layers[n, 0], layers[n, 1], layers[n, 2], layers[n, 3], layers[n, 4])
            way[n] = _way_to(helix, layer, path)
            if way[n] < np.inf:
                i = n_reached
                while i > 0 and way[order[i - 1]] > way[n]:
                    order[i] = order[i - 1]
                    i -= 1
                order[i] = n
                n_reached += 1
        holes = 0
        for i in range(n_reached):
            n = order[i]
            layer = (layers[n, 0], layers[n, 1], layers[n, 2], layers[n, 3], layers[n, 4])
            best, least = _best(helix, layer, way[n], state, surfaces, scatter, strips, begin, first[n], cut)
            if best < 0:
                holes += 1
                if holes == HOLES:
                    break
                continue
            holes = 0
            chosen[t, n], chi2[t, n] = best, least
            x, p, measured, noise, seen, s, r, _ = _at(
                helix, _row(strips, best), way[n], state, surfaces, scatter
            )
            x, p, _, _, _, _ = updated(x, p, measured, noise)
            p = behind(p, theta2_behind(sensor / abs(seen[8]), scatter[1], scatter[2]))
            state = (s, r, x, p)
