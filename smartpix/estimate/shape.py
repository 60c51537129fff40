"""Estimates from the shape of a cluster: the cross-check of the network, and the fallback for sensors it was
not trained for.

Lengths, charge-weighted widths, their correlation, edge charges and moments go into a scikit-learn regressor;
the covariance is that of its residuals among clusters of the same size (cf. the cluster-shape filters of CMS
and of ACTS's GBTS seeding).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters, flatten
from smartpix.estimate.base import Estimate, sensor_of, truth_targets
from smartpix.estimate.descriptions import load_shape_weights
from smartpix.estimate.shape_kernels import features_of_all, perceptron, take_factors
from smartpix.files import as_paths
from smartpix.geometry import Detector
from smartpix.io.events import iterate, open_events
from smartpix.networks.fused import padded
from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS, MOST_LAYERS, WIDEST
from smartpix.networks.weights import check_output, save_weights
from smartpix.provenance import by_path, origin
from smartpix.schema import REGIONS, TARGETS, InputError, check, check_types

__all__ = ["ARCHITECTURE", "FEATURES", "ShapeEstimator", "TrainShapeOptions", "shape_features", "train_shape"]

Floats = npt.NDArray[np.float64]

ARCHITECTURE = "shape-mlp-v1"
FEATURES = (
    "columns", "rows", "log10 charge", "width x", "width y", "correlation", "covariance", "first column",
    "last column",
    "first row", "last row", "skewness x", "skewness y",
)  # fmt: skip
FEWEST = 500
"""Clusters of a region to train on, and held out."""
MAX_COLUMNS, MAX_ROWS = 8, 4
"""Clusters at least this long share a covariance class."""


def shape_features(clusters: FlatClusters) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Features (C, 13) in pixels and shares of charge, and covariance classes (C,)."""
    n = len(clusters)
    features, size_class = np.empty((n, len(FEATURES))), np.empty(n, dtype=np.int64)
    features_of_all(
        clusters.first, clusters.counts, clusters.row, clusters.column,
        np.ascontiguousarray(clusters.charge[:, -1]), MAX_COLUMNS, MAX_ROWS, features, size_class,
    )  # fmt: skip
    return features, size_class


@dataclass(frozen=True)
class ShapeEstimator:
    """The trained regressor: per region the weights of a small perceptron and a table of covariance
    factors.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    descriptions: Mapping[str, Mapping[str, Any]]
    slices: Sequence[int]
    name: str = "weights"

    @classmethod
    def fit(
        cls,
        files: str | Path | Sequence[str | Path],
        output: str | Path,
        options: TrainShapeOptions | None = None,
    ) -> ShapeEstimator:
        """Train on simulated files of one sensor, save the weights and load them; arguments and errors of
        :func:`train_shape`.
        """
        train_shape(files, output, options or TrainShapeOptions())
        return cls.load(str(output))

    @classmethod
    def load(cls, name: str) -> ShapeEstimator:
        """Shipped weights by name, or others by path.

        Raises:
            InputError: missing or damaged files, or weights of another architecture.
        """
        arrays, description = load_shape_weights(name, ARCHITECTURE, len(FEATURES), MAX_COLUMNS * MAX_ROWS)
        descriptions = {
            region: {**description, "sensor": sensor} for region, sensor in description["sensor"].items()
        }
        return cls(arrays, descriptions, tuple(description["slices"]), str(name))

    @property
    def names(self) -> Mapping[str, str]:
        """Of the weights, by region."""
        return dict.fromkeys(self.descriptions, self.name)

    def predict(self, clusters: FlatClusters, detector: Detector) -> Estimate:
        """Estimates of all clusters, in their order."""
        features, size_class = shape_features(clusters)
        mean, cholesky = np.empty((len(clusters), 4)), np.empty((len(clusters), 4, 4))
        barrel = detector.barrel[clusters.module]
        for region, chosen in zip(REGIONS, (barrel, ~barrel), strict=True):
            rows = np.flatnonzero(chosen)
            if len(rows):
                _forward(self.arrays, region, features, rows, mean)
                factors = np.ascontiguousarray(self.arrays[f"{region}.cholesky"], dtype=np.float64)
                take_factors(rows, size_class, factors, cholesky)
        mean[:, :2] += clusters.local
        return Estimate(mean, cholesky, clusters.truncated)


def _forward(
    arrays: Mapping[str, npt.NDArray[Any]],
    region: str,
    features: Floats,
    rows: npt.NDArray[np.int64] | None = None,
    out: Floats | None = None,
) -> Floats:
    """The perceptron scikit-learn trained, for ``rows``, by default all; fills these of ``out`` (N, 4)."""
    own = {
        name: np.array(arrays[f"{region}.{name}"], dtype=np.float64)
        for name in ("feature_mean", "feature_std", "target_mean", "target_std")
    }
    layers = range(sum(name.startswith(f"{region}.weight") for name in arrays))
    weights = tuple(padded(np.array(arrays[f"{region}.weight{k}"], dtype=np.float64)) for k in layers)
    biases = tuple(np.array(arrays[f"{region}.bias{k}"], dtype=np.float64) for k in layers)
    out = np.empty((len(features), len(TARGETS))) if out is None else out
    perceptron(
        np.arange(len(features)) if rows is None else rows, features, own["feature_mean"], own["feature_std"],
        weights, biases, own["target_mean"], own["target_std"], out,
    )  # fmt: skip
    return out


@dataclass(frozen=True)
class TrainShapeOptions:
    """Options of the training: size of the perceptron, passes, seed, share of clusters held out for the
    covariance.
    """

    hidden: tuple[int, ...] = (48, 24)
    epochs: int = 30
    seed: int = 1
    validation_share: float = 0.3
    min_share: float = 0.95

    def __post_init__(self) -> None:
        check_types("train shape", self)
        check(
            "train shape",
            "epochs",
            self.epochs,
            1 <= self.epochs <= MOST_EPOCHS,
            f"at least 1 and at most {MOST_EPOCHS}",
        )
        check(
            "train shape",
            "seed",
            self.seed,
            0 <= self.seed <= LARGEST_SEED,
            f"0 or more and at most {LARGEST_SEED}",
        )
        good = len(self.hidden) <= MOST_LAYERS and all(
            isinstance(n, int) and 1 <= n <= WIDEST for n in self.hidden
        )
        check(
            "train shape",
            "hidden",
            self.hidden,
            good,
            f"widths of at most {MOST_LAYERS} layers, from 1 to {WIDEST} each",
        )
        check(
            "train shape",
            "validation_share",
            self.validation_share,
            0 < self.validation_share < 1,
            "between 0 and 1",
        )


def train_shape(
    files: str | Path | Sequence[str | Path], output: str | Path, options: TrainShapeOptions
) -> dict[str, Any]:
    """Train on simulated files of one sensor and save the weights, which do not depend on the number of cores
    or threads.

    Returns:
        By region the 68 % half widths of the held-out residuals, and the numbers of clusters.

    Raises:
        InputError: a file has no truth, or too few clusters.
    """
    files = as_paths(files)
    check_output(output)
    collected: dict[str, list[tuple[Floats, npt.NDArray[np.int64], Floats]]] = {r: [] for r in REGIONS}
    header = open_events(files[0]).header
    sensor = sensor_of(header.detector, header.field)
    last = header.slices[-1]
    for opened, events in iterate(list(files), step=5):
        if not opened.has_truth:
            raise InputError(f"{opened.path}: has no truth to train on; give simulated files")
        if sensor_of(opened.header.detector, opened.header.field) != sensor:
            raise InputError(
                f"{opened.path}: has another sensor than {files[0]}; train on one sensor at a time"
            )
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
        clusters = ak.flatten(events["clusters"], axis=1)
        target, has = truth_targets(clusters, options.min_share, event)
        flat = flatten(clusters, (last,))
        if not (
            np.all(np.isfinite(flat.charge))
            and np.all(np.isfinite(flat.local))
            and np.all(np.isfinite(target[has]))
        ):
            raise InputError(
                f"{opened.path}: a pixel's charge, a position or a truth is not finite; leave these clusters "
                f"out, "
                "or make the file again"
            )
        features, size_class = shape_features(flat)
        target[:, :2] -= flat.local
        detector = opened.header.detector
        barrel, has = detector.barrel[flat.module], has & ~detector.strips[flat.module]
        for region, chosen in zip(REGIONS, (barrel & has, ~barrel & has), strict=True):
            collected[region].append((features[chosen], size_class[chosen], target[chosen]))
    arrays: dict[str, npt.NDArray[Any]] = {}
    metrics: dict[str, Any] = {}
    for region in sensor:
        if not collected[region]:
            raise InputError(f"{', '.join(map(str, files))}: no events to train on; simulate more")
        x, size_class, y = (np.concatenate(part) for part in zip(*collected[region], strict=True))
        n_held = int(options.validation_share * len(x))
        if len(x) < 5000:
            few = f"{', '.join(map(str, files))}: {len(x):,} clusters of the {region} are too few to train on"
            raise InputError(f"{few}; simulate more events, for at least 5,000")
        if min(n_held, len(x) - n_held) < FEWEST:
            raise InputError(
                f"train shape: validation_share {options.validation_share} of {len(x):,} clusters holds out "
                f"{n_held:,}, and at "
                f"least {FEWEST} are needed both for that and to train on"
            )
        trained, metrics[region] = _train_region(x, size_class, y, n_held, options)
        arrays |= {f"{region}.{name}": values for name, values in trained.items()}
    description = {
        "architecture": ARCHITECTURE, "sensor": sensor, "slices": [last], "options": asdict(options),
        "data": dict(header.made_by), "metrics": metrics, "provenance": origin(by_path(files)),
    }  # fmt: skip
    save_weights(output, arrays, description)
    return metrics


def _train_region(
    x: Floats, size_class: npt.NDArray[np.int64], y: Floats, n_held: int, options: TrainShapeOptions
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays and metrics of one region, of features, covariance classes and targets; the last ``n_held`` are
    held out.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from threadpoolctl import threadpool_limits

    # A few grazing loopers would dominate the squared loss and the covariance; the classes' tails are cut
    # there.
    low, high = np.percentile(y, [0.2, 99.8], axis=0)
    y = np.clip(y, low, high)
    arrays = {
        "feature_mean": x.mean(0),
        "feature_std": np.maximum(x.std(0), 1e-3),
        "target_mean": y.mean(0),
        "target_std": y.std(0),
    }
    network = MLPRegressor(
        hidden_layer_sizes=options.hidden,
        max_iter=options.epochs,
        random_state=options.seed,
        batch_size=500,
        tol=0.0,
        n_iter_no_change=options.epochs,
    )
    # Several threads add in another order: with one the weights are the same on any number of cores, and
    # products this small take no longer.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # The number of epochs is ours; that scikit-learn would go on is no news.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(
            (x[:-n_held] - arrays["feature_mean"]) / arrays["feature_std"],
            (y[:-n_held] - arrays["target_mean"]) / arrays["target_std"],
        )
        for k, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
            arrays[f"weight{k}"], arrays[f"bias{k}"] = weight, bias
        residual = y[-n_held:] - _forward(
            {f"own.{name}": values for name, values in arrays.items()}, "own", x[-n_held:]
        )
        arrays["cholesky"] = _class_factors(residual, size_class[-n_held:])
    half_widths = np.percentile(np.abs(residual), 68.27, axis=0).tolist()
    return arrays, {
        "n_train": len(x) - n_held,
        "n_validation": n_held,
        "half_width_68": dict(zip(TARGETS, half_widths, strict=True)),
    }


def _class_factors(residual: Floats, size_class: npt.NDArray[np.int64]) -> Floats:
    """Cholesky factors (32, 4, 4) of the residuals' second moments; classes with under 200 clusters take the
    pooled one.
    """
    # About 0, not about the mean: what the regressor is off by on average is an error, too.
    pooled = residual.T @ residual / len(residual)
    factors = np.tile(
        # A little variance more (of 0.1 um, 0.03 um and 0.001), without which equal residuals have no factor.
        np.linalg.cholesky(pooled + np.diag([1e-8, 1e-9, 1e-6, 1e-6])),
        (MAX_COLUMNS * MAX_ROWS, 1, 1),
    )
    for k in range(MAX_COLUMNS * MAX_ROWS):
        part = residual[size_class == k]
        # Of 200 residuals a variance is known to 10 %.
        if len(part) >= 200:
            factors[k] = np.linalg.cholesky(part.T @ part / len(part) + np.diag([1e-8, 1e-9, 1e-6, 1e-6]))
    return factors
