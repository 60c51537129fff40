"""Our detector and hits as ACTS takes them, and its tracks as ours: for the plug-in, the reference and the
fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of, space_points
from seeding.hits import Hits
from smartpix.geometry import Detector
from smartpix.schema import InputError
from tracking.finders.paths import Tracks

__all__ = [
    "ActsDetector", "ActsParameters", "acts_detector", "as_tracks", "fitting_algorithm", "local_measurements",
    "measurement_sources", "module_ids", "point_source", "proto_tracks", "track_parameters", "track_rows",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

SAME_MODULE = 1e-3
"""Largest difference in mm between a module of the table and ACTS's."""


@dataclass(frozen=True)
class ActsParameters:
    """Parameters of T tracks at the closest approach to the z axis, as in
    :class:`tracking.fit.tracks.Helices`.

    Attributes:
        d0, z0, phi, theta, qop: (T,) mm, mm, rad, rad, 1/GeV; the point of closest approach is d0 * (-sin
            phi, cos phi).
        covariance: (T, 5, 5) in that order.
        chi2, ndf: (T,) of the hits on the track.
    """

    d0: Floats
    z0: Floats
    phi: Floats
    theta: Floats
    qop: Floats
    covariance: Floats
    chi2: Floats
    ndf: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ActsDetector:
    """ACTS's generic detector for a module table.

    Attributes:
        generic: ACTS's detector, which owns the modules; geometry: its tracking geometry; field: ACTS's.
        ids: (M,) geometry id of each module of the table.
    """

    generic: Any
    geometry: Any
    field: Any
    ids: list[Any]


def module_ids(acts: Any, detector: Detector) -> list[Any]:
    """(M,) ACTS's geometry id of each module of a table."""
    columns = [
        np.asarray(detector.columns[name]).astype(int).tolist()
        for name in ("volume_id", "layer_id", "module_id")
    ]
    return [acts.GeometryIdentifier(volume=v, layer=k, sensitive=m) for v, k, m in zip(*columns, strict=True)]


def acts_detector(acts: Any, detector: Detector, field: float) -> ActsDetector:
    """ACTS's generic detector with our modules on it.

    Args:
        detector: ACTS's generic detector with any sensor; field: along z in T, not 0.

    Raises:
        InputError: no field, or modules that ACTS's generic detector has not.
    """
    if field == 0:
        raise InputError("ACTS: the field is 0, and its parameters of a seed need one")
    examples = acts.examples
    generic = examples.GenericDetector(examples.GenericDetector.Config(logLevel=acts.logging.WARNING))
    geometry = generic.trackingGeometry()
    surfaces: dict[int, Any] = {}
    geometry.visitSurfaces(lambda surface: surfaces.setdefault(surface.geometryId.value, surface))
    ids = module_ids(acts, detector)
    # ACTS's local axes are the table's u and v: three corners of a module must be the same points in both.
    context, forward = acts.GeometryContext.dangerouslyDefaultConstruct(), acts.Vector3(0, 0, 1)
    corners = [
        np.column_stack([u * detector.half_y, v * detector.half_x]) for u, v in ((1, 1), (-1, 1), (1, -1))
    ]
    points = [_to_global(detector, corner) for corner in corners]
    for k, identifier in enumerate(ids):
        surface = surfaces.get(identifier.value)
        if surface is None or any(
            np.abs(
                np.array([*surface.localToGlobal(context, acts.Vector2(*corner[k]), forward)]) - point[k]
            ).max()
            > SAME_MODULE
            for corner, point in zip(corners, points, strict=True)
        ):
            name = [identifier.volume, identifier.layer, identifier.sensitive]
            raise InputError(
                f"ACTS: module {name} (volume, layer, module) is not where ACTS's generic detector has it; "
                f"`smartpix detector` "
                "writes a table of that detector"
            )
    return ActsDetector(
        generic, geometry, acts.ConstantBField(acts.Vector3(0, 0, field * acts.UnitConstants.T)), ids
    )


def _to_global(detector: Detector, corner: Floats) -> Floats:
    """Points (M, 2) along each module's u and v in the global frame (M, 3), mm."""
    local = np.column_stack([detector.v_sign * corner[:, 1], detector.u_sign * corner[:, 0]])
    return detector.to_global(np.arange(len(detector)), local)


def local_measurements(hits: Hits, detector: Detector) -> tuple[Floats, Floats]:
    """Positions (N, 2) along the modules' u and v in mm, which are ACTS's local axes, and their variances (N,
    2).
    """
    x, y, _ = detector.to_local(hits.module, hits.position).T
    variance = hits.estimate.sigma()[:, :2] ** 2
    return np.column_stack([detector.u_sign[hits.module] * y, detector.v_sign[hits.module] * x]), variance[
        :, ::-1
    ]


def measurement_sources(
    acts: Any, events: Sequence[Hits], detector: Detector, setup: ActsDetector
) -> list[Any]:
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


def point_source(acts: Any, events: Sequence[Hits], setup: ActsDetector) -> Any:
    """An algorithm that puts space points of all hits, in their order, on the white board as ``points``."""
    link = acts.examples.IndexSourceLink

    def fill(event: int) -> tuple[Any]:
        hits = events[event]
        links = [link(setup.ids[m], k).toSourceLink() for k, m in enumerate(hits.module.tolist())]
        return (space_points(acts, hits, links),)

    return algorithm_of(acts, "Points", fill, writes=[("points", acts.SpacePointContainer)])


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
    acts: Any, setup: ActsDetector, proto_tracks_key: str, parameters_key: str, output: str = "fitted"
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


def track_parameters(tracks: Any) -> ActsParameters:
    """Of a container of ACTS's tracks."""
    columns = np.array(tracks.parameters, dtype=np.float64).reshape(-1, 6).T
    covariance = np.array(tracks.covariance, dtype=np.float64).reshape(-1, 6, 6)[:, :5, :5]
    chi2, ndf = np.array(tracks.chi2, dtype=np.float64), np.array(tracks.ndf, dtype=np.int64)
    d0, z0, phi, theta, qop = columns[:5]
    return ActsParameters(d0, z0, phi, theta, qop, covariance, chi2, ndf)


def as_tracks(rows: list[npt.NDArray[np.int64]]) -> Tracks:
    """Tracks of given rows of hits, with scores of 1."""
    start = np.cumsum([0, *(len(r) for r in rows)])
    return Tracks(
        np.concatenate([np.zeros(0, dtype=np.int64), *rows]), start, np.ones(len(rows), dtype=np.float32)
    )
