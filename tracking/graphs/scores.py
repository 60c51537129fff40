"""Scores of a network of others, given back: our parts build and fit tracks from them, and our metrics
judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from smartpix.beam import BeamSpot
from smartpix.io.events import Header
from smartpix.schema import InputError
from tracking.chain import Chain, EventResult
from tracking.finders.gnn.columns import Columns
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES, Features
from tracking.finders.options import BuildOptions
from tracking.graphs.columns import truth_of
from tracking.graphs.files import read_graph
from tracking.graphs.manifest import read_manifest
from tracking.metrics import score_tracks
from tracking.options import RunOptions, from_mapping
from tracking.runs.sources import Sources
from tracking.runs.totals import Totals

__all__ = ["chain_of_graphs", "evaluate_scores", "event_from_scores", "scores_of_edges"]

Scores = npt.NDArray[np.float32]
ALL = slice(None)


@dataclass(frozen=True)
class GivenScores:
    """Scores in the network's place: an :class:`tracking.finders.gnn.finder.EdgeScorer`.

    Attributes:
        values: (E,) of all edges of one event.
    """

    values: Scores

    def scores(self, features: Features, n_edges: int, threads: int = 1) -> Scores:
        """(E,) what was given."""
        if n_edges != len(self.values):
            raise InputError(f"scores: there are {len(self.values)} and the event has {n_edges} edges")
        return self.values

    def outside(self, features: Features) -> npt.NDArray[np.int64]:
        """Zeros: nothing is known of a training."""
        return np.zeros(len(NODE_FEATURES) + len(EDGE_FEATURES), dtype=np.int64)


def scores_of_edges(edges: Edges, edge_index: npt.ArrayLike, scores: npt.ArrayLike) -> Scores:
    """(E,) scores of an event's edges, in their order.

    Args:
        edge_index: (2, K) rows of the hits, in any order, inner first or not; an edge that is there several
            times, as in undirected graphs, has the mean of its scores, and one that is not has 0.
        scores: (K,) between 0 and 1.

    Raises:
        InputError: other shapes, values beyond 0 and 1, or a pair of hits that is no edge.
    """
    pairs, values = np.asarray(edge_index), np.asarray(scores, dtype=np.float64)
    if pairs.ndim != 2 or len(pairs) != 2 or values.shape != pairs.shape[1:]:
        raise InputError(
            f"scores: edge_index has the shape {pairs.shape} and the scores {values.shape}; give (2, K) and (K,)"
        )
    if not np.all((values >= 0) & (values <= 1)):
        raise InputError("scores: must be from 0 to 1; give the sigmoid of a network's outputs")
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < edges.n_hits:
        raise InputError(f"scores: edge_index has rows beyond the event's {edges.n_hits} hits")
    width = edges.n_hits + 1
    own = edges.source.astype(np.int64) * width + edges.target
    order = np.argsort(own)
    place = np.full(len(values), -1, dtype=np.int64)
    for inner, outer in (pairs, pairs[::-1]):
        key = inner.astype(np.int64) * width + outer
        at = np.minimum(np.searchsorted(own[order], key), max(len(own) - 1, 0))
        found = own[order][at] == key if len(own) else np.zeros(len(key), dtype=bool)
        place[found] = order[at[found]]
    if np.any(place < 0):
        k = int(np.argmax(place < 0))
        raise InputError(
            f"scores: the hits {pairs[0, k]} and {pairs[1, k]} (column {k}) are no edge of this event; give rows "
            "of the exported graph's hits, of the same event and options"
        )
    count = np.bincount(place, minlength=len(edges))
    total = np.bincount(place, weights=values, minlength=len(edges))
    return np.asarray(total / np.maximum(count, 1), dtype=np.float32)


def event_from_scores(
    chain: Chain, record: ak.Record, edge_index: npt.ArrayLike, scores: npt.ArrayLike
) -> EventResult:
    """Tracks, fits and vertices of one event, from scores that another network gave to its exported edges.

    Args:
        chain: that the graphs were exported with (:func:`chain_of_graphs`).
        record: the event, as the event file has it.
        edge_index: (2, K); scores: (K,); see :func:`scores_of_edges`.

    Raises:
        InputError: as :func:`scores_of_edges`.
    """
    edges = chain.finder.search.edges(chain.pixel_hits(record["clusters"])[0])
    given = GivenScores(scores_of_edges(edges, edge_index, scores))
    finder = replace(chain.finder, network=given, second=None)
    return chain.event(int(record["event"]), record["clusters"], finder)


def chain_of_graphs(manifest: Mapping[str, Any], header: Header) -> Chain:
    """The chain that graphs were exported with, from their manifest and the header of their files."""
    run: RunOptions = from_mapping(RunOptions(), manifest["provenance"]["options"], "graphs.json")
    names = BeamSpot.__dataclass_fields__
    beam = BeamSpot(**{name: value for name, value in manifest["beam_spot"].items() if name in names})
    return Chain.for_header(header, run).at_beam(beam)


def evaluate_scores(
    folder: str | Path,
    score: Callable[[Columns], npt.ArrayLike],
    events: slice = ALL,
    build: BuildOptions | None = None,
) -> dict[str, Any]:
    """What tracks from another network's scores are worth: the summary that ``smartpix run`` writes.

    Args:
        folder: of ``smartpix export graphs``; the event files that it names must be where they were.
        score: called with the fields of a graph; gives (E,) scores of its ``edge_index``.
        events: which of the folder's graphs.
        build: options of the track building; None: those of the export.

    Raises:
        InputError: no such folder or files, or scores as :func:`scores_of_edges` refuses.
    """
    manifest, totals, chain = read_manifest(folder), Totals(), None
    with Sources() as sources:
        for row in manifest["graphs"][events]:
            number = int(row["file"].removeprefix("event").partition(".")[0])
            source = next(s for s in reversed(manifest["sources"]) if s["first"] <= number)
            reader = sources.reader(source["file"])
            if chain is None:
                chain = chain_of_graphs(manifest, reader.file.header)
                build = build or chain.options.build
                chain = replace(chain, options=replace(chain.options, build=build))
            at = number - source["first"]
            (record,) = next(iter(reader.events(1, at, at + 1)))
            graph = read_graph(Path(folder) / row["file"])
            result = event_from_scores(chain, record, graph["edge_index"], score(graph))
            truth = found = None
            totals.truth = reader.file.has_truth
            if reader.file.has_truth:
                truth = truth_of(chain, record, result.hits)
                found = score_tracks(truth, result.tracks.rows())
            totals.add(chain, result, record, chain.reference_edges(result), truth, found)
    return totals.summary()
