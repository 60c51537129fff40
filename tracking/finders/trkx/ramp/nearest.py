"""The starting kit of the RAMP tracking challenge: the nearest free hit of the next circle.

After ``submissions/starting_kit`` of ramp-kits/HEP_tracking. What it finds depends on the order of the hits,
since tracks take hits from later ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from tracking.finders.trkx.ramp.events import N_LAYERS, RampHits
from tracking.finders.trkx.ramp.options import NearestOptions

__all__ = ["nearest_clusters"]


def nearest_clusters(hits: RampHits, options: NearestOptions | None = None) -> npt.NDArray[np.int64]:
    """Clusters (N,) of an event's hits, -1 for those of none.

    Every hit of the first circle starts a track. It goes on to the nearest free hit of each next circle that
    has hits, until none is free or it would turn too far.
    """
    options = options or NearestOptions()
    clusters: npt.NDArray[np.int64] = _nearest(hits.layer, hits.x, hits.y, N_LAYERS, options.min_cosine)
    return clusters


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest(layer: Any, x: Any, y: Any, n_layers: int, min_cosine: float) -> Any:
    n = len(layer)
    label = np.full(n, -1)
    occupied = np.zeros(n_layers, dtype=np.bool_)
    for h in range(n):
        occupied[layer[h]] = True
    track = 0
    for start in range(n):
        if layer[start] != 0:
            continue
        label[start] = track
        before, here = -1, start
        for following in range(1, n_layers):
            if not occupied[following]:
                continue
            best, least = -1, np.inf
            for h in range(n):
                if layer[h] == following and label[h] < 0:
                    distance = (x[h] - x[here]) ** 2 + (y[h] - y[here]) ** 2
                    if distance < least:
                        best, least = h, distance
            if best < 0:
                break
            if before >= 0:
                ax, ay = x[here] - x[before], y[here] - y[before]
                bx, by = x[best] - x[here], y[best] - y[here]
                if ax * bx + ay * by < min_cosine * np.sqrt((ax**2 + ay**2) * (bx**2 + by**2)):
                    break
            label[best] = track
            before, here = here, best
        track += 1
    return label
