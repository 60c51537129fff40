"""Compiled: pairs and triples of hits of a RAMP event, for its graph network."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["circles", "hit_pairs", "pair_triples"]


@njit(cache=True, nogil=True, error_model="numpy")
def hit_pairs(first: Any, phi: Any, window: Any) -> Any:
    """Pairs of hits on a circle and on one of the next, whose azimuths differ by less than a window.

    Args:
        first: (L + 1,) first hit of each circle.
        phi: (N,) azimuths, in the order of the circles.
        window: (S, L) largest difference by circles stepped over, from none, and by the inner circle.

    Returns:
        Hits (2, P), inner and outer, in the order of the inner one; and the differences (P,) of their
        azimuths.
    """
    n = 0
    pairs, turn = np.empty((2, 0), np.int64), np.empty(0)
    # First they are counted, then kept.
    for keep in (False, True):
        if keep:
            pairs, turn, n = np.empty((2, n), np.int64), np.empty(n), 0
        for layer in range(len(first) - 1):
            for h in range(first[layer], first[layer + 1]):
                for step in range(1, min(len(window) + 1, len(first) - 1 - layer)):
                    for other in range(first[layer + step], first[layer + step + 1]):
                        off = (phi[other] - phi[h] + np.pi) % (2 * np.pi) - np.pi
                        if abs(off) < window[step - 1, layer]:
                            if keep:
                                pairs[0, n], pairs[1, n], turn[n] = h, other, off
                            n += 1
    return pairs, turn


@njit(cache=True, nogil=True, error_model="numpy")
def pair_triples(pairs: Any, n_hits: int) -> Any:
    """Pairs of pairs (2, T): one ends at the hit where the other begins.

    Args:
        pairs: (2, P) hits, in the order of the inner ones.
        n_hits: hits of the event.
    """
    start = np.searchsorted(pairs[0], np.arange(n_hits + 1))
    total = 0
    for p in range(pairs.shape[1]):
        total += start[pairs[1, p] + 1] - start[pairs[1, p]]
    triples = np.empty((2, total), np.int64)
    n = 0
    for p in range(pairs.shape[1]):
        for q in range(start[pairs[1, p]], start[pairs[1, p] + 1]):
            triples[0, n], triples[1, n] = p, q
            n += 1
    return triples


@njit(cache=True, nogil=True, error_model="numpy")
def circles(r: Any, phi: Any, hit: Any) -> Any:
    """Circles through three hits.

    Args:
        r, phi: (N,) of the hits.
        hit: (3, T) hits, outward.

    Returns:
        Curvature in 1/mm, positive for tracks that turn counter-clockwise, and signed distance from the beam
        in mm, as in :mod:`tracking.finders.trkx.ramp.kalman_kernels` (2, T).
    """
    found = np.empty((2, hit.shape[1]))
    for t in range(hit.shape[1]):
        a, b, c = hit[0, t], hit[1, t], hit[2, t]
        # In a frame whose x axis goes through the middle hit.
        ax, ay = r[a] * np.cos(phi[a] - phi[b]), r[a] * np.sin(phi[a] - phi[b])
        bx = r[b]
        cx, cy = r[c] * np.cos(phi[c] - phi[b]), r[c] * np.sin(phi[c] - phi[b])
        # The circle is A (x^2 + y^2) + B x + C y + E = 0, by its determinants.
        aa, bb, cc = r[a] ** 2, r[b] ** 2, r[c] ** 2
        det_a = ax * (-cy) - ay * (bx - cx) + bx * cy
        det_b = -(aa * (-cy) - ay * (bb - cc) + bb * cy)
        det_c = aa * (bx - cx) - ax * (bb - cc) + (bb * cx - bx * cc)
        det_e = -(aa * bx * cy - ax * bb * cy + ay * (bb * cx - bx * cc))
        norm = np.sqrt(max(det_b**2 + det_c**2 - 4 * det_a * det_e, 1e-30))
        found[0, t] = 2 * det_a / norm
        found[1, t] = -det_e / norm
    return found
