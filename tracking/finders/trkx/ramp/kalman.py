"""A combinatorial Kalman filter for the RAMP tracking challenge, and the likeliest assignment of the hits.

The filter knows the law of the events (:class:`RampOptions`), momenta by several hypotheses each (a Gaussian
sum, R. Fruehwirth, Comput. Phys. Commun. 100 (1997) 1). A candidate's value is then the logarithm of its
hits' density as one track over that of as many tracks of one hit. The sum of the values is largest for the
likeliest partition of the event.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tracking.finders.trkx.ramp.assignment import assign
from tracking.finders.trkx.ramp.events import BEND, N_LAYERS, RADII, RampHits, n_pixels, scattering_angle
from tracking.finders.trkx.ramp.kalman_kernels import follow, path_values
from tracking.finders.trkx.ramp.options import KalmanOptions, RampOptions

__all__ = ["candidates", "kalman_clusters", "partition_value"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEVER = 1e-9
"""Least probability of a loss: where the events have none, a candidate without it is preferred, not alone."""


def kalman_clusters(hits: RampHits, options: KalmanOptions | None = None) -> Ints:
    """Clusters (N,) of an event's hits; a hit that no track takes is a cluster of its own.

    The order of the hits decides nothing.
    """
    options = options or KalmanOptions()
    order = np.lexsort((hits.phi, hits.layer))
    path, value = candidates(hits.layer[order], hits.phi[order], options)
    owner = assign(path, value, len(order))
    single = owner < 0
    owner[single] = len(path) + np.flatnonzero(single)
    clusters = np.empty(len(order), dtype=np.int64)
    clusters[order] = np.unique(owner, return_inverse=True)[1]
    return clusters


def candidates(layer: Ints, phi: Floats, options: KalmanOptions) -> tuple[Ints, Floats]:
    """Candidates of an event whose hits are in order of their circles.

    Returns:
        Hits (C, 9), -1 for none, and values (C,) above 0.
    """
    first = np.searchsorted(layer, np.arange(N_LAYERS + 1)).astype(np.int64)
    path, value = follow(phi, first, *_law(options, len(layer)), options.branches, options.max_chi2)
    return path, value


def partition_value(hits: RampHits, clusters: Ints, options: KalmanOptions | None = None) -> float:
    """Logarithm of an event's density as these clusters over that of its hits as a track each.

    The partition of the larger value is likelier.

    Args:
        clusters: (N,) labels from 0, each with one hit on a circle at most.
    """
    path = np.full((int(clusters.max(initial=-1)) + 1, N_LAYERS), -1, dtype=np.int64)
    path[clusters, hits.layer] = np.arange(len(clusters))
    path = path[np.any(path >= 0, axis=1)]
    return float(np.sum(path_values(path, hits.phi, *_law(options or KalmanOptions(), len(clusters)))))


def _law(options: KalmanOptions, n_hits: int) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Arguments ``prior`` to ``alone`` of :func:`tracking.finders.trkx.ramp.kalman_kernels.follow`.

    The number of tracks is taken from the number of hits.
    """
    events = options.events
    reach = (1 - events.stop) ** np.arange(N_LAYERS)
    n_tracks = max(n_hits / ((1 - events.inefficiency) * float(np.sum(reach))), 1.0)
    turn = BEND * float(scattering_angle(np.ones(1), events)[0])
    physics = [max(events.sigma_vertex, 1e-6), turn, 1 / (BEND * events.max_pt), 1 / (BEND * events.min_pt)]
    # Of a uniform distribution over the pixel.
    size = 2 * np.pi / n_pixels(events) / math.sqrt(12)
    return _prior(options, n_tracks), RADII, size, np.array(physics), *_losses(events, n_tracks)


def _prior(options: KalmanOptions, n_tracks: float) -> Floats:
    """Tracks, and mean and standard deviation of their curvatures (2 bins, 3), by hypothesis of momentum."""
    events = options.events
    edges = np.geomspace(events.min_pt, events.max_pt, options.bins + 1)
    share = np.diff(edges) / (edges[-1] - edges[0])
    # Of 1 / pT in a bin where pT is uniform.
    mean = np.log(edges[1:] / edges[:-1]) / np.diff(edges)
    sigma = np.sqrt(1 / (edges[1:] * edges[:-1]) - mean**2)
    half = np.stack([n_tracks * share / 2, mean / BEND, sigma / BEND], axis=1)
    return np.concatenate([half, half * [1, -1, 1]])


def _losses(events: RampOptions, n_tracks: float) -> tuple[Floats, Floats]:
    """Logarithms of the losses' probabilities, and of the density of tracks with one hit by its circle."""
    miss, stop = events.inefficiency, events.stop
    none = np.ones(N_LAYERS)
    for layer in range(N_LAYERS - 2, -1, -1):
        none[layer] = stop + (1 - stop) * miss * none[layer + 1]
    log_none = np.log(np.maximum(none, NEVER))
    losses = np.concatenate([np.log([1 - miss, max(miss, NEVER), 1 - stop]), log_none])
    density = math.log(n_tracks / (2 * math.pi))
    return losses, density + np.arange(N_LAYERS) * (losses[1] + losses[2]) + losses[0] + log_none
