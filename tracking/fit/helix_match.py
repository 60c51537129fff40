"""Tracks of particles that nobody says the hits of: matching by helix.

Some events come with particles and hits, and without the word which hits are whose. A particle's production
point and momentum make a helix (uniform field, neither scattering nor energy loss), and hits of the particle
lie near it. Definitions beside those of :mod:`tracking.metrics`:

    near: a hit within a distance of the helix, which grows with the path as multiple scattering does.
    matched track: at least half of its hits are near, on at least half of the layers with near hits.
    findable: an accepted particle with near hits on at least 4 layers.
    unmatched: a track that matches no charged particle of the event, whatever its momentum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.compiled import njit
from smartpix.helix import curvatures
from smartpix.physics import HIGHLAND, PION_MASS
from tracking.fit.helix import advance, path_on_circle
from tracking.fit.options import HelixMatchOptions
from tracking.metrics import Particles

__all__ = ["HelixScore", "match_helices"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_PT = 0.05
"""GeV: softer particles reach no layer."""


@dataclass(frozen=True)
class HelixScore:
    """Matching of one event's tracks by helix.

    Attributes:
        particle: (T,) row of the matched particle, -1 for none.
        hit_fraction: (T,) share of the track's hits that are near its helix, 0 for none.
        n_layers: (P,) layers with near hits; counted for accepted particles, 0 for all others.
        findable: (P,) accepted, with near hits on enough layers.
        found: (P,) with a matched track.
    """

    particle: Ints
    hit_fraction: Floats
    n_layers: Ints
    findable: Bools
    found: Bools


def match_helices(
    hits: Hits,
    tracks: Sequence[Ints],
    particles: Particles,
    field: float,
    options: HelixMatchOptions | None = None,
) -> HelixScore:
    """Match tracks, as rows of the hits, to the particles whose helices they follow.

    Of several particles that a track follows, the one with the most near hits is taken, and then the one that
    they are nearest to on the mean. The layers of particles that are not accepted are not counted, so that
    half of a track's hits alone match it to one of these.

    Args:
        particles: in the frame of the hits.
        field: along z in T.
    """
    options = options or HelixMatchOptions()
    helix = _helices(particles, field)
    theta = _scattering(particles, options)
    reach = np.array([options.tolerance, options.scattering])
    charged = (particles.charge != 0) & (particles.pt > LEAST_PT)
    accepted = charged & particles.accepted
    n_layers = np.zeros(len(charged), dtype=np.int64)
    layer = hits.layer.astype(np.int64)
    rows = np.flatnonzero(accepted)
    n_layers[rows] = _layers_near(helix[rows], theta[rows], reach, hits.position, layer)
    start = np.concatenate([[0], np.cumsum([len(t) for t in tracks])]).astype(np.int64)
    on_tracks = np.concatenate([*tracks, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    rows = np.flatnonzero(charged)
    best, fraction = _best(
        helix[rows], theta[rows], reach, n_layers[rows], options.fraction, hits.position[on_tracks],
        layer[on_tracks], start,
    )  # fmt: skip
    particle = np.where(best >= 0, rows[np.maximum(best, 0)] if len(rows) else -1, -1)
    found = np.zeros(len(charged), dtype=bool)
    found[particle[particle >= 0]] = True
    return HelixScore(particle, fraction, n_layers, accepted & (n_layers >= options.min_layers), found)


def _helices(particles: Particles, field: float) -> Floats:
    """(P, 8): point, heading across the beam, sine and cosine of the polar angle, turn for each mm of
    path.
    """
    p = np.linalg.norm(particles.momentum, axis=1)
    pt = particles.pt
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [
            *particles.vertex.T, *(particles.momentum[:, :2] / pt[:, None]).T, pt / p,
            particles.momentum[:, 2] / p, curvatures(particles.charge, field, p),
        ]  # fmt: skip
    return np.stack(columns, axis=1)


def _scattering(particles: Particles, options: HelixMatchOptions) -> Floats:
    """(P,) standard deviation of the angle of multiple scattering (Highland without its logarithm), rad."""
    p = np.linalg.norm(particles.momentum, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = p / np.hypot(p, PION_MASS)
        return np.asarray(HIGHLAND / (beta * p) * np.sqrt(options.material * p / particles.pt))


@njit(cache=True, nogil=True, error_model="numpy")
def _distance(helix: Any, theta: float, reach: Any, point: Any) -> float:
    """Distance of a point from a helix, in units of what is allowed there; infinite behind its start."""
    dx, dy, dz = point[0] - helix[0], point[1] - helix[1], point[2] - helix[2]
    if dx * helix[3] + dy * helix[4] <= 0.0:
        return np.inf
    sine, w = helix[5], helix[7]
    start = (helix[0], helix[1], helix[2])
    s = path_on_circle(start, helix[3], helix[4], w / sine, point[0], point[1]) / sine
    allowed = reach[0] + reach[1] * theta * s
    # Near the beam a small angle is a long way along z, so what counts is the distance across the helix.
    if abs(dz - helix[6] * s) * sine > 2.0 * allowed + 1.0:
        return np.inf
    (x, y, z), (tx, ty) = advance((start, (helix[3], helix[4]), sine, helix[6], w), s)
    ox, oy, oz = point[0] - x, point[1] - y, point[2] - z
    along = sine * (ox * tx + oy * ty) + helix[6] * oz
    square = ox * ox + oy * oy + oz * oz - along * along
    return float(np.sqrt(max(square, 0.0)) / allowed)


@njit(cache=True, nogil=True, error_model="numpy")
def _layers_near(helix: Any, theta: Any, reach: Any, position: Any, layer: Any) -> Any:
    """(P,) layers with hits near helices."""
    n_layers = 0
    for h in range(len(layer)):
        n_layers = max(n_layers, layer[h] + 1)
    counts, seen = np.zeros(len(helix), dtype=np.int64), np.full(n_layers, -1)
    for p in range(len(helix)):
        for h in range(len(layer)):
            if seen[layer[h]] != p and _distance(helix[p], theta[p], reach, position[h]) <= 1.0:
                seen[layer[h]] = p
                counts[p] += 1
    return counts


@njit(cache=True, nogil=True, error_model="numpy")
def _best(
    helix: Any, theta: Any, reach: Any, n_layers: Any, least: float, position: Any, layer: Any, start: Any
) -> Any:
    """(T,) row of the helix that each track follows, -1 for none, and (T,) the share of its hits near it."""
    n_tracks = len(start) - 1
    best, fraction = np.full(n_tracks, -1), np.zeros(n_tracks)
    for t in range(n_tracks):
        low, high = start[t], start[t + 1]
        nearest = np.inf
        for p in range(len(helix)):
            near, on_layers, total, missed = 0, 0, 0.0, 0
            for h in range(low, high):
                d = _distance(helix[p], theta[p], reach, position[h])
                if d <= 1.0:
                    near += 1
                    total += d
                    new = True
                    for k in range(low, h):
                        # Hits on one layer follow each other, or nearly so; a track is short.
                        new &= layer[k] != layer[h] or (
                            _distance(helix[p], theta[p], reach, position[k]) > 1.0
                        )
                    on_layers += new
                else:
                    missed += 1
                    if missed > (1.0 - least) * (high - low):
                        break
            share = near / (high - low)
            if near == 0 or share < least or 2 * on_layers < n_layers[p]:
                continue
            mean = total / near
            if share > fraction[t] or (share == fraction[t] and mean < nearest):
                best[t], fraction[t], nearest = p, share, mean
    return best, fraction
