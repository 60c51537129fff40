"""Hits from ACTS's own digitisation: directions from the lengths of its clusters, for detectors without smart
pixels.

pyacts 48 hands the pixels of a cluster to no Python code: of a ``Cluster`` it shows the lengths along both
axes and the sum of the activations. The lengths tell how steep a particle was, not from which side it came;
where it can come from tells that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions
from seeding.hits import Hits, make_hits
from seeding.table import max_curvature
from smartpix.estimate.base import Estimate
from smartpix.extras import import_acts
from smartpix.geometry import Detector
from smartpix.schema import InputError
from tracking.acts.setup import module_ids
from tracking.finders.gnn.options import WIDE

__all__ = ["cluster_hits", "length_hits", "length_slopes"]

Floats = npt.NDArray[np.float64]

N_SIGMA = 3.0
"""Of the luminous region and of a length, beyond which a sign is ruled out."""


def cluster_hits(
    detector: Detector, field: float, cone: ConeOptions = WIDE
) -> Callable[[int, Any, Any], Hits]:
    """The ``hits`` of :func:`tracking.acts.seeder.cone_seeder` for ACTS's own measurements and clusters,
    given as its ``reads``.

    Positions and their variances are those of the measurements, without correlation; measurements on other
    modules, such as strips, are left out. Charges must not drift sideways in the sensor, as by default in
    ACTS's geometric digitisation.

    Args:
        detector: module table with the digitisation's pitch and thickness; field: along z in T.
        cone: its luminous region and softest momentum say where particles come from.

    Raises:
        InputError: ACTS is not installed; when called, measurements without a cluster each, or those of the
            table are not first.
    """
    acts = import_acts()
    module_of = {identifier.value: row for row, identifier in enumerate(module_ids(acts, detector))}

    def hits(event: int, measurements: Any, clusters: Any) -> Hits:
        if len(measurements) != len(clusters):
            raise InputError(
                f"cluster_hits: {len(measurements)} measurements and {len(clusters)} clusters; each needs one"
            )
        rows: list[tuple[float, ...]] = []
        for k, (measurement, cluster) in enumerate(zip(measurements, clusters, strict=True)):
            row = module_of.get(measurement.geometryId.value)
            if row is None:
                continue
            if k > len(rows):
                raise InputError(
                    f"cluster_hits: measurement {k} is on a module of the detector table and comes after "
                    f"others that are not; "
                    "ACTS sorts them by volume: give a table with the lowest volumes, as pixels are"
                )
            at, covariance = measurement.fullParameters, measurement.fullCovariance
            rows.append(
                (row, at[0], at[1], covariance[0, 0], covariance[1, 1], cluster.sizeLoc0, cluster.sizeLoc1)
            )
        table = np.array(rows, dtype=np.float64).reshape(-1, 7)
        module = table[:, 0].astype(np.int32)
        # ACTS's local axes are the table's u and v: our y and x.
        local = np.column_stack(
            [detector.v_sign[module] * table[:, 2], detector.u_sign[module] * table[:, 1]]
        )
        records = ak.zip({"hit_id": np.arange(len(table)), "module_index": module})
        return length_hits(records, local, np.sqrt(table[:, 4:2:-1]), table[:, :4:-1], detector, field, cone)

    return hits


def length_hits(
    clusters: ak.Array,
    local: Floats,
    sigma: Floats,
    size: Floats,
    detector: Detector,
    field: float,
    cone: ConeOptions = WIDE,
) -> Hits:
    """Hits of measured positions, with directions from the clusters' lengths.

    Args:
        clusters: N records with ``hit_id`` and ``module_index``.
        local, sigma: (N, 2) x and y on the module and their standard deviations, mm; size: (N, 2) pixels
            along x and y.
    """
    module = ak.to_numpy(clusters["module_index"])
    slope, spread = length_slopes(detector.to_global(module, local), module, size, detector, field, cone)
    cholesky = np.zeros((len(module), 4, 4))
    cholesky[:, np.arange(4), np.arange(4)] = np.column_stack([sigma, spread])
    return make_hits(clusters, Estimate(np.column_stack([local, slope]), cholesky), detector)


def length_slopes(
    position: Floats,
    module: npt.NDArray[np.int32],
    size: Floats,
    detector: Detector,
    field: float,
    cone: ConeOptions,
) -> tuple[Floats, Floats]:
    """cot alpha and cot beta (N, 2) of clusters of given lengths, and their standard deviations (N, 2).

    A straight path that covers n pixels along an axis is (n - 1) pitches long there, give or take a pitch /
    sqrt(6): its ends lie anywhere in the first and the last pixel. Where particles from the luminous region
    can have that slope with one sign only, it has that sign. Otherwise the mean is 0, and the standard
    deviation holds the slope.

    Args:
        position: (N, 3) global, mm; size: (N, 2) pixels along x and y.
    """
    pitch = np.stack([detector.pitch_x, detector.pitch_y], axis=1)[module]
    thickness = detector.thickness[module, None]
    steep, sigma = (size - 1) * pitch / thickness, pitch / thickness / np.sqrt(6)
    low, high = _slopes_from_beam(position, module, detector, field, cone)
    reach = N_SIGMA * sigma
    plus = (steep + reach > low) & (steep - reach < high)
    minus = (-steep + reach > low) & (-steep - reach < high)
    sign = np.where(plus == minus, 0.0, np.where(plus, 1.0, -1.0))
    return sign * steep, np.where(sign == 0, np.hypot(steep, sigma), sigma)


def _slopes_from_beam(
    position: Floats, module: npt.NDArray[np.int32], detector: Detector, field: float, cone: ConeOptions
) -> tuple[Floats, Floats]:
    """Smallest and largest cot alpha and cot beta (N, 2) at the hits of particles from the luminous
    region.
    """
    radius, azimuth = np.hypot(position[:, 0], position[:, 1]), np.arctan2(position[:, 1], position[:, 0])
    bend = np.arcsin(np.minimum(0.5 * radius * max_curvature(field, cone.min_pt), 1.0))
    corners = []
    for z0 in (-N_SIGMA * cone.sigma_z0, N_SIGMA * cone.sigma_z0):
        for turn in (-bend, bend):
            direction = np.stack(
                [radius * np.cos(azimuth + turn), radius * np.sin(azimuth + turn), position[:, 2] - z0],
                axis=1,
            )
            along = np.einsum("ngi,ng->ni", detector.axes[module], direction)
            corners.append(along[:, :2] / np.maximum(along[:, 2:], 1e-6))
    return np.min(corners, axis=0), np.max(corners, axis=0)
