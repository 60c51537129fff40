"""Position and direction of the particle from one cluster, with a calibrated covariance.

What an estimate is stands in :mod:`smartpix.estimate.base`. There are two estimators: networks
(:mod:`smartpix.estimate.mdn`) and the cluster's shape (:mod:`smartpix.estimate.shape`).
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.estimate.base import (
        Estimate,
        Estimator,
        estimate,
        same_sensor,
        sensor_of,
        truth_targets,
    )
    from smartpix.estimate.calibrate import apply_calibration, fit_calibration
    from smartpix.estimate.choose import choose_estimator
    from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
    from smartpix.estimate.options import EstimateWeights
    from smartpix.estimate.quality import residual_widths
    from smartpix.estimate.shape import ShapeEstimator, TrainShapeOptions, shape_features, train_shape

__all__ = [
    "Estimate",
    "EstimateWeights",
    "Estimator",
    "MdnEstimator",
    "MdnNetwork",
    "ShapeEstimator",
    "TrainShapeOptions",
    "apply_calibration",
    "choose_estimator",
    "estimate",
    "fit_calibration",
    "residual_widths",
    "same_sensor",
    "sensor_of",
    "shape_features",
    "train_shape",
    "truth_targets",
]

__getattr__ = public_names(
    __name__,
    base="Estimate Estimator estimate same_sensor sensor_of truth_targets",
    calibrate="apply_calibration fit_calibration",
    choose="choose_estimator",
    mdn="MdnEstimator MdnNetwork",
    options="EstimateWeights",
    quality="residual_widths",
    shape="ShapeEstimator TrainShapeOptions shape_features train_shape",
)
