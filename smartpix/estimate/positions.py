"""The estimator that looks at no pixel: positions as the file tells them, directions from the beam line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from smartpix.clusters import FlatClusters
from smartpix.estimate.base import Estimate, position_estimate
from smartpix.geometry import Detector

__all__ = ["PositionEstimator"]


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
