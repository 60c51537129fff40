"""What the chain makes of clusters that were sent over the link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from smartpix.clusters import FlatClusters
from tracking.bench.dense_errors import difference, event_counts
from tracking.bench.events import Event
from tracking.bench.judgement import Judgement, judge, rates, resolutions
from tracking.chain import Chain
from tracking.finders.tracks import Tracks
from tracking.metrics import event_truth, score_edges

__all__ = ["Judged", "decoded_records", "differs", "judged_chain", "less"]


def decoded_records(clusters: ak.Array, decoded: FlatClusters, slices: Sequence[int]) -> ak.Array:
    """Cluster records of one event with the pixels of decoded clusters, in their order."""
    pixels: dict[str, npt.NDArray[Any]] = {"row": decoded.row, "column": decoded.column}
    pixels |= {f"charge_{s:02d}": decoded.charge[:, k] for k, s in enumerate(slices)}
    return ak.with_field(clusters, ak.unflatten(ak.zip(pixels), decoded.counts), "pixels")


@dataclass
class Judged:
    """What a chain made of the events so far."""

    n_edges: int = 0
    n_window: int = 0
    n_true: int = 0
    n_true_kept: int = 0
    judgements: list[Judgement] = field(default_factory=list)

    def numbers(self, magnet: float) -> dict[str, Any]:
        """``reduction`` (edges of the window over those of the cones), ``edge_efficiency`` (share of the
        findable particles' true edges that the cones keep), ``track_efficiency``, ``fake_rate``,
        ``fake_rate_central``, ``duplicate_rate``, ``n_findable``, ``n_tracks``, and 68 % half widths of the
        found findable particles' parameters: ``resolution_d0_um``, ``resolution_z0_um`` and so on.
        """
        found = rates(self.judgements)
        wide = resolutions(self.judgements, [j.matched() for j in self.judgements], magnet)
        return {
            "reduction": self.n_window / self.n_edges if self.n_edges else None,
            "edge_efficiency": self.n_true_kept / self.n_true if self.n_true else None,
            "track_efficiency": found.pop("efficiency"),
            **found,
            **{key: value for key, value in wide.items() if key.startswith("resolution_")},
        }

    def found(self) -> npt.NDArray[np.bool_]:
        """(P,) which of the findable particles of all events are found."""
        return np.concatenate([j.matched()[j.truth.findable] for j in self.judgements])


def judged_chain(
    chain: Chain, records: Sequence[ak.Record], seen_as: Callable[[int, ak.Array], ak.Array]
) -> Judged:
    """Events through a chain.

    Args:
        records: of the events, with truth.
        seen_as: gives the cluster records that the chain reads, of the event's number and its own.
    """
    result = Judged()
    for k, record in enumerate(records):
        clusters = record["clusters"]
        made = chain.event(k, seen_as(k, clusters))
        hits = made.hits
        truth = event_truth(
            clusters, record["particles"], hits.layer, frame=chain.header.detector.frame, cluster=hits.cluster,
            estimate=hits.estimate,
        )  # fmt: skip
        tracks: Tracks = replace(made.tracks, parameters=made.helices)
        result.judgements += judge([Event(clusters, hits, truth)], [tracks])
        result.n_edges += len(made.edges)
        result.n_window += len(chain.reference_edges(made))
        score = score_edges(truth, made.edges)
        result.n_true += score.n_wanted
        result.n_true_kept += score.n_found
    return result


def differs(one: Judged, other: Judged) -> dict[str, Any]:
    """Findable particles that one chain finds and another does not, on the same events.

    Returns:
        ``gained`` and ``lost`` particles, and ``p_value`` of McNemar's exact test: how likely a split as
        uneven, or more so, would be if each of these particles were as likely gained as lost.
    """
    found, before = one.found(), other.found()
    gained, lost = int(np.sum(found & ~before)), int(np.sum(~found & before))
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return {"gained": gained, "lost": lost, "p_value": p_value}


def less(one: Judged, other: Judged) -> dict[str, Any]:
    """One chain less another on the same events: :func:`tracking.bench.dense_errors.difference`."""
    nowhere = [np.zeros(len(j.truth.findable), dtype=bool) for j in one.judgements]
    counts = [event_counts(judged.judgements, nowhere) for judged in (one, other)]
    return difference(counts[0], counts[1], one.found(), other.found())
