"""Labelled sectors of simulated events, to train the trigger's network on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seeding.hits import Hits, estimated_hits
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tracking.finders.gnn.finder import GraphSearch
from tracking.finders.trigger.graphs import (
    EventGraph,
    SectorBatch,
    cone_graph,
    event_edges,
    geometric_edges,
    geometric_graph,
    sector_batch,
    trigger_search,
)
from tracking.finders.trigger.options import SectorOptions, TrainTriggerOptions, TriggerGraphOptions
from tracking.finders.trigger.sectors import Sectors, make_sectors
from tracking.metrics import EventTruth, edge_rows, event_truth

log = logging.getLogger(__name__)

__all__ = [
    "LabelledEvent", "SectorTensors", "as_tensors", "edge_particles", "event_graph", "labelled_events", "labelled_graph",
    "labelled_sectors", "sectors_of_files",
]  # fmt: skip


@dataclass(frozen=True)
class LabelledEvent:
    """An event's graph, its truth, and whose each edge is.

    Attributes:
        particle: (E,) row of the truth's particle whose true edge each edge is, -1 where it is none.
    """

    graph: EventGraph
    truth: EventTruth
    particle: npt.NDArray[np.int64]


@dataclass(frozen=True)
class SectorTensors:
    """Sectors as the network learns from them, (S, ...) each; as :class:`SectorBatch`, with labels.

    Attributes:
        label: (S, M) 1 for true edges; 0 for others and where padded.
    """

    node: Tensor
    edge: Tensor
    sender: Tensor
    receiver: Tensor
    valid: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What a network is given."""
        return self.node, self.edge, self.sender, self.receiver, self.valid

    def take(self, rows: Tensor) -> SectorTensors:
        """Some of the sectors."""
        return SectorTensors(*(getattr(self, column.name)[rows] for column in fields(self)))


def event_graph(
    search: GraphSearch, hits: Hits, options: TriggerGraphOptions, truth: EventTruth | None = None
) -> EventGraph:
    """The graph of one event.

    Args:
        truth: which a geometric graph with ``truth_pt`` needs.

    Raises:
        InputError: geometric edges of hits chosen by truth, without truth; or with features of the cone.
    """
    if options.graph == "cone":
        edges, found = event_edges(search, hits)
        return cone_graph(hits, edges, found, options.features)
    if options.features != "paper":
        raise InputError(
            f"trigger graph: geometric edges have no {options.features}; take features = paper, or graph = cone"
        )
    chosen = None
    if options.truth_pt > 0:
        if truth is None:
            raise InputError(
                "trigger graph: truth_pt leaves out hits by their true particles, and there is no truth; take "
                "truth_pt = 0"
            )
        pt = np.append(truth.pt, 0.0)[truth.main]
        chosen = np.flatnonzero(pt >= options.truth_pt)
    return geometric_graph(hits, geometric_edges(hits, search.pairs, options, chosen))


def edge_particles(graph: EventGraph, truth: EventTruth) -> npt.NDArray[np.int64]:
    """(E,) row of the particle whose true edge each edge of a graph is, -1 where it is none."""
    hits, inner = graph.hits, graph.graph
    rows = edge_rows(truth, hits[inner.source], hits[inner.target])
    return np.where(rows >= 0, np.append(truth.edge_particle, -1)[rows], -1)


def labelled_events(path: str | Path, options: TriggerGraphOptions) -> list[LabelledEvent]:
    """Graphs of a simulated file's events, each cluster being one hit.

    Raises:
        InputError: no truth, or no estimates for the sensor.
    """
    opened = open_events(path)
    if not opened.has_truth:
        raise InputError(f"{path}: has no truth to train on; give simulated files")
    header = opened.header.at_beam()
    estimator = choose_estimator(opened.header)
    search = trigger_search(header.detector, header.field, options)
    events = []
    for _, records in iterate(path, step=1):
        clusters, particles = records[0]["clusters"], records[0]["particles"]
        hits = estimated_hits(clusters, header, estimator)
        truth = event_truth(clusters, particles, hits.layer, frame=header.detector.frame)
        events.append(labelled_graph(search, hits, truth, options))
    return events


def labelled_graph(
    search: GraphSearch, hits: Hits, truth: EventTruth, options: TriggerGraphOptions
) -> LabelledEvent:
    """The graph of one event's hits with its truth.

    Raises:
        InputError: as :func:`event_graph`.
    """
    graph = event_graph(search, hits, options, truth)
    return LabelledEvent(graph, truth, edge_particles(graph, truth))


def labelled_sectors(
    event: LabelledEvent, options: SectorOptions
) -> tuple[Sectors, SectorBatch, npt.NDArray[np.bool_]]:
    """Sectors of an event, what the network reads of them, and (S, M) which edges are true."""
    sectors = make_sectors(event.graph.graph, options)
    label = sectors.valid & (np.append(event.particle, -1)[sectors.edge] >= 0)
    return sectors, sector_batch(event.graph, sectors, options), label


def as_tensors(events: Sequence[LabelledEvent], options: SectorOptions) -> SectorTensors:
    """Sectors of some events, one after the other."""
    made = [labelled_sectors(event, options)[1:] for event in events]
    names = [column.name for column in fields(SectorBatch)]
    columns = [np.concatenate([getattr(batch, name) for batch, _ in made]) for name in names]
    label = np.concatenate([label for _, label in made]).astype(np.float32)
    return SectorTensors(*(torch.from_numpy(column) for column in (*columns, label)))


def sectors_of_files(
    files: Sequence[Path], options: TrainTriggerOptions, report: Callable[[str], None] = log.info
) -> tuple[SectorTensors, SectorTensors]:
    """Sectors to train on, and those of each file's last events to report on.

    Raises:
        InputError: as :func:`labelled_events`; too few events, or edges of one kind only.
    """
    train: list[LabelledEvent] = []
    held: list[LabelledEvent] = []
    for path in files:
        events = labelled_events(path, options.graph)
        n_held = max(round(options.validation_share * len(events)), 1)
        train += events[: len(events) - n_held]
        held += events[len(events) - n_held :]
        n_edges = sum(len(event.particle) for event in events)
        report(f"{path}: {len(events)} events, {n_edges} edges")
    names = ", ".join(map(str, files))
    if not train:
        raise InputError(f"{names}: too few events to train on; one of the files needs at least 2")
    parts = as_tensors(train, options.sectors), as_tensors(held, options.sectors)
    for purpose, part in zip(("train on", "report on"), parts, strict=True):
        true, n_edges = int(part.label.sum()), int(part.valid.sum())
        if not 0 < true < n_edges:
            raise InputError(
                f"{names}: {true} of the {n_edges} edges to {purpose} are true, and edges of both kinds are "
                f"needed; give more events, or wider cones"
            )
    return parts
