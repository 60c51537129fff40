"""Estimates, whoever makes them: the interface, the frame, the truth, and the sensors they are for.

The two implementations are :mod:`smartpix.estimate.mdn` and :mod:`smartpix.estimate.shape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.calibration import corrected, scaled
from smartpix.clusters import FlatClusters, flatten
from smartpix.compiled import FAST, njit
from smartpix.geometry import Detector
from smartpix.io.events import Header
from smartpix.mirror import SIGNS, mirrored
from smartpix.notebook import span, words_and_table
from smartpix.physics import CURVATURE_PER_TESLA
from smartpix.rows import Rows
from smartpix.schema import N_COLUMNS, N_ROWS, REGIONS, TARGETS, InputError, origin_pixel
from smartpix.thumbnails import histogram

__all__ = [
    "ALIKE",
    "NARROWEST",
    "SOFTEST",
    "Estimate",
    "Estimator",
    "calibrated_clusters",
    "calibrated_estimate",
    "copied",
    "estimate",
    "estimate_flat",
    "longer",
    "position_estimate",
    "same_sensor",
    "sensor_of",
    "sensor_words",
    "thickness_in_pitches",
    "truth_targets",
    "window_center",
    "with_room",
]

Floats = npt.NDArray[np.float64]

ALIKE = 0.02
"""Relative difference of a sensor, or of a condition of its readout, up to which it counts as the same."""
SOFTEST = 0.2
"""GeV: transverse momentum of a track whose bend is one standard deviation of the direction; as that of a
single hit's cone, :class:`seeding.options.ConeOptions`."""
LARGEST_TURN = 1.0
"""rad: bend beyond which soft tracks do not reach the hit."""
NARROWEST = 0.05
"""Least standard deviation of a slope: scattering, and particles from beside the beam line."""
STEEPEST = 0.05
"""Least cosine of the line with the module's normal, which keeps slopes finite where the two are at right
angles.
"""
CENTER_ROW, CENTER_COLUMN = origin_pixel(N_ROWS), origin_pixel(N_COLUMNS)


@words_and_table
@dataclass(frozen=True)
class Estimate(Rows):
    """Gaussian estimates of N clusters in their sensor frames.

    Attributes:
        mean: (N, 4) x and y of the midplane crossing in mm from the module centre, cot alpha, cot beta.
        cholesky: (N, 4, 4) lower-triangular factor M of the covariance M M^T.
        flagged: (N,) the cluster does not fit the network's window or has charges that are not finite: its
            covariance is inflated. None flagged if left out.
    """

    mean: Floats
    cholesky: Floats
    flagged: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        if len(self.flagged) == 0:
            object.__setattr__(self, "flagged", np.zeros(len(self.mean), dtype=bool))

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, rows: npt.NDArray[np.int64]) -> Estimate:
        """Some of the estimates, in the order of ``rows``."""
        return Estimate(self.mean[rows], self.cholesky[rows], self.flagged[rows])

    def covariance(self) -> Floats:
        """(N, 4, 4)."""
        return np.asarray(self.cholesky @ np.swapaxes(self.cholesky, 1, 2))

    def sigma(self) -> Floats:
        """(N, 4) standard deviations: the row norms of the factor."""
        return np.asarray(np.linalg.norm(self.cholesky, axis=2))

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """x and y (mm), cot alpha and cot beta, their standard deviations, and whether flagged."""
        names = ("x", "y", "cot_alpha", "cot_beta")
        sigma = {f"sigma_{name}": column for name, column in zip(names, self.sigma().T, strict=True)}
        return dict(zip(names, self.mean.T, strict=True)) | sigma | {"flagged": self.flagged}

    def in_words(self) -> dict[str, str]:
        """How many, the slopes, and how well all are known."""
        words = {"clusters": f"{len(self):,} clusters, {self.flagged.sum():,} of them flagged"}
        for name, mean, sigma in zip(
            ("cot alpha", "cot beta"), self.mean.T[2:], self.sigma().T[2:], strict=True
        ):
            words[name] = f"{span(mean)}, known to {span(sigma)}"
        return words | {"x, y": f"known to {span(1e3 * self.sigma()[:, :2], 'µm')}"}

    def thumbnails(self) -> str:
        """Histograms of the slopes."""
        return histogram(self.mean[:, 2], "cot alpha") + histogram(self.mean[:, 3], "cot beta")


def with_room(*shape: int) -> Floats:
    """An array of that shape that :func:`longer` can make an eighth longer without a copy."""
    return np.empty((shape[0] + shape[0] // 8, *shape[1:]))[: shape[0]]


def copied(estimate: Estimate) -> Estimate:
    """Estimates in arrays of their own, with room for more."""
    mean, cholesky = with_room(*estimate.mean.shape), with_room(*estimate.cholesky.shape)
    mean[:], cholesky[:] = estimate.mean, estimate.cholesky
    return Estimate(mean, cholesky, estimate.flagged)


def longer(array: Floats, n: int) -> Floats:
    """An array with ``n`` more rows: itself where it has the room, else a copy."""
    base = array.base
    n_rows = len(array) + n
    if isinstance(base, np.ndarray) and base.shape[1:] == array.shape[1:] and len(base) >= n_rows:
        start = base.__array_interface__["data"][0] == array.__array_interface__["data"][0]
        if start and base.flags.c_contiguous and array.flags.c_contiguous and base.dtype == array.dtype:
            return base[:n_rows]
    grown = np.empty((n_rows, *array.shape[1:]))
    grown[: len(array)] = array
    return grown


class Estimator(Protocol):
    """Anything that turns clusters into estimates."""

    @property
    def slices(self) -> Sequence[int]:
        """Time slices it needs."""
        ...

    @property
    def descriptions(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of its training, by region."""
        ...

    def predict(self, clusters: FlatClusters, detector: Detector) -> Estimate:
        """Estimates of all clusters, in their order."""
        ...


def estimate(clusters: ak.Array, header: Header, estimator: Estimator) -> Estimate:
    """Estimates of cluster records (one event's, or flattened).

    In a field of the opposite sign to the training's they are those of the clusters' mirror images
    (:mod:`smartpix.mirror`).

    Raises:
        InputError: these are no cluster records, or they are on modules or pixels that the detector does not
            have. Or an estimate is not finite: the weights are damaged, or charges or positions that the
            estimator does not flag.
    """
    if isinstance(estimator, str):
        raise InputError(
            f"estimate: the estimator is '{estimator}'; give choose_estimator(header, '{estimator}')"
        )
    flat = calibrated_clusters(clusters, header, estimator)
    return calibrated_estimate(estimate_flat(flat, header, estimator), flat.module, header)


def calibrated_clusters(clusters: ak.Array, header: Header, estimator: Estimator) -> FlatClusters:
    """Plain arrays of cluster records with an estimator's slices, and with the charges that it was trained
    with, as far as the header's calibration tells these.
    """
    return scaled(flatten(clusters, estimator.slices), header.calibration)


def calibrated_estimate(found: Estimate, module: npt.NDArray[np.int32], header: Header) -> Estimate:
    """Estimates on modules (N,), corrected by the header's calibration, where it has one."""
    if header.calibration is None:
        return found
    mean, cholesky = corrected(found.mean, found.cholesky, module, header.detector, header.calibration)
    return Estimate(mean, cholesky, found.flagged)


def estimate_flat(flat: FlatClusters, header: Header, estimator: Estimator) -> Estimate:
    """The same of plain arrays with the estimator's slices, before any calibration.

    Raises:
        InputError: as :func:`estimate`.
    """
    detector = header.detector
    if np.any(bare := flat.bare):
        return _with_bare(flat, bare, header, estimator)
    if len(flat):
        _check_on(detector, "module_index", flat.module, len(detector))
        _check_on(detector, "pixels' row", flat.row, int(detector.n_rows.max()))
        _check_on(detector, "pixels' column", flat.column, int(detector.n_columns.max()))
    if header.field * _trained_in(estimator) < 0:
        seen, shift = mirrored(flat, detector)
        result = estimator.predict(seen, detector)
        mean = result.mean * SIGNS
        mean[:, 1] += shift
        result = Estimate(mean, result.cholesky * np.outer(SIGNS, SIGNS), result.flagged)
    else:
        result = estimator.predict(flat, detector)
    if not (_finite(result.mean.reshape(-1)) and _finite(result.cholesky.reshape(-1))):
        if not np.all(np.isfinite(flat.local)) or not np.all(np.isfinite(flat.charge)):
            raise InputError(
                "clusters: a pixel's charge, or local_x or local_y, is not finite; drop these clusters"
            )
        raise InputError(
            "estimates: the network gives values that are not finite; its weights are damaged, train or copy "
            "them again"
        )
    return result


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _finite(values: Any) -> bool:
    """Whether all of a contiguous array are: nothing times another number is nothing."""
    nothing = 0.0
    for i in range(len(values)):
        nothing += 0.0 * values[i]
    return nothing == 0.0


def _with_bare(
    flat: FlatClusters, bare: npt.NDArray[np.bool_], header: Header, estimator: Estimator
) -> Estimate:
    """Estimates of clusters, and of the ``bare`` hits (C,) among them, which have no pixels."""
    parts = [
        (rows := np.flatnonzero(~bare), estimate_flat(flat.take(rows), header, estimator)),
        (rows := np.flatnonzero(bare), position_estimate(flat.take(rows), header.detector, header.field)),
    ]
    whole = Estimate(with_room(len(flat), 4), with_room(len(flat), 4, 4))
    for rows, part in parts:
        whole.mean[rows], whole.cholesky[rows], whole.flagged[rows] = part.mean, part.cholesky, part.flagged
    return whole


def _check_on(detector: Detector, name: str, values: npt.NDArray[Any], limit: int) -> None:
    if len(values) == 0:
        return
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= limit:
        raise InputError(
            f"clusters: {name} goes from {low} to {high}, and the detector of {len(detector)} modules has 0 "
            f"to "
            f"{limit - 1}; clusters and header must be of the same file"
        )


def _trained_in(estimator: Estimator) -> float:
    """Field (T) of the clusters that an estimator was trained on; 0 where nothing tells it."""
    return next((float(d["sensor"]["field"]) for d in estimator.descriptions.values() if "sensor" in d), 0.0)


def position_estimate(clusters: FlatClusters, detector: Detector, field: float) -> Estimate:
    """Estimates (C,) of positions and sigmas as the file has them, and directions from the beam line.

    A hit without cluster tells nothing of the direction. What is left is where tracks come from: a straight
        line
    from the centre of the luminous region to the hit. Its covariance holds the length of the luminous region
    and the bend of the softest track, so that a cone of such a hit is the reference window's.

    Args:
        detector: in the frame of the beam.
        field: solenoid field in T.

    Raises:
        InputError: the clusters come without sigmas.
    """
    if clusters.sigma is None:
        raise InputError(
            "estimates: hits without pixels come without the sigmas of their positions; take them from cluster "
            "records (smartpix.clusters.flatten)"
        )
    point = detector.to_global(clusters.module, clusters.local)
    line = detector.direction_to_local(clusters.module, point)
    length = np.linalg.norm(line, axis=1)
    upright = np.where(line[:, 2] < 0, -1.0, 1.0) * np.maximum(np.abs(line[:, 2]), STEEPEST * length)
    cot = line[:, :2] / upright[:, None]
    # A chord and its circle's tangent differ by the angle whose sine is half of the chord over the radius.
    radius = np.hypot(point[:, 0], point[:, 1])
    sine = 0.5 * radius * CURVATURE_PER_TESLA * abs(field) / SOFTEST
    turn = np.minimum(np.arcsin(np.minimum(sine, 1.0)), LARGEST_TURN)
    bent = np.stack([-point[:, 1], point[:, 0], 0 * turn], axis=1) * turn[:, None]
    started = np.broadcast_to([0.0, 0.0, detector.frame.sigma_z], point.shape)
    slopes = np.zeros((len(point), 2, 2)) + NARROWEST**2 * np.eye(2)
    for shift in (bent, started):
        local = detector.direction_to_local(clusters.module, shift)
        change = (local[:, :2] - cot * local[:, 2:]) / upright[:, None]
        slopes += change[:, :, None] * change[:, None, :]
    cholesky = np.zeros((len(point), 4, 4))
    cholesky[:, [0, 1], [0, 1]] = clusters.sigma
    cholesky[:, 2:, 2:] = np.linalg.cholesky(slopes)
    return Estimate(np.concatenate([clusters.local, cot], axis=1), cholesky)


def truth_targets(
    clusters: ak.Array, min_share: float = 0.0, event: npt.NDArray[Any] | None = None
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """True (x, y, cot alpha, cot beta) of each cluster's main particle, (N, 4), and which clusters show its
    crossing.

    A cluster shows a crossing if it is the crossing's largest and one particle made ``min_share`` of its
    charge. The others are what delta rays leave beside it.

    Args:
        clusters: of one event, or of several, flattened.
        event: (N,) number of each cluster's event, where there are several.
    """
    main = ak.firsts(clusters["truth"])
    columns = [ak.to_numpy(ak.fill_none(main[name], np.nan)).astype(np.float64) for name in TARGETS]
    share = ak.to_numpy(ak.fill_none(main["share"], -1.0)).astype(np.float64)
    crossing = [
        ak.to_numpy(ak.fill_none(main[name], -1)).astype(np.int64) for name in ("particle_id", "order")
    ]
    crossing.append(np.zeros(len(share), dtype=np.int64) if event is None else event)
    charge = ak.to_numpy(clusters["charge"]) * share
    by_crossing = np.lexsort((-charge, *crossing))
    ids = np.stack(crossing)[:, by_crossing]
    first = np.ones(len(share), dtype=bool)
    first[1:] = np.any(ids[:, 1:] != ids[:, :-1], axis=0)
    largest = np.zeros(len(share), dtype=bool)
    largest[by_crossing[first]] = True
    return np.stack(columns, axis=1), largest & (share >= min_share)


def window_center(origin: npt.NDArray[Any], module: npt.NDArray[np.int32], detector: Detector) -> Floats:
    """(N, 2) x and y (mm) of the centre pixel (row 6, column 10) of windows that start at ``origin`` (row,
    column).
    """
    center = np.empty((len(origin), 2))
    _center(origin, module, detector.pitch_x, detector.pitch_y, detector.half_x, detector.half_y, center)
    return center


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _center(
    origin: Any, module: Any, pitch_x: Any, pitch_y: Any, half_x: Any, half_y: Any, center: Any
) -> None:
    for k in range(len(origin)):
        m = module[k]
        center[k, 0] = (origin[k, 1] + (CENTER_COLUMN + 0.5)) * pitch_x[m] - half_x[m]
        center[k, 1] = (origin[k, 0] + (CENTER_ROW + 0.5)) * pitch_y[m] - half_y[m]


def sensor_of(detector: Detector, field: float) -> dict[str, dict[str, float]]:
    """Pitch, thickness (mm) and field (T) of barrel and end-cap; strips, and a region without pixels, are
    left out.

    Raises:
        InputError: the modules of a region differ, so that one set of weights cannot serve it.
    """
    kinds = {}
    for region, of_region in zip(REGIONS, (detector.barrel, ~detector.barrel), strict=True):
        chosen = of_region & ~detector.strips
        if not np.any(chosen):
            continue
        values = np.stack([detector.pitch_x, detector.pitch_y, detector.thickness], axis=1)[chosen]
        if not np.allclose(values, values[0], rtol=1e-4):
            raise InputError(
                f"detector table: the {region} has modules of several pitches or thicknesses; split the file"
            )
        x, y, t = (round(float(v), 6) for v in values[0])
        kinds[region] = {"pitch_x": x, "pitch_y": y, "thickness": t, "field": field}
    return kinds


def thickness_in_pitches(sensor: Mapping[str, float]) -> tuple[float, float]:
    """A sensor's thickness in pitches along x and y."""
    return sensor["thickness"] / sensor["pitch_x"], sensor["thickness"] / sensor["pitch_y"]


def same_sensor(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Whether pitches, thickness and field agree to 2 %."""
    return all(abs(a[k] - b[k]) <= ALIKE * abs(b[k]) for k in ("pitch_x", "pitch_y", "thickness", "field"))


def sensor_words(sensor: Mapping[str, float]) -> str:
    """A sensor for people: "50 x 12.5 x 100 µm in 3.8 T"."""
    sizes = " x ".join(f"{1000 * sensor[k]:g}" for k in ("pitch_x", "pitch_y", "thickness"))
    return f"{sizes} µm in {sensor['field']:g} T"
