"""What the network reads: of every hit that a path takes, and of the module that it comes to next.

All numbers are of order one, whatever the detector: logarithms of lengths, and residuals over the filter's
standard deviations. Lengths are counted in :data:`LENGTH`, widths in :data:`WIDTH`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from tracking.finders.trkx.path.filter import Crossings, PathStates, position_covariance

__all__ = ["N_HIT", "N_TARGET", "factor", "hit_features", "target_features", "whitened"]

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

N_HIT, N_TARGET = 17, 15
LENGTH, WIDTH = 30.0, 0.03
"""mm: about the distance of two layers, and the width of a cone there."""
LEAST = 1e-6
"""mm: widths below it are none."""
FARTHEST = 50.0
"""Residuals beyond so many standard deviations are all the same to the network."""


def factor(covariance: Floats) -> Floats:
    """(K, 3) lower-triangular Cholesky factors 00, 10, 11 of covariances (K, 3) xx, xy, yy."""
    x = np.sqrt(np.maximum(covariance[:, 0], LEAST**2))
    xy = covariance[:, 1] / x
    return np.stack([x, xy, np.sqrt(np.maximum(covariance[:, 2] - xy * xy, LEAST**2))], axis=1)


def whitened(local: Floats, cholesky: Floats) -> Floats:
    """(K, 2) in units in which the factor's covariance is one."""
    u = local[:, 0] / cholesky[:, 0]
    return np.stack([u, (local[:, 1] - cholesky[:, 1] * u) / cholesky[:, 2]], axis=1)


def _widths(covariance: Floats) -> list[Floats]:
    """Logarithms of both widths, and the correlation."""
    x, y = (np.sqrt(np.maximum(covariance[:, k], LEAST**2)) for k in (0, 2))
    return [np.log(x / WIDTH), np.log(y / WIDTH), covariance[:, 1] / (x * y)]


def _helix(states: PathStates, strength: float) -> list[Floats]:
    """Charge over pT with the width of it, and the slope, compressed."""
    q, sigma = states.helix[:, 2] / strength, np.sqrt(states.covariance[:, 4, 4]) / strength
    return [np.arcsinh(q), np.log(sigma + 1e-4), np.arcsinh(states.helix[:, 1])]


def _compressed(values: Floats) -> Floats:
    return np.arcsinh(np.clip(values, -FARTHEST, FARTHEST))


def hit_features(
    states: PathStates, hits: Hits, rows: Ints, taken: Crossings | None, strength: float
) -> Singles:
    """(K, N_HIT) of hits that paths have just taken.

    Args:
        states: (K,) of the paths with these hits; rows: (K,) of the hits; taken: how the paths came to the
            hits' modules before; None: these are the first hits.
        strength: curvature of 1 GeV in 1/mm.
    """
    n, noise = len(rows), position_covariance(hits, rows)
    sigma = np.linalg.norm(hits.estimate.cholesky[rows], axis=2)
    if taken is None:
        ray = np.einsum("nij,nj->ni", hits.axes[rows].reshape(-1, 3, 3), hits.position[rows])
        slopes, off, spread, path = ray[:, :2] / ray[:, 2:], np.zeros((n, 2)), noise, np.ones(n)
    else:
        total = taken.covariance + noise
        slopes, off, spread = taken.slopes, whitened(-taken.local, factor(total)), taken.covariance
        path = np.abs(taken.path)
    pulls = (hits.cot[rows] - slopes) / np.maximum(sigma[:, 2:], LEAST)
    columns = [
        *_compressed(off).T, *_widths(noise), *_widths(spread), *_compressed(pulls).T,
        np.log(sigma[:, 3] + 1e-3), np.log(path / LENGTH + 0.01), *_helix(states, strength),
        hits.upright[rows].astype(np.float64), np.full(n, float(taken is None)),
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def target_features(
    states: PathStates, hits: Hits, to: Ints, crossings: Crossings, count: Ints, strength: float
) -> Singles:
    """(K, N_TARGET) of the modules that paths may come to.

    Args:
        states: (K,) of the paths; to: (K,) rows of hits on the modules, of which the module alone is read;
            crossings: of the paths with them; count: (K,) hits that the paths have.
    """
    slopes = np.clip(crossings.slopes, -FARTHEST, FARTHEST)
    bent = states.helix[:, 2] * crossings.path
    # What a kick in the last module moves the crossing by, in the cone's widths, is mostly one.
    angle = np.sqrt(np.maximum(states.covariance[:, 2, 2], 1e-12))
    columns = [
        *_widths(crossings.covariance), np.log(np.abs(crossings.path) / LENGTH + 0.01), *np.arcsinh(slopes).T,
        *_helix(states, strength), np.arcsinh(10 * bent), np.log(angle) / 3, np.log(count.astype(np.float64)),
        hits.upright[to].astype(np.float64), (count == 1).astype(np.float64), (count == 2).astype(np.float64),
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)
