"""Merged clusters: those that several particles made, and how many of them a particle has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tracking.metrics.truth import EventTruth

__all__ = ["is_merged", "merged_of_particles", "merged_rates"]

Ints = npt.NDArray[np.int64]


def is_merged(truth: EventTruth, n_clusters: int) -> npt.NDArray[np.bool_]:
    """(N,) clusters that two or more particles made."""
    return np.asarray(np.bincount(truth.hit, minlength=n_clusters) > 1)


def merged_of_particles(truth: EventTruth) -> Ints:
    """(P,) number of merged clusters of each particle."""
    merged = is_merged(truth, int(truth.hit.max(initial=-1)) + 1)
    return np.bincount(truth.particle[merged[truth.hit]], minlength=len(truth.particle_id))


def merged_rates(
    truths: Sequence[EventTruth],
    layers: Sequence[npt.NDArray[np.int32]],
    particles: Sequence[npt.NDArray[np.bool_]],
) -> dict[str, Any]:
    """How often clusters are merged, for some particles of each event.

    Args:
        layers: (N,) of the clusters of each event; particles: (P,) which count.

    Returns:
        ``per_particle``: mean number of merged clusters; ``particles``: share of particles that have one;
        ``n``: number of particles; ``by_layer``: share of the particles with a cluster on a layer whose
        cluster there is merged, by the number of the layer as in
        :attr:`smartpix.geometry.Detector.layer_index`.
    """
    total, with_one, n = 0, 0, 0
    on, merged_on = np.zeros(0), np.zeros(0)
    for truth, layer, chosen in zip(truths, layers, particles, strict=True):
        merged = is_merged(truth, len(layer))
        rows = chosen[truth.particle]
        numbers = merged_of_particles(truth)[chosen]
        total, with_one, n = total + int(numbers.sum()), with_one + int(np.sum(numbers > 0)), n + len(numbers)
        n_layers = max(int(layer.max(initial=-1)) + 1, len(on))
        counts = []
        for of in (rows, rows & merged[truth.hit]):
            # Once for each layer, on which a particle may have several clusters.
            pairs = np.unique(np.stack([truth.particle[of], layer[truth.hit[of]].astype(np.int64)]), axis=1)
            counts.append(np.bincount(pairs[1], minlength=n_layers).astype(float))
        on, merged_on = (np.pad(old, (0, n_layers - len(old))) for old in (on, merged_on))
        on, merged_on = on + counts[0], merged_on + counts[1]
    return {
        "n": n,
        "per_particle": total / max(n, 1),
        "particles": with_one / max(n, 1),
        "by_layer": {str(k): merged_on[k] / on[k] for k in range(len(on)) if on[k]},
    }
