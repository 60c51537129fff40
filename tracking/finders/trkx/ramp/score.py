"""The score of the RAMP tracking challenge: the share of hits in the right clusters.

After ``ClusteringEfficiency`` of ramp-workflow, for all events at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tracking.finders.trkx.ramp.events import RampEvents, RampHits

__all__ = ["RampFinder", "clusters_of", "event_scores", "mean_score"]

Ints = npt.NDArray[np.int64]
RampFinder = Callable[[RampHits], Ints]
"""From the hits of an event to their clusters (N,): labels from 0, or -1 for hits of none."""


def clusters_of(finder: RampFinder, events: RampEvents) -> Ints:
    """Clusters (N,) of the hits of all events, each counted within its event."""
    found = [finder(events.hits(k)) for k in range(events.n_events)]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def event_scores(event: Ints, track: Ints, cluster: Ints) -> npt.NDArray[np.float64]:
    """Score of each event that has hits, in the order of their numbers.

    A track belongs to the cluster that most of its hits are in, the one of the lowest number if there are
    several. Of the tracks that belong to one cluster, the one with most hits there counts. The score is the
    sum of these hits over the event's hits.

    Args:
        event, track, cluster: (N,) of the hits; a negative cluster is none.
    """
    numbers, n_hits = np.unique(event, return_counts=True)
    score = np.zeros(len(numbers))
    placed = cluster >= 0
    rows = np.stack([np.searchsorted(numbers, event), track, cluster])[:, placed]
    if rows.shape[1] == 0:
        return score
    (of, track, cluster), count = np.unique(rows, axis=1, return_counts=True)
    # The first of each track, its cluster of most hits, stays.
    best = _first_of(of, track, order=np.lexsort((cluster, -count, track, of)))
    of, cluster, count = of[best], cluster[best], count[best]
    best = _first_of(of, cluster, order=np.lexsort((-count, cluster, of)))
    np.add.at(score, of[best], count[best])
    return score / n_hits


def _first_of(event: Ints, group: Ints, order: Ints) -> Ints:
    """Of rows in an order that sorts by event and group, the first of each group."""
    event, group = event[order], group[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (event[1:] != event[:-1]) | (group[1:] != group[:-1])
    return order[first]


def mean_score(scores: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean of the events' scores, and its standard error (0 for fewer than two events)."""
    n = len(scores)
    return float(np.mean(scores)), float(np.std(scores, ddof=1) / np.sqrt(n)) if n > 1 else 0.0
