"""ACTS's whole reconstruction on the same hits, through pyacts: the reference that tracks are compared with.

Seeding, parameters from seeds, combinatorial Kalman filter, greedy ambiguity resolution. Needs
``smartpix[acts]`` and hits on ACTS's generic detector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from seeding import acts_gbts, acts_reference
from seeding.acts import algorithm_of, run_timed
from seeding.acts_reference import ALGORITHMS
from seeding.hits import Hits
from smartpix.extras import import_acts
from smartpix.geometry import PIXEL_VOLUMES, Detector
from smartpix.schema import InputError, check, check_types
from tracking.acts.beam import about_beam
from tracking.acts.event import fitted_tracks, measurement_sources, point_source
from tracking.acts.seeds import seeding_algorithms
from tracking.acts.setup import ActsSetup, acts_setup
from tracking.finders.clock import stage_time
from tracking.finders.finder import FinderInput
from tracking.finders.tracks import Tracks

if TYPE_CHECKING:
    from smartpix.io.events import Header

__all__ = [
    "FOLLOWERS",
    "WORKING_POINTS",
    "ActsFinder",
    "ActsOptions",
    "WorkingPoint",
    "acts_tracks",
    "followers",
    "point_finder",
]

FOLLOWERS = {
    "parameters": "TrackParamsEstimationAlgorithm",
    "ckf": "TrackFindingAlgorithm",
    "ambiguity": "GreedyAmbiguityResolutionAlgorithm",
}
"""ACTS's algorithms after the seeding, by stage."""


@dataclass(frozen=True)
class ActsOptions:
    """Settings of ACTS's chain after the seeding. The defaults are those of the balanced working point.

    Attributes:
        chi2: largest chi2 (two coordinates) of a hit on a track; outlier_chi2: up to here it is kept as an
            outlier.
        branches: hits followed up on each module.
        two_way: follow a seed inwards too, after outwards.
        deduplicate: leave out seeds whose hits are all on one track already.
        stay_on_seed: take a seed's hits whatever their chi2.
        max_holes: modules that a track may cross without a hit.
        min_pt: of a track in GeV; max_d0: its largest distance from the beam line in mm.
        min_hits: shortest track; shared_hits: so many hits a track may share with others in the end.
        sigma_position (mm), sigma_angle (rad), sigma_qopt (1/GeV), sigma_pt (relative): widths of a seed's
        parameters.
        record_material: keep the states on passive material.
        volumes: of the full detector, to search in.
    """

    chi2: float = 30.0
    outlier_chi2: float = 23.3
    branches: int = 1
    two_way: bool = True
    deduplicate: bool = True
    stay_on_seed: bool = True
    max_holes: int = 0
    min_pt: float = 0.0
    max_d0: float = 0.5
    min_hits: int = 4
    shared_hits: int = 2
    sigma_position: float = 0.131
    sigma_angle: float = 0.005
    sigma_qopt: float = 0.03
    sigma_pt: float = 0.05
    record_material: bool = False
    volumes: tuple[int, ...] = PIXEL_VOLUMES

    def __post_init__(self) -> None:
        check_types("acts", self)
        positive = "chi2", "outlier_chi2", "max_d0", "sigma_position", "sigma_angle", "sigma_qopt", "sigma_pt"
        for name in positive:
            check("acts", name, getattr(self, name), getattr(self, name) > 0, "positive")
        for name in ("branches", "min_hits"):
            check("acts", name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("max_holes", "min_pt", "shared_hits"):
            check("acts", name, getattr(self, name), getattr(self, name) >= 0, "0 or more")


_BALANCED = ActsOptions()
_FASTEST = ActsOptions(
    chi2=30.3, outlier_chi2=20.4, max_holes=1, min_pt=0.3, shared_hits=1, sigma_position=0.0594,
    sigma_angle=0.00226, sigma_qopt=0.055, sigma_pt=0.0653,
)  # fmt: skip
_EFFICIENT = ActsOptions(
    chi2=24.4, outlier_chi2=39.6, stay_on_seed=False, min_pt=0.45, max_d0=math.inf, sigma_angle=0.00525,
    sigma_pt=0.0448,
)  # fmt: skip
_DENSE = replace(
    _BALANCED, chi2=80.0, outlier_chi2=80.0, branches=4, stay_on_seed=False, min_pt=0.3, max_d0=0.3,
    shared_hits=3, sigma_angle=0.0063,
)  # fmt: skip


@dataclass(frozen=True)
class WorkingPoint:
    """Settings of all of ACTS's chain: cuts of the seeding, options of what follows, and which seeding."""

    seeding: Mapping[str, Any]
    options: ActsOptions
    algorithm: str = "acts-grid"


WORKING_POINTS: Mapping[str, WorkingPoint] = {
    "fastest": WorkingPoint(acts_reference.FASTEST, _FASTEST),
    "balanced": WorkingPoint(acts_reference.BALANCED, _BALANCED),
    "efficient": WorkingPoint(acts_reference.EFFICIENT, _EFFICIENT),
    "narrow": WorkingPoint(acts_reference.NARROW, replace(_BALANCED, max_d0=math.inf)),
    "wide": WorkingPoint(acts_reference.WIDE, replace(_BALANCED, max_d0=math.inf)),
    "gbts-fastest": WorkingPoint(acts_gbts.FASTEST, _FASTEST, "acts-gbts"),
    "gbts": WorkingPoint(acts_gbts.BALANCED, replace(_FASTEST, shared_hits=2), "acts-gbts"),
    "dense": WorkingPoint(acts_reference.DENSE, _DENSE),
    "dense-loose": WorkingPoint(acts_reference.DENSE, replace(_DENSE, shared_hits=4)),
}
"""Points on the front of time, efficiency and fakes at pile-up 200 (3.8 T, MDN estimates), by name.

``benchmarks/tune_acts.py`` searched that front. ``fastest`` takes the least time at an efficiency of 0.99,
with soft particles given up. ``balanced`` is the reference where one is needed. ``efficient`` finds most
before the fakes pass 1 %: the front goes on to half a per cent of fakes for each per mille. All three are
of the search but for some options, set by hand on the tuning events. With d0 up to 0.5 mm, ``fastest`` and
``balanced`` have fewer fakes by a third; with two shared hits ``balanced`` finds 0.2 % more. ``narrow`` and
``wide`` are no points of the front. They are for displaced tracks: their seeds have impact parameters up to 1
and 10 mm, and they keep tracks however far from the beam line.

``gbts-fastest`` and ``gbts`` have graph-based seeding (:mod:`seeding.acts_gbts`), which makes a third of
the seeds, so that the Kalman filter has less to do. The first takes half the time of ``fastest`` at as many
particles and fewer fakes. The second reaches down to 0.5 GeV, with two shared hits for the particles that
overlap.

``dense`` and ``dense-loose`` are for the cores of energetic jets. They are of a search of the same settings
on events with such jets, by efficiency, fakes and duplicates and whatever the time
(``benchmarks/tune_dense.py`` has what was aimed at, and searches near them). ``dense`` aims at most particles
while fakes stay rare. ``dense-loose`` is ``dense`` with one more shared hit: it aims at most particles of
dense places, and its fakes are many more. Several particles need seeds of the same middle hit, and tracks
that share hits.

Some of what the search found can be understood. Staying on the seed saves a search at its three layers. Two
branches only cost time at pile-up 200. One seed for each middle hit is enough there but for 0.3 % of the
particles. A hole
raises the efficiency by a few per mille, at twice the fakes. States on material cost time and change
nothing. Outwards only loses tracks.
"""


@dataclass(frozen=True)
class ActsFinder:
    """ACTS's chain as a finder (:class:`tracking.finders.finder.Finder`), on one thread.

    Measurements are the estimates' x and y with their variances; pyacts takes no correlation of the two.

    Attributes:
        detector: of the hits, in the frame of their beam; field: along z in T.
        setup: ACTS's own of both, which takes seconds to make.
        options: of the chain after the seeding; seeding: cuts instead of those of
            :data:`seeding.acts_reference.BALANCED`, or for GBTS of :data:`seeding.acts_gbts.BALANCED`.
        algorithm: of the seeding, of :data:`seeding.acts_reference.ALGORITHMS`.
    """

    detector: Detector
    field: float
    setup: ActsSetup
    options: ActsOptions = _BALANCED
    seeding: Mapping[str, Any] = dataclass_field(default_factory=dict)
    algorithm: str = "acts-grid"

    @classmethod
    def for_detector(
        cls,
        detector: Detector,
        field: float,
        options: ActsOptions = _BALANCED,
        seeding: Mapping[str, Any] = MappingProxyType({}),
        algorithm: str = "acts-grid",
    ) -> ActsFinder:
        """The finder for ACTS's generic detector with any sensor, in a field along z in T.

        Raises:
            InputError: ACTS is not installed, no field, or modules that ACTS's generic detector has not.
        """
        pixels_alone = set(np.asarray(detector.columns["volume_id"]).tolist()) <= set(PIXEL_VOLUMES)
        setup = acts_setup(import_acts(), detector, field, pixels_alone)
        return cls(detector, field, setup, options, seeding, algorithm)

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event, with ACTS's parameters and the time of its own algorithms."""
        return self.find([event.hits])[0]

    def find(self, events: Sequence[Hits]) -> list[Tracks]:
        """Tracks of events, as ACTS fits them, with scores of 1.

        Their time is that of each event in ``seeding``, ``parameters``, ``ckf`` and ``ambiguity``, of ACTS's
        algorithms alone; filling the measurements from Python is not in it.

        Raises:
            InputError: no events.
        """
        if not len(events):
            raise InputError("ACTS reference: no events")
        acts = import_acts()
        frame = self.detector.frame
        # ACTS's selector cuts on the distance from the z axis. That from another beam is known afterwards.
        options = self.options if frame.is_centred else replace(self.options, max_d0=math.inf)
        placed = events
        if not frame.is_centred:
            placed = [replace(hits, position=frame.to_global(hits.position)) for hits in events]
        found: list[Tracks] = []

        def take(event: int, tracks: Any) -> tuple[()]:
            fitted = fitted_tracks(acts, tracks, events[event])
            if not frame.is_centred and fitted.parameters is not None:
                parameters = about_beam(fitted.parameters, frame, self.field)
                near = np.flatnonzero(np.abs(parameters.d0) <= self.options.max_d0)
                fitted = replace(fitted, parameters=parameters).take(near)
            found.append(fitted)
            return ()

        spent = run_timed(
            acts,
            len(events),
            [
                *measurement_sources(acts, events, self.detector, self.setup),
                point_source(acts, placed, self.setup),
                *seeding_algorithms(acts, events, frame, self.field, self.algorithm, self.seeding),
                *followers(acts, self.setup, options),
                algorithm_of(acts, "Sink", take, reads=[("resolved", acts.examples.ConstTrackContainer)]),
            ],
            clock=stage_time(),
        )
        stages = {"seeding": ALGORITHMS[self.algorithm], **FOLLOWERS}
        return [
            replace(tracks, ms={stage: float(spent[name][k]) for stage, name in stages.items()})
            for k, tracks in enumerate(found)
        ]


def acts_tracks(
    events: Sequence[Hits],
    detector: Detector,
    field: float,
    options: ActsOptions = _BALANCED,
    seeding: Mapping[str, Any] = MappingProxyType({}),
) -> list[Tracks]:
    """Reconstruct events with ACTS: :meth:`ActsFinder.find` of a finder made for them.

    Raises:
        InputError: as :meth:`ActsFinder.for_detector` and :meth:`ActsFinder.find`.
    """
    return ActsFinder.for_detector(detector, field, options, seeding).find(events)


def point_finder(header: Header, name: str) -> ActsFinder:
    """ACTS at one of :data:`WORKING_POINTS`: the entries ``acts-NAME`` of :mod:`tracking.finder_table`."""
    point = WORKING_POINTS[name]
    return ActsFinder.for_detector(
        header.at_beam().detector, header.field, point.options, point.seeding, point.algorithm
    )


def followers(acts: Any, setup: ActsSetup, options: ActsOptions, prefix: str = "") -> list[Any]:
    """What comes after the seeding: parameters, Kalman filter and ambiguity resolution, in this order.

    They read ``seeds``, ``measurements`` and ``measurement_subset`` from the white board and write
    ``resolved`` and what is between. Several chains in one sequencer share the measurements.

    Args:
        prefix: of the names of the seeds and of all that these write.
    """
    examples, level = acts.examples, acts.logging.WARNING
    place = {"trackingGeometry": setup.geometry, "magneticField": setup.field}
    functions = {
        "findTracks": examples.TrackFindingAlgorithm.makeTrackFinderFunction(
            setup.geometry, setup.field, level
        ),
        "findTracksBrem": examples.TrackFindingAlgorithm.makeBremTrackFinderFunction(
            setup.geometry, setup.field, level
        ),
    }
    everywhere: Any = (
        acts.GeometryIdentifier(),
        ([], [options.chi2], [options.outlier_chi2], [options.branches]),
    )
    position, angle = options.sigma_position, options.sigma_angle
    volumes = [setup.volumes.get(v, v) for v in options.volumes]
    # Where there is nothing else, keeping tracks inside would only cost time.
    everything = setup.pixels_alone and set(volumes) == set(setup.volumes.values())
    return [
        examples.TrackParamsEstimationAlgorithm(
            level=level, inputSeeds=f"{prefix}seeds", outputSeeds=f"{prefix}estimated",
            outputTrackParameters=f"{prefix}parameters",
            initialSigmas=[position, position, angle, angle, 0.0, acts.UnitConstants.ns],
            initialSigmaQoverPt=options.sigma_qopt, initialSigmaPtRel=options.sigma_pt, **place,
        ),
        examples.TrackFindingAlgorithm(
            # Tracks that curl up do not reach the z axis, which is reported as an error each.
            level=acts.logging.FATAL, inputMeasurements="measurement_subset",
            inputInitialTrackParameters=f"{prefix}parameters",
            inputSeeds=f"{prefix}estimated", outputTracks=f"{prefix}tracks",
            measurementSelectorCfg=acts.MeasurementSelector.Config([everywhere]),
            trackSelectorCfg=acts.TrackSelector.Config(
                pt=(options.min_pt, math.inf), loc0=(-options.max_d0, options.max_d0),
                minMeasurements=options.min_hits, maxHoles=options.max_holes,
            ),
            twoWay=options.two_way, seedDeduplication=options.deduplicate, stayOnSeed=options.stay_on_seed,
            pixelVolumeIds=volumes, constrainToVolumeIds=[] if everything else volumes,
            maxPixelHoles=options.max_holes,
            recordMaterialStates=options.record_material, **functions, **place,
        ),
        examples.GreedyAmbiguityResolutionAlgorithm(
            level=level, inputTracks=f"{prefix}tracks", outputTracks=f"{prefix}resolved",
            maximumSharedHits=options.shared_hits, nMeasurementsMin=options.min_hits,
        ),
    ]  # fmt: skip
