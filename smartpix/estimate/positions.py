"""Estimates of hits without pixels: the position that the file tells, and directions from the beam line alone.

A hit without cluster tells nothing of the direction. What is left is where tracks come from: a straight line
from the centre of the luminous region to the hit. Its covariance holds the length of the luminous region and
the bend of the softest track, so that a cone of such a hit is the reference window's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.estimate.base import Estimate
from smartpix.geometry import Detector
from smartpix.physics import SPEED_OF_LIGHT
from smartpix.schema import InputError

__all__ = ["SOFTEST", "PositionEstimator", "position_estimate"]

Floats = npt.NDArray[np.float64]

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


def position_estimate(clusters: FlatClusters, detector: Detector, field: float) -> Estimate:
    """Estimates (C,) of positions and sigmas as the file has them, and directions from the beam line.

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
    sine = 0.5 * radius * 1e-6 * SPEED_OF_LIGHT * abs(field) / SOFTEST
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


@dataclass(frozen=True)
class PositionEstimator:
    """The estimator that looks at no pixel, for files of hits alone, and to see what directions are worth.

    Attributes:
        field: solenoid field in T.
        slices: of the file; none of their charges is read.
        descriptions, names: of weights; there are none.
    """

    field: float
    slices: Sequence[int]
    descriptions: Mapping[str, Mapping[str, Any]] = dataclass_field(default_factory=dict)
    names: Mapping[str, str] = dataclass_field(default_factory=dict)

    def predict(self, clusters: FlatClusters, detector: Detector) -> Estimate:
        """Estimates of all clusters, in their order."""
        return position_estimate(clusters, detector, self.field)
