"""The whole chain, event by event: clusters to estimates, cones, edges, scores, tracks, helices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath

import awkward as ak
import numpy as np
import numpy.typing as npt
import torch

from seeding.edges import Edges
from seeding.hits import Hits, estimated_hits
from seeding.kernels import search
from seeding.references import window
from seeding.seeds import Seeds
from smartpix.beam import BeamSpot
from smartpix.calibration import read_calibration
from smartpix.compiled import is_cold
from smartpix.estimate.base import Estimator
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.positions import PositionEstimator
from smartpix.field_map import read_field_map, same_table
from smartpix.io.events import EventFile, Header
from smartpix.layers import LayerPairs
from smartpix.merged.directions import Directions, choose_directions
from smartpix.merged.options import SplitOptions
from smartpix.merged.split import Splitter
from smartpix.merged.splitter import choose_splitter
from smartpix.notebook import span, words_and_table
from smartpix.schema import InputError
from smartpix.thumbnails import hit_maps
from tracking.chain_warnings import chain_warnings
from tracking.dead_modules import with_known_dead
from tracking.finders.clock import StageClock
from tracking.finders.finder import Finder
from tracking.finders.gnn import finder as graph_finder
from tracking.finders.gnn.finder import EdgeScorer, GraphFinder
from tracking.finders.gnn.fused import FusedInteractionNetwork, fuse_network
from tracking.finders.gnn.network import load_network, network_name
from tracking.finders.gnn.options import PASSES, WIDE
from tracking.finders.gravnet.network import GravNetScorer, load_gravnet
from tracking.finders.options import BuildOptions
from tracking.finders.tracks import Tracks
from tracking.fit.follow import Followed, follow_tracks
from tracking.fit.track_times import TrackTimes, track_times
from tracking.fit.tracks import Helices, fit_tracks
from tracking.fit.vertices import Vertices, find_vertices
from tracking.metrics import EventTruth, pileup_of, truth_of_hits
from tracking.options import RunOptions
from tracking.split_finder import split_finder

__all__ = [
    "FOLLOW",
    "STAGES",
    "WINDOW",
    "WORKING_POINTS",
    "Chain",
    "EventResult",
    "chain_finder",
    "gravnet_finder",
    "window_finder",
]

log = logging.getLogger(__name__)

FOLLOW = "follow"
"""The stage of detectors with strips."""
STAGES = (
    "estimate", "split", "hits", *graph_finder.STAGES, graph_finder.SECOND_PASS, "fit", "vertex", FOLLOW
)  # fmt: skip
MOST_DRAWN = 60
"""Tracks of an event in its thumbnail."""
WINDOW = RunOptions(graph="window", gnn="gnn-window")
"""The chain on the edges of the reference window, with the network that was trained on these."""
WORKING_POINTS: Mapping[str, RunOptions] = {
    "fastest": RunOptions(
        cone=replace(WIDE, min_pt=0.85, max_cot_theta=6.5),
        build=BuildOptions(min_track_score=0.65),
        split=SplitOptions(neighbours=5),
    ),
    "balanced": RunOptions(),
    "efficient": RunOptions(cone=replace(WIDE, quantile=0.99999)),
    "displaced": RunOptions(passes=PASSES),
    "unsplit": RunOptions(split=SplitOptions(mode="off")),
}
"""The chain at three points of time, efficiency and fakes, with its second pass, and with one hit of every
cluster; ``balanced`` are the defaults.

``fastest`` gives up particles below 0.85 GeV and beyond a pseudorapidity of 2.6, which no findable one is,
and with them half of the time; ACTS's fastest points do the same. A smaller quantile saves hardly any more
and costs efficiency at once. What is left of softer tracks at its edge makes fakes, which a larger mean score
leaves out. Clusters are split only where it is most crowded. ``efficient`` has cones for still rarer edges.
Lower scores in the building change neither efficiency nor fakes.
"""


@words_and_table
@dataclass(frozen=True)
class EventResult:
    """Everything the chain made of one event.

    Attributes:
        outside: (25,) of each feature, how many values are beyond the range that the graph network was
            trained in.
        ms: by stage, in milliseconds of wall time.
        followed: the tracks with their hits of strips, where the detector has some; all else is of pixels
            alone.
        times: of the tracks; None where clusters have none.
    """

    event: int
    hits: Hits
    edges: Edges
    seeds: Seeds
    scores: npt.NDArray[np.float32]
    tracks: Tracks
    helices: Helices
    vertices: Vertices
    outside: npt.NDArray[np.int64]
    ms: dict[str, float]
    followed: Followed | None = None
    times: TrackTimes | None = None

    @property
    def whole(self) -> EventResult | Followed:
        """What has the ``hits``, ``tracks`` and ``helices`` with all their hits, those of strips too."""
        return self.followed or self

    def in_words(self) -> dict[str, str]:
        """What was made, one line a step, and how long it took."""
        seeds = f"{len(self.seeds):,} seeds"
        return {
            "event": f"event {self.event}: {next(iter(self.hits.in_words().values()))}",
            "edges": f"{len(self.edges):,} edges of {self.edges.n_looked:,} candidates, {seeds}",
            "tracks": f"{len(self.tracks):,} tracks, pT {span(self.helices.pt, 'GeV')}",
            "vertices": f"{len(self.vertices):,} vertices, z {span(self.vertices.z, 'mm')}",
            "time": f"{sum(self.ms.values()):.3g} ms",
        }

    def thumbnails(self) -> str:
        """Hits and the stiffest tracks in z and r, and in x and y."""
        stiffest = np.argsort(-self.helices.pt, kind="stable")[:MOST_DRAWN]
        return hit_maps(self.hits.position, [self.tracks.nth(k) for k in stiffest])


@words_and_table
@dataclass(frozen=True)
class Chain:
    """The chain, set up for files of one detector.

    Attributes:
        header: of the files, with the detector in the frame of the beam. Hits, tracks, vertices and truth are
            in that frame.
        estimator: of the clusters' positions and directions; network: of the edges' scores.
        warnings: of what does not fit the files.
        splitter: tells which clusters give several hits; None: each gives one.
        directions: gives hits of the end-caps several possibilities of their direction; None: all have one.
    """

    header: Header
    options: RunOptions
    estimator: Estimator
    network: FusedInteractionNetwork
    warnings: tuple[str, ...] = ()
    splitter: Splitter | None = None
    directions: Directions | None = None

    def in_words(self) -> dict[str, str]:
        """Detector, field, and the parts."""
        options = self.options
        return {
            "detector": next(iter(self.header.detector.in_words().values())),
            "field": f"{self.header.field:g} T along z",
            "estimates": f"{type(self.estimator).__name__}, clusters split: {'yes' if self.splitter is not None else 'no'}",
            "graph": f"{options.graph} of quantile {options.cone.quantile:g}, network {PurePath(options.gnn).name}, "
            f"passes {', '.join(options.passes)}",
            "warnings": f"{len(self.warnings)}: {self.warnings[0]:.60}..." if self.warnings else "none",
        }

    def thumbnails(self) -> str:
        """The detector."""
        return self.header.detector.thumbnails()

    @classmethod
    def for_header(
        cls,
        header: Header | EventFile,
        options: RunOptions | None = None,
        report: Callable[[str], object] = log.warning,
    ) -> Chain:
        """Load what the detector and the options ask for; ``report`` is called with warnings.

        Args:
            header: of the files, or one of these.
            options: None: the defaults.

        Where the beam is to be found from the data, the chain is about that of the header as yet
        (:func:`tracking.beam_spot.chain_of_file`).

        Raises:
            InputError: no header, no estimates for this sensor, or weights that cannot be used.
        """
        header, options = header.header if isinstance(header, EventFile) else header, options or RunOptions()
        if not isinstance(header, Header):
            raise InputError(
                f"Chain.for_header: expected the header of a file, open_events(path).header, and got "
                f"{header!r:.80}"
            )
        if options.cone.time_sigma and not header.has_times:
            raise InputError(
                f"options: cone.time_sigma is {options.cone.time_sigma:g} ps and clusters of this file have no times; "
                "set it to 0, or give a file with cluster_time"
            )
        torch.set_num_threads(options.threads)
        header = with_known_dead(header, options.dead)
        header, told = _in_field(header, options.field_map)
        if options.calibration:
            header = header.calibrated(read_calibration(options.calibration, header.detector))
        estimator = choose_estimator(
            header, options.estimates, options.weights(), options.link_bits, options.conditions
        )
        warnings = told + chain_warnings(header, options, estimator)
        splitter = choose_splitter(header, estimator, options.split, warnings.append)
        directions = choose_directions(header, estimator, options.mixture)
        for line in warnings:
            report(line)
        if is_cold(search):
            log.info("compiling the kernels, which is done once and takes a minute or more")
        name = network_name(options.gnn, options.graph, header.detector)
        network = fuse_network(load_network(name, options.graph))
        beam = options.beam.spot if options.beam.source == "options" else header.beam_spot
        beam = options.cone.beam(beam)
        chain = cls(header.at_beam(beam), options, estimator, network, tuple(warnings), splitter, directions)
        # Here and not in the first event, so that weights of a second pass that are missing are told first.
        _ = chain.finder
        return chain

    def at_beam(self, beam: BeamSpot) -> Chain:
        """The chain about another beam."""
        return self if beam == self.header.detector.frame else replace(self, header=self.header.at_beam(beam))

    # Made of the other fields, so that a chain with one of them replaced has a finder of its own.
    @cached_property
    def finder(self) -> GraphFinder:
        """From hits to tracks."""
        return GraphFinder.for_detector(
            self.header.detector, self.header.field, self.options, self.network, self.header.field_map
        )

    @property
    def pairs(self) -> LayerPairs:
        """Layers that follow each other."""
        return self.finder.search.pairs

    def __call__(self, event: ak.Record) -> EventResult:
        """Reconstruct an event of a file, as :func:`smartpix.io.events.read_events` gives it.

        Raises:
            InputError: it is no event.
        """
        if not isinstance(event, ak.Record) or "clusters" not in event.fields:
            raise InputError(
                f"chain: expected one event, and got {event!r:.80}; loop over smartpix.read_events(path), or take "
                "events[0]"
            )
        return self.event(int(event["event"]), event["clusters"])

    def truth(self, event: ak.Record, result: EventResult) -> EventTruth:
        """Truth of an event for what the chain made of it, with the options' findable particles.

        Raises:
            InputError: the event has no truth.
        """
        return truth_of_hits(
            event, result.hits, self.header.detector.frame, pileup_of(self.header.made_by),
            self.options.findable_layers, min_pt=self.options.findable_pt,
        )  # fmt: skip

    def pixel_hits(
        self, clusters: ak.Array, lap: Callable[[str], object] = lambda stage: None
    ) -> tuple[Hits, npt.NDArray[np.int64]]:
        """Hits of the clusters of pixels, and the rows of those of strips, which take no part in the search.

        Args:
            lap: is called with each stage that is through.
        """
        strip = np.flatnonzero(self.header.detector.strips[ak.to_numpy(clusters["module_index"])])
        # Numbers of clusters stay those of all of them, as truth is found by these.
        pixel = np.setdiff1d(np.arange(len(clusters)), strip)
        hits = estimated_hits(
            clusters[pixel] if len(strip) else clusters, self.header, self.estimator, lap, self.splitter,
            self.directions,
        )  # fmt: skip
        return replace(hits, cluster=pixel[hits.cluster]) if len(strip) else hits, strip

    def event(self, event: int, clusters: ak.Array, finder: GraphFinder | None = None) -> EventResult:
        """Reconstruct one event from its cluster records.

        Args:
            finder: None: the chain's own; another, for example, has scores of another network.
        """
        detector, options = self.header.detector, self.options
        clock = StageClock()
        hits, strip = self.pixel_hits(clusters, clock.lap)
        found = (finder or self.finder).find(hits)
        # The finder keeps its own time, stage by stage.
        clock.adopt(found.tracks.ms)
        helices = fit_tracks(hits, found.tracks, self.header, options=options.fit, threads=options.threads)
        clock.lap("fit")
        vertices = find_vertices(helices, options.vertex)
        clock.lap("vertex")
        followed = None
        if len(strip) and options.fit.follow == "strips":
            estimator = PositionEstimator(self.header.field, self.header.slices[-1:])
            strips = estimated_hits(clusters[strip], self.header, estimator)
            followed = follow_tracks(
                hits, found.tracks, helices, replace(strips, cluster=strip), detector, self.header.field, options.fit,
                options.threads, self.header.field_map,
            )  # fmt: skip
            clock.lap(FOLLOW)
        return EventResult(
            event, hits, found.edges, found.seeds, found.scores, found.tracks, helices, vertices,
            found.outside, clock.ms, followed,
            track_times(hits, found.tracks, helices, self.header.field, options.cone.time_sigma),
        )  # fmt: skip

    def reference_edges(self, result: EventResult) -> Edges:
        """The edges of the reference window in an event, searched only where they are not its graph's."""
        if self.options.graph == "window":
            return result.edges
        # Not through the finder, which refuses a window without field as its graph: here it is empty.
        search = self.finder.search
        return window(result.hits, search.detector, search.pairs, search.field, search.window, search.threads)

    def warm_up(self, clusters: ak.Array) -> None:
        """Run once on some clusters so that compilation is not timed."""
        self.event(0, clusters)


def _in_field(header: Header, path: str) -> tuple[Header, list[str]]:
    """The header with the table of the field of a file, if one is given; and a line where the header's is
    another.
    """
    if not path:
        return header, []
    table = read_field_map(path)
    table.check_origin(header.field, path)
    other = header.field_map is not None and not same_table(header.field_map, table)
    line = f"{path}: is another table of the field than that of the events' file, and is taken instead"
    return replace(header, field_map=table), [line] if other else []


def chain_finder(header: Header, name: str = "balanced") -> Finder:
    """The chain's finder at one of :data:`WORKING_POINTS`: the entries ``chain`` (balanced) and
    ``chain-NAME`` of :mod:`tracking.finder_table`.
    """
    header, options = header.at_beam(), WORKING_POINTS[name]
    finder = GraphFinder.for_detector(header.detector, header.field, options, field_map=header.field_map)
    return finder if options.split.mode == "off" else split_finder(finder, header, options.split)


def window_finder(header: Header) -> GraphFinder:
    """The same with the window's edges in the cones' place: the entry ``window``."""
    header = header.at_beam()
    return GraphFinder.for_detector(header.detector, header.field, WINDOW, field_map=header.field_map)


def gravnet_finder(header: Header, weights: str = "gravnet") -> Finder:
    """The same as :func:`chain_finder` with GravNet in the graph network's place: the entry ``gravnet``.

    Args:
        weights: GravNet's, by name or path.

    Raises:
        InputError: weights that cannot be used.
    """
    return graph_finder_with(header, weights, GravNetScorer(load_gravnet(weights)))


def graph_finder_with(header: Header, weights: str, scorer: EdgeScorer) -> Finder:
    """The chain's finder at its balanced point with another network.

    Args:
        weights: of the network, which tell the events that it was trained on.
        scorer: the network.
    """
    header, options = header.at_beam(), replace(WORKING_POINTS["balanced"], gnn=weights)
    finder = GraphFinder.for_detector(header.detector, header.field, options, scorer, header.field_map)
    return split_finder(finder, header, options.split)
