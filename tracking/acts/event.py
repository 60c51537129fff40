"""Our hits as ACTS takes them, and its tracks as ours: for the plug-in, the reference and the fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of, space_points
from seeding.hits import Hits
from smartpix.geometry import Detector
from tracking.acts.setup import ActsSetup
from tracking.finders.tracks import Parameters, Tracks

__all__ = [
    "fitted_tracks",
    "fitting_algorithm",
    "local_measurements",
    "measurement_sources",
    "point_source",
    "proto_tracks",
    "track_parameters",
    "track_rows",
]

Floats = npt.NDArray[np.float64]


def local_measurements(hits: Hits, detector: Detector) -> tuple[Floats, Floats]:
    """Positions (N, 2) along the modules' u and v in mm, which are ACTS's local axes, and their variances (N,
    2).
    """
    x, y, _ = detector.to_local(hits.module, hits.position).T
    variance = hits.estimate.sigma()[:, :2] ** 2
    return np.column_stack([detector.u_sign[hits.module] * y, detector.v_sign[hits.module] * x]), variance[
        :, ::-1
    ]


def measurement_sources(acts: Any, events: Sequence[Hits], detector: Detector, setup: ActsSetup) -> list[Any]:
    """Algorithms that put ``measurements`` and ``measurement_subset`` (all of them) on the white board.

    Measurement k is row k of the event's hits.
    """
    examples = acts.examples

    def fill(event: int) -> tuple[Any]:
        hits = events[event]
        ids = [setup.ids[m] for m in hits.module.tolist()]
        measurements = examples.MeasurementContainer()
        measurements.reserve(len(hits))
        local, variance = local_measurements(hits, detector)
        for identifier, at, spread in zip(ids, local.tolist(), variance.tolist(), strict=True):
            measurements.emplaceMeasurement(identifier, [0, 1], at, spread)
        return (measurements,)

    def choose(event: int, measurements: Any) -> tuple[Any]:
        return (examples.MeasurementSubset(measurements, range(len(measurements))),)

    container = ("measurements", examples.MeasurementContainer)
    return [
        algorithm_of(acts, "Measurements", fill, writes=[container]),
        algorithm_of(
            acts,
            "Subset",
            choose,
            reads=[container],
            writes=[("measurement_subset", examples.MeasurementSubset)],
        ),
    ]


def point_source(acts: Any, events: Sequence[Hits], setup: ActsSetup, key: str = "points") -> Any:
    """An algorithm that puts space points of all hits, in their order, on the white board under a key."""
    link = acts.examples.IndexSourceLink

    def fill(event: int) -> tuple[Any]:
        hits = events[event]
        links = [link(setup.ids[m], k).toSourceLink() for k, m in enumerate(hits.module.tolist())]
        return (space_points(acts, hits, links),)

    return algorithm_of(acts, "Points", fill, writes=[(key, acts.SpacePointContainer)])


def proto_tracks(acts: Any, tracks: Tracks) -> Any:
    """Tracks as a container of ACTS's proto tracks, in their order: rows of the hits are numbers of
    measurements.

    ``TrackFittingAlgorithm`` takes it as ``inputProtoTracks``.
    """
    container = acts.examples.ProtoTrackContainer()
    for rows in tracks.rows():
        container.append(acts.examples.ProtoTrack(rows.tolist()))
    return container


def fitting_algorithm(
    acts: Any, setup: ActsSetup, proto_tracks_key: str, parameters_key: str, output: str = "fitted"
) -> Any:
    """ACTS's Kalman filter and smoother on proto tracks of ``measurements``: scattering and energy loss of
    pions, at the z axis.

    Args:
        proto_tracks_key, parameters_key: on the white board; one set of parameters to start with for every
            proto track.
    """
    examples, level = acts.examples, acts.logging.FATAL
    fitter = examples.makeKalmanFitterFunction(
        setup.geometry, setup.field, multipleScattering=True, energyLoss=True,
        reverseFilteringMomThreshold=0.0,
        reverseFilteringCovarianceScaling=100.0, freeToBoundCorrection=examples.FreeToBoundCorrection(False),
        chi2Cut=math.inf,
        useJosephFormulation=False, level=level,
    )  # fmt: skip
    return examples.TrackFittingAlgorithm(
        level=level, inputMeasurements="measurements", inputProtoTracks=proto_tracks_key,
        inputInitialTrackParameters=parameters_key, inputClusters="", outputTracks=output, pickTrack=-1,
        fit=fitter,
        calibrator=examples.makePassThroughCalibrator(),
        referenceSurface=acts.Surface.createPerigee(acts.Vector3(0, 0, 0)),
    )  # fmt: skip


def track_rows(acts: Any, track: Any, hits: Hits) -> npt.NDArray[np.int64]:
    """Rows of a track's hits without outliers, inner first: by the distance from the origin."""
    link = acts.examples.IndexSourceLink.fromSourceLink
    states = [state for state in track.trackStatesReversed if state.typeFlags.isMeasurement]
    rows = np.array([link(state.uncalibratedSourceLink).index() for state in states], dtype=np.int64)
    return rows[np.argsort(np.linalg.norm(hits.position[rows], axis=1), kind="stable")]


def track_parameters(tracks: Any) -> Parameters:
    """Of a container of ACTS's tracks."""
    columns = np.array(tracks.parameters, dtype=np.float64).reshape(-1, 6).T
    covariance = np.array(tracks.covariance, dtype=np.float64).reshape(-1, 6, 6)[:, :5, :5]
    chi2, ndf = np.array(tracks.chi2, dtype=np.float64), np.array(tracks.ndf, dtype=np.int64)
    d0, z0, phi, theta, qop = columns[:5]
    return Parameters(d0, z0, phi, theta, qop, covariance, chi2, ndf)


def fitted_tracks(acts: Any, tracks: Any, hits: Hits) -> Tracks:
    """A container of ACTS's tracks as ours, with their parameters and scores of 1."""
    rows = [track_rows(acts, track, hits) for track in tracks]
    return Tracks.from_rows(rows, parameters=track_parameters(tracks))
