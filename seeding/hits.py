"""One event's hits as plain arrays: what the cones and edges are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.compiled import FAST, njit
from smartpix.estimate.base import Estimate, Estimator
from smartpix.estimate.base import estimate as estimates_of
from smartpix.geometry import Detector
from smartpix.io.events import Header
from smartpix.notebook import one_line_and_table
from smartpix.schema import InputError

__all__ = ["Hits", "check_modules", "estimated_hits", "make_hits"]

Floats = npt.NDArray[np.float64]


@one_line_and_table
@dataclass(frozen=True)
class Hits:
    """Hits of one event; N rows, all contiguous.

    Attributes:
        hit_id: (N,) of the clusters.
        module, layer: (N,) rows of the detector's modules and layers.
        position: (N, 3) global, mm, from the estimates' x and y.
        estimate: of the clusters.
        axes: (N, 9) the module's sensor axes, x, y, z one after the other.
    """

    hit_id: npt.NDArray[np.int64]
    module: npt.NDArray[np.int32]
    layer: npt.NDArray[np.int32]
    position: Floats
    estimate: Estimate
    axes: Floats

    def __post_init__(self) -> None:
        n = len(self.hit_id)
        widths = {"module": (), "layer": (), "position": (3,), "axes": (9,)}
        shapes = {name: (getattr(self, name).shape, (n, *width)) for name, width in widths.items()}
        shapes["estimate.mean"] = (self.estimate.mean.shape, (n, 4))
        shapes["estimate.cholesky"] = (self.estimate.cholesky.shape, (n, 4, 4))
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise InputError(
                    f"hits: {name} has the shape {found} and hit_id {n} rows; expected {expected}"
                )

    def __len__(self) -> int:
        return len(self.hit_id)

    # Kept once asked for, and contiguous: compiled loops read both several times an event.
    @cached_property
    def cot(self) -> Floats:
        """(N, 2) estimated cot alpha and cot beta."""
        return np.ascontiguousarray(self.estimate.mean[:, 2:])

    @cached_property
    def cot_covariance(self) -> Floats:
        """(N, 3) covariance of cot alpha and cot beta: aa, ab, bb."""
        covariance = np.empty((len(self), 3))
        _slope_covariances(self.estimate.cholesky, covariance)
        return covariance

    @property
    def upright(self) -> npt.NDArray[np.bool_]:
        """(N,) the module stands along the beam, as on a cylinder; otherwise it lies across it, as on a
        disk.
        """
        return np.asarray(np.abs(self.axes[:, 8]) < np.sqrt(0.5))

    def take(self, rows: npt.NDArray[np.int64]) -> Hits:
        """Some of the hits, in the order of ``rows``."""
        names = ("hit_id", "module", "layer", "position", "axes")
        columns = {name: np.ascontiguousarray(getattr(self, name)[rows]) for name in names}
        return Hits(estimate=self.estimate.take(rows), **columns)


def check_modules(hits: Hits, detector: Detector, where: str) -> None:
    """Check that hits can be of this detector; compiled code would read beyond the end of its tables.

    Raises:
        InputError: a module or layer that the detector does not have, or a layer that is not the module's.
    """
    for name, rows, n in (
        ("module", hits.module, len(detector)),
        ("layer", hits.layer, len(detector.layers)),
    ):
        if len(rows) and not 0 <= rows.min() <= rows.max() < n:
            row = int(np.argmax((rows < 0) | (rows >= n)))
            raise InputError(
                f"{where}: hit {hits.hit_id[row]} (row {row}) has the {name} {rows[row]} and the detector "
                f"has {n}, "
                "numbered from 0; give the detector that the hits were made with"
            )
    wrong = hits.layer != detector.layer_index[hits.module]
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise InputError(
            f"{where}: hit {hits.hit_id[row]} (row {row}) has the layer {hits.layer[row]} and its module "
            f"{hits.module[row]} "
            f"lies in layer {detector.layer_index[hits.module[row]]}; give the detector that the hits were "
            f"made with"
        )


def make_hits(clusters: ak.Array, estimate: Estimate, detector: Detector) -> Hits:
    """Hits of one event's cluster records and their estimates.

    An estimate whose position lies off its module is pulled back to the module's edge.

    Raises:
        InputError: another number of clusters than of estimates.
    """
    if len(clusters) != len(estimate.mean):
        raise InputError(
            f"hits: there are {len(clusters)} clusters and {len(estimate.mean)} estimates; give those of the "
            f"same event"
        )
    module, n_modules = ak.to_numpy(clusters["module_index"]), len(detector)
    if len(module) and not 0 <= module.min() <= module.max() < n_modules:
        raise InputError(
            f"hits: module_index goes from {module.min()} to {module.max()}, and the detector has "
            f"{n_modules} modules, numbered from 0; give the detector that the clusters are of"
        )
    n = len(module)
    layer, position, axes = np.empty(n, dtype=np.int32), np.empty((n, 3)), np.empty((n, 9))
    tables = (detector.half_x, detector.half_y, detector.layer_index, detector.center, detector.axes)
    _place(module, estimate.mean, *tables, layer, position, axes)
    return Hits(ak.to_numpy(clusters["hit_id"]), module, layer, position, estimate, axes)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _place(
    module: Any, mean: Any, half_x: Any, half_y: Any, layer_of: Any, center: Any, axes: Any, layer: Any,
    position: Any, own: Any,
) -> None:  # fmt: skip
    """Fill layers (N,), positions (N, 3) and axes (N, 9) of hits on modules (N,) with tables of these."""
    for k in range(len(module)):
        m = module[k]
        # The particle crossed the module that it fired. Where the estimate says otherwise, the module's edge
        # is the nearest place that can be true.
        x, y = mean[k, 0], mean[k, 1]
        x = -half_x[m] if x < -half_x[m] else x
        y = -half_y[m] if y < -half_y[m] else y
        x = half_x[m] if x > half_x[m] else x
        y = half_y[m] if y > half_y[m] else y
        layer[k] = layer_of[m]
        for i in range(3):
            position[k, i] = center[m, i] + axes[m, i, 0] * x + axes[m, i, 1] * y
            for j in range(3):
                own[k, 3 * j + i] = axes[m, i, j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _slope_covariances(cholesky: Any, covariance: Any) -> None:
    """Fill (N, 3) from the rows of factors (N, 4, 4) that belong to the slopes."""
    for k in range(len(cholesky)):
        aa, ab, bb = 0.0, 0.0, 0.0
        for i in range(4):
            aa += cholesky[k, 2, i] * cholesky[k, 2, i]
            ab += cholesky[k, 2, i] * cholesky[k, 3, i]
            bb += cholesky[k, 3, i] * cholesky[k, 3, i]
        covariance[k, 0], covariance[k, 1], covariance[k, 2] = aa, ab, bb


def estimated_hits(
    clusters: ak.Array,
    header: Header,
    estimator: Estimator,
    lap: Callable[[str], object] = lambda step: None,
) -> Hits:
    """Hits of one event's cluster records, with the estimates of an estimator.

    Args:
        header: of the file that the clusters are of.
        lap: called with ``estimate`` and with ``hits``, at the end of each of these steps. A clock's ``lap``
            takes their times.

    Raises:
        InputError: as :func:`smartpix.estimate.base.estimate`.
    """
    estimates = estimates_of(clusters, header, estimator)
    lap("estimate")
    hits = make_hits(clusters, estimates, header.detector)
    lap("hits")
    return hits
