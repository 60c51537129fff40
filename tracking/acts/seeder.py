"""The plug-in for ACTS: seeds from cones for its ``addSeeding``, in memory. Needs ``smartpix[acts]``.

Finished tracks as proto tracks for its fitters are :func:`tracking.acts.event.proto_tracks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of
from seeding.hits import Hits
from seeding.table import max_curvature
from smartpix.beam import CENTRED, BeamSpot
from smartpix.extras import import_acts
from smartpix.geometry import Detector
from smartpix.schema import InputError, check, check_types
from tracking.acts.event import proto_tracks
from tracking.acts.setup import POSITION_TOLERANCE
from tracking.finders.gnn.finder import GraphFinder, GraphSearch
from tracking.finders.tracks import Tracks
from tracking.options import RunOptions, from_mapping

__all__ = [
    "ESTIMATES",
    "SEEDER",
    "SEEDS",
    "SeederOptions",
    "cone_seeder",
    "seed_container",
    "track_triplets",
]

Ints = npt.NDArray[np.int64]

ESTIMATES, SEEDER = "ConeEstimates", "ConeSeeder"
"""Names of the algorithms in ACTS's sequencer and its ``timing.csv``: making the hits, and hits to seeds."""
SEEDS = ("cones", "tracks")
LINK_TOLERANCE = 1.0
"""Farther than this (mm) a space point is not the hit its source link names. It is wide, since ACTS's
measurements need not lie exactly where the estimates do.
"""


@dataclass(frozen=True)
class SeederOptions:
    """What becomes a seed.

    Attributes:
        seeds: ``cones``: pairs of edges, as of :func:`seeding.seeds.find_seeds`; ``tracks``: two triplets of
            every track that the graph network makes, :func:`track_triplets`.
        min_pt: softest seed in GeV; max_cot_theta: steepest one; those of
            :data:`seeding.acts_reference.BALANCED`.
        run: of edges, seeds and, for tracks, of the graph network and the building.
    """

    seeds: str = "cones"
    min_pt: float = 0.5
    max_cot_theta: float = 10.0
    run: RunOptions = dataclass_field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        check_types("seeder", self)
        check("seeder", "seeds", self.seeds, self.seeds in SEEDS, f"one of {', '.join(SEEDS)}")
        check("seeder", "min_pt", self.min_pt, self.min_pt >= 0, "0 or more (GeV)")
        check("seeder", "max_cot_theta", self.max_cot_theta, self.max_cot_theta > 0, "positive")


def cone_seeder(
    hits: Callable[..., Hits],
    detector: Detector,
    field: float,
    options: SeederOptions = SeederOptions(),
    reads: Sequence[tuple[str, Any]] = (),
    proto_track_key: str = "",
) -> Callable[..., str]:
    """A ``customSeeder`` for ACTS's ``addSeeding`` with ``SeedingAlgorithm.PythonCallable``.

    It adds two algorithms to the sequencer: ``ConeEstimates`` calls ``hits``, ``ConeSeeder`` reads the space
    points and writes the seeds, best first. Nothing goes through files. ``customSeederConfig`` changes
    options by name, such as ``{"min_pt": 0.9, "run": {"seed": {"shared": 0}}}``.

    Args:
        hits: of an event by its number: row k belongs to measurement k. Space points may be of some of them
            only, in any order; where they lie as the hits do, to 1 um, their source links need not be read,
            which saves time.
        detector: module table of the hits, in the frame of their beam; field: along z in T.
        reads: keys on the white board and their types, such as ``[("clusters",
            acts.examples.ClusterContainer)]``; what is there goes to ``hits`` after the event's number, as
            :func:`tracking.acts.clusters.cluster_hits` needs it.
        proto_track_key: with seeds of tracks, write one seed a track and, under this name, the proto tracks
            in the same order: ``TrackParamsEstimationAlgorithm`` takes both (``inputProtoTracks``), and
                ACTS's fitters what it gives.

    Raises:
        InputError: ACTS is not installed; when it is added, no network for the tracks, unknown options, proto
            tracks without tracks; while it runs, space points that are not those of the hits.
    """
    acts = import_acts()

    def add(
        s: Any,
        spacePoints: str,  # noqa: N803 (ACTS calls it so)
        outputSeeds: str,  # noqa: N803
        config: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> str:
        chosen = from_mapping(options, config or {}, "customSeederConfig")
        if proto_track_key and chosen.seeds != "tracks":
            raise InputError(
                f"cone_seeder: proto tracks '{proto_track_key}' need seeds 'tracks' and not '{chosen.seeds}'"
            )
        seeder = _Seeder.make(detector, field, chosen)
        waiting: dict[int, Hits] = {}

        def prepare(event: int, *read: Any) -> tuple[()]:
            waiting[event] = hits(event, *read)
            return ()

        def find(event: int, points: Any) -> tuple[Any, ...]:
            of_event = waiting.pop(event)
            rows = hits_of_points(acts, points, of_event, detector.frame)
            triplets, found = seeder.triplets(
                of_event if rows is None else of_event.take(rows), one_a_track=bool(proto_track_key)
            )
            made = (seed_container(acts, points, triplets),)
            if not proto_track_key:
                return made
            measurements = found if rows is None else [rows[track] for track in found]
            return (*made, proto_tracks(acts, Tracks.from_rows(measurements)))

        writes = [(outputSeeds, acts.SeedContainer)]
        if proto_track_key:
            writes.append((proto_track_key, acts.examples.ProtoTrackContainer))
        s.addAlgorithm(algorithm_of(acts, ESTIMATES, prepare, reads=reads))
        s.addAlgorithm(
            algorithm_of(acts, SEEDER, find, reads=[(spacePoints, acts.SpacePointContainer)], writes=writes)
        )
        return outputSeeds

    return add


@dataclass(frozen=True)
class _Seeder:
    """What is the same for all events; ``finder`` is None for seeds of cones, which need no network."""

    options: SeederOptions
    search: GraphSearch
    finder: GraphFinder | None

    @classmethod
    def make(cls, detector: Detector, field: float, options: SeederOptions) -> _Seeder:
        run = options.run
        if options.seeds == "tracks":
            finder = GraphFinder.for_detector(detector, field, run)
            return cls(options, finder.search, finder)
        return cls(options, GraphSearch.for_detector(detector, field, run, run.seed, run.threads), None)

    def triplets(self, hits: Hits, one_a_track: bool) -> tuple[Ints, list[Ints]]:
        """Seeds (S, 3), rows of the hits, and with ``one_a_track`` the hits of the track of each."""
        if self.finder is None:
            triplets = self.search.seeds(hits, self.search.edges(hits)).hits.astype(np.int64)
            return triplets[self._accepted(hits.position[triplets])], []
        tracks = self.finder.find(hits).tracks
        triplets, track = track_triplets(tracks, hits.layer)
        good = self._accepted(hits.position[triplets])
        triplets, track = triplets[good], track[good]
        if not one_a_track:
            return triplets, []
        track, first = np.unique(track, return_index=True)
        rows = tracks.rows()
        return triplets[first], [rows[t] for t in track]

    def _accepted(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """(S,) whether the circle and the slope through the seeds' hits (S, 3, 3) are within the options."""
        x, y = points[..., 0], points[..., 1]
        # Twice the triangle's area times two over the product of its sides: the curvature of the circle
        # around it.
        area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
        sides = np.prod(
            [np.hypot(x[:, i] - x[:, j], y[:, i] - y[:, j]) for i, j in ((0, 1), (1, 2), (0, 2))], axis=0
        )
        radius = np.hypot(x, y)
        rise, run = np.abs(points[:, 2, 2] - points[:, 0, 2]), np.abs(radius[:, 2] - radius[:, 0])
        soft = 2 * np.abs(area) > max_curvature(self.search.field, max(self.options.min_pt, 1e-6)) * sides
        return np.asarray(~soft & (rise < self.options.max_cot_theta * run))


def hits_of_points(acts: Any, points: Any, hits: Hits, frame: BeamSpot = CENTRED) -> Ints | None:
    """(S,) row of the hit that each of S space points is of; None if they are all of the hits, in the same
    order.

    Args:
        points: in ACTS's global frame; frame: of the hits.

    Raises:
        InputError: a source link names no hit, or one that lies elsewhere.
    """
    at = np.column_stack([points.x, points.y, points.z]).astype(np.float64)
    position = hits.position if frame.is_centred else frame.to_global(hits.position)
    if len(at) == len(hits) and np.abs(at - position).max(initial=0.0) < POSITION_TOLERANCE:
        return None
    link = acts.examples.IndexSourceLink.fromSourceLink
    rows = np.fromiter((link(next(iter(point.sourceLinks))).index() for point in points), np.int64, len(at))
    away = np.inf
    if rows.max(initial=-1) < len(hits):
        away = np.linalg.norm(at - position[rows], axis=1).max(initial=0.0)
    if away > LINK_TOLERANCE:
        raise InputError(
            f"cone_seeder: space points do not lie where the {len(hits)} hits of their source links do "
            f"({away:.3g} mm off); hits "
            "must be in the order of ACTS's measurements, on the same detector"
        )
    return rows


def seed_container(acts: Any, points: Any, triplets: Ints) -> Any:
    """Seeds (S, 3), rows of the space points, as ACTS's container, in their order; the earlier, the higher
    the quality.
    """
    container = acts.SeedContainer()
    container.assignSpacePointContainer(points)
    for k, rows in enumerate(triplets.tolist()):
        seed = container.createSeed()
        seed.assignSpacePointIndices(rows)
        seed.quality = -float(k)
    return container


def track_triplets(tracks: Tracks, layer: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
    """Seeds (S, 3) of tracks, one hit a layer, and the track (S,) of each.

    First those of first, middle and last hit; then second, middle, last of tracks on at least four layers,
    for those that ACTS cannot follow from their first hit. Where it can, its ``seedDeduplication`` drops the
    second seed.

    Args:
        layer: of all hits.
    """
    start = tracks.start[:-1]
    if len(start) == 0:
        return np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    on = layer[tracks.hits]
    new = np.ones(len(on), dtype=bool)
    new[1:] = on[1:] != on[:-1]
    new[start] = True
    hits, n = tracks.hits[new], np.add.reduceat(new.astype(np.int64), start)
    first, last = np.cumsum(n) - n, np.cumsum(n) - 1
    three, four = np.flatnonzero(n >= 3), np.flatnonzero(n >= 4)
    wide = np.stack([first, first + n // 2, last], axis=1)[three]
    retry = np.stack([first + 1, first + (n + 1) // 2, last], axis=1)[four]
    return np.asarray(hits[np.concatenate([wide, retry])]), np.concatenate([three, four])
