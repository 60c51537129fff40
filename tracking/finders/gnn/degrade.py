"""Detectors as they are: dead modules and clusters that no particle made, put into an event's hits for
training.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.geometry import Detector
from tracking.finders.gnn.options import DegradeOptions

__all__ = ["DegradeOptions", "dead_mask", "degraded"]


def dead_mask(detector: Detector, options: DegradeOptions, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(M,) which modules of an event are dead."""
    return rng.random(len(detector.layer_index)) < rng.uniform(0, options.dead_modules)


def degraded(
    hits: Hits, detector: Detector, options: DegradeOptions, rng: np.random.Generator
) -> tuple[Hits, npt.NDArray[np.int64]]:
    """Hits without those of some modules, and with copies of others at random places of random modules of
    their layer.

    Returns:
        The hits, and of each the row it had, -1 for those that were added.
    """
    dead = dead_mask(detector, options, rng)
    rows = np.flatnonzero(~dead[hits.module])
    # Copies look like real clusters, so that the network cannot tell them by their shape.
    copied = rng.choice(rows, int(rng.uniform(0, options.noise) * len(rows))) if len(rows) else rows
    together = hits.take(np.concatenate([rows, copied]))
    added = np.arange(len(rows), len(rows) + len(copied))
    # A module of the same layer, by the layers' lists of modules.
    by_layer = np.argsort(detector.layer_index, kind="stable")
    first = np.searchsorted(detector.layer_index[by_layer], together.layer[added])
    count = np.bincount(detector.layer_index)[together.layer[added]]
    module = by_layer[first + (rng.random(len(added)) * count).astype(np.int64)].astype(together.module.dtype)
    local = rng.uniform(-1, 1, (len(added), 2)) * np.stack([detector.half_x, detector.half_y], axis=1)[module]
    together.module[added] = module
    together.position[added] = detector.to_global(module, local)
    together.cluster[added] = int(hits.cluster.max(initial=-1)) + 1 + np.arange(len(added))
    together.axes[added] = np.swapaxes(detector.axes[module], 1, 2).reshape(-1, 9)
    return together, np.concatenate([rows, np.full(len(copied), -1, dtype=np.int64)])
