"""ACTS's whole reconstruction on the same hits, through pyacts: the reference the tracks are measured
against.

Seeding, parameters from seeds, combinatorial Kalman filter, greedy ambiguity resolution; and ACTS's Kalman
fitter on tracks that were found elsewhere. Needs ``smartpix[acts]`` and hits on ACTS's generic detector.
"""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of, run_timed
from seeding.acts_reference import ALGORITHMS, seeder
from seeding.hits import Hits
from smartpix.extras import import_acts
from smartpix.geometry import Detector
from smartpix.schema import PARAMETERS, InputError, check, check_types
from tracking.acts.event import (
    ActsDetector,
    ActsParameters,
    acts_detector,
    as_tracks,
    fitting_algorithm,
    measurement_sources,
    point_source,
    proto_tracks,
    track_parameters,
    track_rows,
)  # fmt: skip
from tracking.finders.paths import Tracks

__all__ = ["LOOSE", "TUNED", "ActsFits", "ActsOptions", "ActsTracks", "acts_fits", "acts_tracks"]

Floats = npt.NDArray[np.float64]

STAGES = {
    "seeding": ALGORITHMS["acts-grid"],
    "parameters": "TrackParamsEstimationAlgorithm",
    "ckf": "TrackFindingAlgorithm",
    "ambiguity": "GreedyAmbiguityResolutionAlgorithm",
}
START_SIGMA = (10.0, 10.0, 0.1, 0.1, 1.0)
"""Widths of d0, z0 (mm), phi, theta, qop (1/GeV) that fits start with: far wider than what the hits say."""


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
    volumes: tuple[int, ...] = (7, 8, 9)

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


class Parameters(Protocol):
    """Anything that has the parameters of T tracks, such as :class:`tracking.fit.tracks.Helices`."""

    @property
    def d0(self) -> Floats:
        """(T,) mm."""
        ...

    @property
    def z0(self) -> Floats:
        """(T,) mm."""
        ...

    @property
    def phi(self) -> Floats:
        """(T,) rad."""
        ...

    @property
    def theta(self) -> Floats:
        """(T,) rad."""
        ...

    @property
    def qop(self) -> Floats:
        """(T,) 1/GeV."""
        ...


@dataclass(frozen=True)
class ActsTracks:
    """What ACTS found; of each event one entry.

    Attributes:
        tracks: rows of the event's hits, inner first; the scores are 1.
        parameters: of the tracks.
        ms: mean time per event: ``seeding``, ``parameters``, ``ckf``, ``ambiguity`` and their sum ``total``,
            as ACTS's sequencer measures them.
    """

    tracks: list[Tracks]
    parameters: list[ActsParameters]
    ms: dict[str, float]


@dataclass(frozen=True)
class ActsFits:
    """ACTS's fits of given tracks; of each event one entry, with a row for every track.

    Attributes:
        parameters: of the tracks; NaN where the fit failed, with ndf 0.
        n_fitted: (T,) hits the fit used, 0 where it failed; it leaves out those on modules that it does not
            cross.
        ms: mean time of the fit per event.
    """

    parameters: list[ActsParameters]
    n_fitted: list[npt.NDArray[np.int64]]
    ms: float


def acts_tracks(
    events: Sequence[Hits],
    detector: Detector,
    field: float,
    options: ActsOptions = TUNED,
    seeding: Mapping[str, Any] = MappingProxyType({}),
) -> ActsTracks:
    """Reconstruct events with ACTS, on one thread.

    Measurements are the estimates' x and y with their variances; pyacts takes no correlation of the two.

    Args:
        detector: of the hits, ACTS's generic detector with any sensor; field: along z in T, not 0.
        options: of the chain after the seeding; seeding: cuts instead of those of
            :data:`seeding.acts_reference.TUNED`.

    Raises:
        InputError: ACTS is not installed, no events, no field, or modules that ACTS's generic detector has
            not.
    """
    acts = import_acts()
    setup = _setup(acts, events, detector, field)
    found: list[Tracks] = []
    parameters: list[ActsParameters] = []

    def take(event: int, tracks: Any) -> tuple[()]:
        found.append(as_tracks([track_rows(acts, track, events[event]) for track in tracks]))
        parameters.append(track_parameters(tracks))
        return ()

    spent = run_timed(
        acts,
        len(events),
        [
            *measurement_sources(acts, events, detector, setup),
            point_source(acts, events, setup),
            seeder(acts, field, "acts-grid", seeding),
            *_finders(acts, setup, options),
            algorithm_of(acts, "Sink", take, reads=[("resolved", acts.examples.ConstTrackContainer)]),
        ],
    )
    ms = {stage: spent[name] for stage, name in STAGES.items()}
    return ActsTracks(found, parameters, {**ms, "total": sum(ms.values())})


def acts_fits(
    events: Sequence[Hits],
    tracks: Sequence[Tracks],
    start: Sequence[Parameters],
    detector: Detector,
    field: float,
) -> ActsFits:
    """Fit given tracks with ACTS's Kalman filter and smoother: multiple scattering and energy loss of pions,
    on one thread.

    Args:
        tracks: of each event; start: parameters of each event's tracks near which the fit starts, such as
            :class:`tracking.fit.tracks.Helices`; only their values count, they get the widths of
                ``START_SIGMA``.
        detector, field: as for :func:`acts_tracks`.

    Raises:
        InputError: ACTS is not installed, no events, no field, modules that ACTS's generic detector has not,
            or tracks and parameters that are not of the same number as events and tracks.
    """
    acts = import_acts()
    setup = _setup(acts, events, detector, field)
    if [len(t) for t in tracks] != [len(s.d0) for s in start] or len(tracks) != len(events):
        raise InputError(
            f"ACTS reference: {len(events)} events, tracks of {len(tracks)} and parameters of {len(start)}, "
            f"or numbers of tracks "
            "that differ; give one of each for every event, and parameters of every track"
        )
    examples, level = acts.examples, acts.logging.FATAL
    parameters: list[ActsParameters] = []
    n_fitted: list[npt.NDArray[np.int64]] = []

    def propose(event: int) -> tuple[Any]:
        return (proto_tracks(acts, tracks[event]),)

    def take(event: int, fitted: Any) -> tuple[()]:
        rows = [track_rows(acts, track, events[event]) for track in fitted]
        place = _places(rows, tracks[event].rows())
        parameters.append(_spread(track_parameters(fitted), place, len(tracks[event])))
        n_fitted.append(np.bincount(place, [len(r) for r in rows], len(tracks[event])).astype(np.int64))
        return ()

    with tempfile.TemporaryDirectory() as folder:
        # Python cannot fill a container of parameters, so they take the way through files; reading is not in
        # the time.
        for event, values in enumerate(start):
            _write_start(Path(folder) / f"event{event:09d}-start.csv", values)
        reader = examples.CsvTrackParameterReader(
            level=level, inputDir=folder, inputStem="start", outputTrackParameters="parameters"
        )
        spent = run_timed(
            acts,
            len(events),
            [
                *measurement_sources(acts, events, detector, setup),
                algorithm_of(acts, "Propose", propose, writes=[("proposed", examples.ProtoTrackContainer)]),
                fitting_algorithm(acts, setup, "proposed", "parameters"),
                algorithm_of(acts, "Sink", take, reads=[("fitted", examples.ConstTrackContainer)]),
            ],
            [reader],
        )  # fmt: skip
    return ActsFits(parameters, n_fitted, spent["TrackFittingAlgorithm"])


def _setup(acts: Any, events: Sequence[Hits], detector: Detector, field: float) -> ActsDetector:
    if not len(events):
        raise InputError("ACTS reference: no events")
    return acts_detector(acts, detector, field)


def _finders(acts: Any, setup: ActsDetector, options: ActsOptions) -> list[Any]:
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


def _places(fitted: list[npt.NDArray[np.int64]], given: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Which of the given tracks each fitted one is: ACTS keeps their order and leaves out those that
    failed.
    """
    places, k = [], 0
    for rows in fitted:
        while not np.isin(rows, given[k]).all():
            k += 1
        places.append(k)
        k += 1
    return np.array(places, dtype=np.int64)


def _spread(values: ActsParameters, place: npt.NDArray[np.int64], n: int) -> ActsParameters:
    """Parameters of ``n`` tracks of which those at ``place`` are known."""
    spread = {}
    for column in fields(values):
        known = getattr(values, column.name)
        spread[column.name] = np.full(
            (n, *known.shape[1:]), 0 if known.dtype.kind == "i" else np.nan, dtype=known.dtype
        )
        spread[column.name][place] = known
    return ActsParameters(**spread)


def _write_start(path: Path, start: Parameters) -> None:
    """Write a table of ACTS's CsvTrackParameterReader."""
    values = np.column_stack([getattr(start, name) for name in PARAMETERS])
    variances = np.broadcast_to(np.square(START_SIGMA), values.shape)
    pairs = [f"cov_{a}{b}" for a in PARAMETERS for b in PARAMETERS if a != b]
    header = ["trackId", *PARAMETERS, *(f"var_{name}" for name in PARAMETERS), *pairs]
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(header)
        for k, row in enumerate(np.column_stack([values, variances]).tolist()):
            table.writerow([k, *row, *[0.0] * len(pairs)])
