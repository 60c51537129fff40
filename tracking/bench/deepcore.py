"""DeepCore's seeds alone, in the jets of the chain's tracks: how many are right, how near, how long they
take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from smartpix.clusters import flatten
from tracking.bench.events import Event
from tracking.finders.clock import processor_time, stage_time
from tracking.finders.deepcore.finder import DeepCoreFinder
from tracking.finders.deepcore.jets import Jets
from tracking.finders.deepcore.report import SeedCounts
from tracking.finders.deepcore.targets import particle_crossings
from tracking.finders.finder import FinderInput
from tracking.finders.gnn.finder import GraphFinder, GraphSearch
from tracking.finders.training import n_parameters
from tracking.metrics import pseudorapidity, seed_labels

__all__ = ["PUBLISHED", "cone_seeds", "deepcore_seeds"]

PUBLISHED = {
    "core_um": 44.0, "core_angle": 2e-3, "fakes_less": 0.6, "seeding_s": 2.5, "seeding_s_before": 16.6,
}  # fmt: skip
"""Of CMS, on CMS's events: the residuals' widths, fewer fakes by this share, and the time of an event's
seeding with and without DeepCore.
"""


CORE = 0.05
"""Distance from a jet's axis, in pseudorapidity and azimuth, within which seeds of cones are its own."""


def deepcore_seeds(finder: DeepCoreFinder, events: Sequence[Event]) -> dict[str, Any]:
    """Seeds of events, found without their truth and compared with it.

    Returns:
        ``parameters`` of the network; what :func:`tracking.finders.deepcore.report.seed_report` gives, but
        about the jets of the first pass's tracks; ``ms`` of processor time of an event, from these tracks and
        the pixels that the estimates have read to the seeds' hits; ``n_jets``; and ``cones``:
        :func:`cone_seeds` in the same jets, None where the first pass has no cones. A fake is another thing
        in each: a seed of DeepCore is one where no particle is within five of its uncertainties, in position
        and in angles.
    """
    counts, slices = SeedCounts(finder.options.seeds), (finder.slice,)
    ms, jets = [], []
    with processor_time():
        now = stage_time()
    for event in events:
        # The estimates have read the pixels already, as in the comparison of finders.
        flat = flatten(event.clusters, slices)
        given = FinderInput(event.clusters, event.hits, finder.layers.detector, finder.field, flat, slices)
        tracks = finder.first(given)
        started = now()
        found = finder.find(given, tracks)
        ms.append(1e3 * (now() - started))
        jets.append(found.jets)
        crossings = particle_crossings(event.clusters, finder.layers)
        counts.add(finder.network, found.windows, found.seeds, crossings, finder.targets)
    first = finder.first
    return {
        "parameters": n_parameters(finder.network),
        **counts.summary(),
        "ms": float(np.median(ms)) if ms else 0.0,
        "n_jets": counts.n_jets,
        "cones": cone_seeds(first.search, events, jets) if isinstance(first, GraphFinder) else None,
    }


def cone_seeds(search: GraphSearch, events: Sequence[Event], jets: Sequence[Jets]) -> dict[str, Any]:
    """Seeds of cones in jets: those whose first two hits point along the axis within :data:`CORE`.

    Returns:
        ``n_seeds`` and ``seed_fake_rate``, the share whose three hits are not of one particle, None without
        seeds; ``ms`` of processor time of an event, from its hits to all of its seeds, in jets or not.
    """
    ms, n_seeds, n_fake = [], 0, 0
    with processor_time():
        now = stage_time()
    for event, own in zip(events, jets, strict=True):
        started = now()
        seeds = search.seeds(event.hits, search.edges(event.hits)).hits
        ms.append(1e3 * (now() - started))
        along = event.hits.position[seeds[:, 1]] - event.hits.position[seeds[:, 0]]
        eta, phi = pseudorapidity(*along.T), np.arctan2(along[:, 1], along[:, 0])
        turn = (phi[:, None] - own.phi + np.pi) % (2 * np.pi) - np.pi
        inside = np.any(np.hypot(eta[:, None] - own.eta, turn) < CORE, axis=1)
        n_seeds += int(inside.sum())
        n_fake += int(np.sum(~seed_labels(event.truth, seeds[inside])))
    return {
        "n_seeds": n_seeds,
        "seed_fake_rate": n_fake / n_seeds if n_seeds else None,
        "ms": float(np.median(ms)) if ms else 0.0,
    }
