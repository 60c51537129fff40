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

from seeding.acts import algorithm_of, run_timed
from seeding.acts_reference import ALGORITHMS, seeder
from seeding.hits import Hits
from smartpix.extras import import_acts
from smartpix.geometry import PIXEL_VOLUMES, Detector
from smartpix.schema import InputError, check, check_types
from tracking.acts.event import fitted_tracks, measurement_sources, point_source
from tracking.acts.setup import ActsSetup, acts_setup
from tracking.finders.finder import FinderInput
from tracking.finders.tracks import Tracks

if TYPE_CHECKING:
    from smartpix.io.events import Header

__all__ = ["LOOSE", "TUNED", "ActsFinder", "ActsOptions", "acts_tracks", "loose_finder", "tuned_finder"]

STAGES = {
    "seeding": ALGORITHMS["acts-grid"],
    "parameters": "TrackParamsEstimationAlgorithm",
    "ckf": "TrackFindingAlgorithm",
    "ambiguity": "GreedyAmbiguityResolutionAlgorithm",
}


@dataclass(frozen=True)
class ActsOptions:
    """Settings of ACTS's chain after the seeding.

    Attributes:
        chi2: largest chi2 (two coordinates) of a hit on a track; outlier_chi2: up to here it is kept as an
            outlier.
        branches: hits followed up on each module.
        two_way: follow a seed inwards too, after outwards.
        deduplicate: leave out seeds whose hits are all on one track already.
        stay_on_seed: take a seed's hits whatever their chi2.
        max_holes: modules that a track may cross without a hit.
        min_pt: of a track in GeV.
        min_hits: shortest track; shared_hits: so many hits a track may share with others in the end.
        sigma_position (mm), sigma_angle (rad), sigma_qopt (1/GeV), sigma_pt (relative): widths of a seed's
        parameters.
        record_material: keep the states on passive material.
        volumes: of the geometry, to search in.
    """

    chi2: float = 30.0
    outlier_chi2: float = 30.0
    branches: int = 1
    two_way: bool = True
    deduplicate: bool = True
    stay_on_seed: bool = False
    max_holes: int = 0
    min_pt: float = 0.0
    min_hits: int = 4
    shared_hits: int = 1
    sigma_position: float = 0.1
    sigma_angle: float = 0.005
    sigma_qopt: float = 0.03
    sigma_pt: float = 0.05
    record_material: bool = False
    volumes: tuple[int, ...] = PIXEL_VOLUMES

    def __post_init__(self) -> None:
        check_types("acts", self)
        for name in ("chi2", "outlier_chi2", "sigma_position", "sigma_angle", "sigma_qopt", "sigma_pt"):
            check("acts", name, getattr(self, name), getattr(self, name) > 0, "positive")
        for name in ("branches", "min_hits"):
            check("acts", name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("max_holes", "min_pt", "shared_hits"):
            check("acts", name, getattr(self, name), getattr(self, name) >= 0, "0 or more")


TUNED = ActsOptions()
"""Tuned for speed, efficiency and fakes together at pile-up 200 (3.8 T, MDN estimates).

One branch, narrow seed parameters, no holes and no states on material made it several times faster than what
ACTS's examples set, with fewer fakes; the seeding's cuts (:data:`seeding.acts_reference.TUNED`) raised the
efficiency and saved more. Two branches only cost time; one hole and two shared hits raise the efficiency and,
several times over, the fakes (:data:`LOOSE`). Outwards only loses tracks, duplicate seeds cost time, and
inwards first, a pT cut, outliers or refined seed parameters did not
matter. What both reach: ``smartpix bench tracking``.
"""

LOOSE = replace(TUNED, max_holes=1, shared_hits=2)
"""The most efficient setting found: one hole and two shared hits, at many times the fakes of
:data:`TUNED`.
"""


@dataclass(frozen=True)
class ActsFinder:
    """ACTS's chain as a finder (:class:`tracking.finders.finder.Finder`), on one thread.

    Measurements are the estimates' x and y with their variances; pyacts takes no correlation of the two.

    Attributes:
        detector: of the hits; field: along z in T; setup: ACTS's own of both, which takes seconds to make.
        options: of the chain after the seeding; seeding: cuts instead of those of
            :data:`seeding.acts_reference.TUNED`.
    """

    detector: Detector
    field: float
    setup: ActsSetup
    options: ActsOptions = TUNED
    seeding: Mapping[str, Any] = dataclass_field(default_factory=dict)

    @classmethod
    def for_detector(
        cls,
        detector: Detector,
        field: float,
        options: ActsOptions = TUNED,
        seeding: Mapping[str, Any] = MappingProxyType({}),
    ) -> ActsFinder:
        """The finder for ACTS's generic detector with any sensor, in a field along z in T.

        Raises:
            InputError: ACTS is not installed, no field, or modules that ACTS's generic detector has not.
        """
        return cls(detector, field, acts_setup(import_acts(), detector, field), options, seeding)

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event, with ACTS's parameters and the time of its own algorithms."""
        return self.find([event.hits])[0]

    def find(self, events: Sequence[Hits]) -> list[Tracks]:
        """Tracks of events, as ACTS fits them, with scores of 1.

        Their time is the mean of an event in ``seeding``, ``parameters``, ``ckf`` and ``ambiguity``, as
        ACTS's sequencer measures it; filling the measurements from Python is not in it.

        Raises:
            InputError: no events.
        """
        if not len(events):
            raise InputError("ACTS reference: no events")
        acts = import_acts()
        found: list[Tracks] = []

        def take(event: int, tracks: Any) -> tuple[()]:
            found.append(fitted_tracks(acts, tracks, events[event]))
            return ()

        spent = run_timed(
            acts,
            len(events),
            [
                *measurement_sources(acts, events, self.detector, self.setup),
                point_source(acts, events, self.setup),
                seeder(acts, self.field, "acts-grid", self.seeding),
                *_followers(acts, self.setup, self.options),
                algorithm_of(acts, "Sink", take, reads=[("resolved", acts.examples.ConstTrackContainer)]),
            ],
        )
        return [
            replace(tracks, ms={stage: float(spent[name][k]) for stage, name in STAGES.items()})
            for k, tracks in enumerate(found)
        ]


def acts_tracks(
    events: Sequence[Hits],
    detector: Detector,
    field: float,
    options: ActsOptions = TUNED,
    seeding: Mapping[str, Any] = MappingProxyType({}),
) -> list[Tracks]:
    """Reconstruct events with ACTS: :meth:`ActsFinder.find` of a finder made for them.

    Raises:
        InputError: as :meth:`ActsFinder.for_detector` and :meth:`ActsFinder.find`.
    """
    return ActsFinder.for_detector(detector, field, options, seeding).find(events)


def tuned_finder(header: Header) -> ActsFinder:
    """ACTS as :data:`TUNED`: the entry ``acts-tuned`` of :mod:`tracking.finder_table`."""
    return ActsFinder.for_detector(header.detector, header.field, TUNED)


def loose_finder(header: Header) -> ActsFinder:
    """ACTS as :data:`LOOSE`: the entry ``acts-loose``."""
    return ActsFinder.for_detector(header.detector, header.field, LOOSE)


def _followers(acts: Any, setup: ActsSetup, options: ActsOptions) -> list[Any]:
    """Parameters of ``seeds``, Kalman filter on ``measurement_subset``, ambiguity resolution into
    ``resolved``.
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
    return [
        examples.TrackParamsEstimationAlgorithm(
            level=level, inputSeeds="seeds", outputSeeds="estimated", outputTrackParameters="parameters",
            initialSigmas=[position, position, angle, angle, 0.0, acts.UnitConstants.ns],
            initialSigmaQoverPt=options.sigma_qopt, initialSigmaPtRel=options.sigma_pt, **place,
        ),
        examples.TrackFindingAlgorithm(
            # Tracks that curl up do not reach the z axis, which is reported as an error each.
            level=acts.logging.FATAL, inputMeasurements="measurement_subset",
            inputInitialTrackParameters="parameters",
            inputSeeds="estimated", outputTracks="tracks",
            measurementSelectorCfg=acts.MeasurementSelector.Config([everywhere]),
            trackSelectorCfg=acts.TrackSelector.Config(
                pt=(options.min_pt, math.inf), minMeasurements=options.min_hits, maxHoles=options.max_holes
            ),
            twoWay=options.two_way, seedDeduplication=options.deduplicate, stayOnSeed=options.stay_on_seed,
            pixelVolumeIds=options.volumes, constrainToVolumeIds=options.volumes,
            maxPixelHoles=options.max_holes,
            recordMaterialStates=options.record_material, **functions, **place,
        ),
        examples.GreedyAmbiguityResolutionAlgorithm(
            level=level, inputTracks="tracks", outputTracks="resolved", maximumSharedHits=options.shared_hits,
            nMeasurementsMin=options.min_hits,
        ),
    ]  # fmt: skip
