"""Compiled: tracks of the RAMP challenge from circle to circle, as a sum of Gaussians over momentum.

A component is an azimuth phi on a circle, a lever D and a curvature k (1/mm), with their covariance and the
logarithm of its weight. D = r sin(a) - k r^2 / 2, with the angle a of the track to the radial direction, is
the same on all circles, and the track's distance from the beam. Only scattering changes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["N_STATE", "follow", "started", "stepped", "total_weight", "updated"]

N_STATE = 10
"""Numbers of a component: phi, D, k; their covariances pp, pD, pk, DD, Dk, kk; the weight's logarithm."""
PRUNED = 15.0
"""Components that are this much less likely, in logarithms, than the best one are left out."""
STEEPEST = 0.99
"""Largest sine of the angle to the radial direction: tracks that graze a circle are not followed."""


@njit(cache=True, nogil=True, error_model="numpy")
def total_weight(state: Any) -> Any:
    """Logarithm of the sum of the components' weights, for a state (J, 10)."""
    best = -np.inf
    for j in range(len(state)):
        best = max(best, state[j, 9])
    if best == -np.inf:
        return best
    total = 0.0
    for j in range(len(state)):
        total += np.exp(state[j, 9] - best)
    return best + np.log(total)


@njit(cache=True, nogil=True, error_model="numpy")
def scattered(state: Any, r: float, sigma: float, k_min: float, k_max: float) -> None:
    """Add a layer's scattering to a component; ``sigma`` is the angle times the radius of the bend."""
    k = min(max(abs(state[2]), k_min), k_max)
    sine = state[1] / r + state[2] * r / 2
    # The track turns by the angle; its lever changes with the cosine.
    state[6] += (sigma * k * r) ** 2 * max(1 - sine * sine, 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def started(state: Any, prior: Any, phi: float, layer: int, radii: Any, size: Any, physics: Any) -> None:
    """Set the components (J, 10) of a track whose first hit is on a circle.

    Args:
        state: to set.
        prior: (J, 3) tracks, and mean and standard deviation of their curvature, by component.
        phi: of the hit.
        layer: of the hit.
        radii: (L,) in mm.
        size: (L,) standard deviation of the hits' azimuths.
        physics: (4,) standard deviation of D, scattering times bend, least and largest curvature.
    """
    sigma_d, sigma, k_min, k_max = physics
    for j in range(len(state)):
        one = state[j]
        one[:] = 0.0
        one[0], one[2] = phi, prior[j, 1]
        one[3], one[6], one[8] = size[layer] ** 2, sigma_d**2, prior[j, 2] ** 2
        one[9] = np.log(prior[j, 0] / (2 * np.pi))
        for before in range(layer):
            scattered(one, radii[before], sigma, k_min, k_max)


@njit(cache=True, nogil=True, error_model="numpy")
def stepped(state: Any, layer: int, radii: Any, physics: Any) -> None:
    """Take the components (J, 10) from a circle to the next, with the scattering in the first."""
    _, sigma, k_min, k_max = physics
    r, s = radii[layer], radii[layer + 1]
    ratio = (s - r) / (s + r)
    for j in range(len(state)):
        if state[j, 9] == -np.inf:
            continue
        one = state[j]
        d, k = one[1], one[2]
        here, there = d / r + k * r / 2, d / s + k * s / 2
        if abs(here) > STEEPEST or abs(there) > STEEPEST:
            one[9] = -np.inf
            continue
        scattered(one, r, sigma, k_min, k_max)
        cos_here, cos_there = np.sqrt(1 - here * here), np.sqrt(1 - there * there)
        slope = np.tan((np.arcsin(here) + np.arcsin(there)) / 2)
        # The law of tangents in the triangle of the beam and the two crossings.
        one[0] += 2 * np.arctan(ratio * slope)
        by_middle = 2 * ratio * (1 + slope * slope) / (1 + (ratio * slope) ** 2)
        by_d = by_middle * (1 / (r * cos_here) + 1 / (s * cos_there)) / 2
        by_k = by_middle * (r / cos_here + s / cos_there) / 4
        pp, pd, pk, dd, dk, kk = one[3], one[4], one[5], one[6], one[7], one[8]
        one[3] = pp + 2 * (by_d * pd + by_k * pk) + by_d * by_d * dd + 2 * by_d * by_k * dk + by_k * by_k * kk
        one[4] = pd + by_d * dd + by_k * dk
        one[5] = pk + by_d * dk + by_k * kk


@njit(cache=True, nogil=True, error_model="numpy")
def _distance(a: float, b: float) -> float:
    """Difference of two azimuths, from -pi to pi."""
    return (a - b + np.pi) % (2 * np.pi) - np.pi


@njit(cache=True, nogil=True, error_model="numpy")
def updated(state: Any, phi: float, size: float) -> None:
    """Take a hit into the components (J, 10); their weights become those with its likelihood."""
    for j in range(len(state)):
        one = state[j]
        if one[9] == -np.inf:
            continue
        variance = one[3] + size * size
        off = _distance(phi, one[0])
        one[9] -= (off * off / variance + np.log(2 * np.pi * variance)) / 2
        gain_p, gain_d, gain_k = one[3] / variance, one[4] / variance, one[5] / variance
        pp, pd, pk = one[3], one[4], one[5]
        one[0] += gain_p * off
        one[1] += gain_d * off
        one[2] += gain_k * off
        one[3] -= gain_p * pp
        one[4] -= gain_p * pd
        one[5] -= gain_p * pk
        one[6] -= gain_d * pd
        one[7] -= gain_d * pk
        one[8] -= gain_k * pk
    best = state[:, 9].max()
    for j in range(len(state)):
        if state[j, 9] < best - PRUNED:
            state[j, 9] = -np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _gained(state: Any, phi: float, size: float, max_chi2: float) -> float:
    """Logarithm of the weight that a state would have with a hit; -inf beyond the gate of all components."""
    best, near = -np.inf, False
    for j in range(len(state)):
        if state[j, 9] > best:
            best = state[j, 9]
    total = 0.0
    for j in range(len(state)):
        if state[j, 9] < best - PRUNED:
            continue
        variance = state[j, 3] + size * size
        off = _distance(phi, state[j, 0])
        chi2 = off * off / variance
        near |= chi2 < max_chi2
        total += np.exp(state[j, 9] - best - chi2 / 2) / np.sqrt(2 * np.pi * variance)
    return best + np.log(total) if near and total > 0 else -np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def follow(
    phi: Any, first: Any, prior: Any, radii: Any, size: Any, physics: Any, losses: Any, alone: Any,
    branches: int, max_chi2: float,
) -> Any:  # fmt: skip
    """Candidates of an event: paths of hits on increasing circles that are likelier than single hits.

    From every hit the best ``branches`` paths are followed from circle to circle, with a hit there or
    without.

    Args:
        phi: (N,) azimuths of the hits, in the order of their circles.
        first: (L + 1,) first hit of each circle.
        prior, radii, size, physics: as for :func:`started`.
        losses: (3 + L,) logarithms of the probabilities of a hit, of none, of going on; and, by circle, of no
            hit after one there.
        alone: (L,) logarithm of the density of a track with one hit, by its circle.
        branches: paths followed at once.
        max_chi2: gate of a hit.

    Returns:
        The hits (C, L) of the candidates, -1 for none, and by how much the logarithm of their density is
        above that of their hits alone (C,), all above 0.
    """
    n_layers, n = len(radii), len(phi)
    seen, missed, on = losses[:3]
    most = 1
    for layer in range(n_layers):
        most = max(most, first[layer + 1] - first[layer])
    now = np.empty((branches, len(prior), N_STATE))
    then = np.empty_like(now)
    path, path_then = np.empty((branches, n_layers), np.int64), np.empty((branches, n_layers), np.int64)
    value, value_then = np.empty(branches), np.empty(branches)
    options = branches * (most + 1)
    parent, taken, worth = np.empty(options, np.int64), np.empty(options, np.int64), np.empty(options)
    most = n * branches * (n_layers - 1)
    found_path, found, n_found = np.empty((most, n_layers), np.int64), np.empty(most), 0
    for start_layer in range(n_layers):
        before = start_layer * (missed + on) + seen
        for start in range(first[start_layer], first[start_layer + 1]):
            started(now[0], prior, phi[start], start_layer, radii, size, physics)
            path[0] = -1
            path[0, start_layer] = start
            value[0] = before - alone[start_layer]
            n_now = 1
            for layer in range(start_layer + 1, n_layers):
                n_options = 0
                for b in range(n_now):
                    stepped(now[b], layer - 1, radii, physics)
                    weight = total_weight(now[b])
                    if weight == -np.inf:
                        continue
                    parent[n_options], taken[n_options] = b, -1
                    worth[n_options] = value[b] + weight + on + missed
                    n_options += 1
                    for h in range(first[layer], first[layer + 1]):
                        gained = _gained(now[b], phi[h], size[layer], max_chi2)
                        if gained > -np.inf:
                            parent[n_options], taken[n_options] = b, h
                            worth[n_options] = value[b] + gained + on + seen - alone[layer]
                            n_options += 1
                order = np.argsort(-worth[:n_options], kind="mergesort")[:branches]
                n_now = len(order)
                for b in range(n_now):
                    o = order[b]
                    then[b] = now[parent[o]]
                    path_then[b] = path[parent[o]]
                    if taken[o] < 0:
                        value_then[b] = value[parent[o]] + on + missed
                    else:
                        h = taken[o]
                        updated(then[b], phi[h], size[layer])
                        path_then[b, layer] = h
                        value_then[b] = value[parent[o]] + on + seen - alone[layer]
                        total = value_then[b] + total_weight(then[b]) + losses[3 + layer]
                        if total > 0:
                            found_path[n_found] = path_then[b]
                            found[n_found] = total
                            n_found += 1
                now, then = then, now
                path, path_then = path_then, path
                value, value_then = value_then, value
    return found_path[:n_found], found[:n_found]


@njit(cache=True, nogil=True, error_model="numpy")
def path_values(
    path: Any, phi: Any, prior: Any, radii: Any, size: Any, physics: Any, losses: Any, alone: Any
) -> Any:
    """Values (C,) of given paths (C, L), as :func:`follow` gives them, without its gates."""
    n_layers = len(radii)
    value = np.zeros(len(path))
    state = np.empty((len(prior), N_STATE))
    for c in range(len(path)):
        last, empty = -1, True
        for layer in range(n_layers):
            h = path[c, layer]
            if not empty:
                stepped(state, layer - 1, radii, physics)
            value[c] += losses[1] if h < 0 else losses[0] - alone[layer]
            value[c] += losses[2] if layer else 0.0
            if h < 0:
                continue
            if empty:
                started(state, prior, phi[h], layer, radii, size, physics)
            else:
                updated(state, phi[h], size[layer])
            last, empty = layer, False
        value[c] += total_weight(state) + losses[3 + last] - (n_layers - 1 - last) * (losses[1] + losses[2])
    return value
