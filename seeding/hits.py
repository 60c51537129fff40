"""One event's hits as plain arrays: what the cones and edges are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.compiled import FAST, njit
from smartpix.estimate.base import (
    Estimate,
    Estimator,
    calibrated_clusters,
    calibrated_estimate,
    estimate_flat,
)
from smartpix.geometry import Detector
from smartpix.io.events import Header
from smartpix.merged.split import Splitter, numbers_of_alike
from smartpix.notebook import span, words_and_table
from smartpix.rows import Rows
from smartpix.schema import InputError
from smartpix.thumbnails import hit_maps

if TYPE_CHECKING:
    from smartpix.estimate.components import Components
    from smartpix.merged.directions import Directions

__all__ = ["Hits", "Mixed", "check_modules", "estimated_hits", "make_hits"]

Floats = npt.NDArray[np.float64]


class Mixed(NamedTuple):
    """Hits whose directions have several possibilities.

    Attributes:
        rows: (R,) of the hits, each once.
        components: of these; their slopes alone count, a hit's place is that of its estimate.
        quantile: share of true edges that the joint test keeps where an end is one of these.
    """

    rows: npt.NDArray[np.int64]
    components: Components
    quantile: float

    def take(self, rows: npt.NDArray[np.int64], n: int) -> Mixed:
        """Those among the hits ``rows`` of n, with their new rows."""
        place = np.full(n, -1)
        place[self.rows] = np.arange(len(self.rows))
        new = np.flatnonzero(place[rows] >= 0)
        return Mixed(new, self.components.take(place[rows[new]]), self.quantile)


@words_and_table
@dataclass(frozen=True)
class Hits(Rows):
    """Hits of one event; N rows, all contiguous.

    Attributes:
        hit_id: (N,) of the clusters.
        module, layer: (N,) rows of the detector's modules and layers.
        position: (N, 3) global, mm, from the estimates' x and y.
        estimate: of the clusters.
        axes: (N, 9) the module's sensor axes, x, y, z one after the other.
        cluster: (N,) rows of the clusters among the event's. A merged cluster gives several hits. Each may
            be on one track; those of one estimate are shared. Left out: each cluster gives one, in their
            order.
        mixed: hits that edges are searched from with several possibilities; None: there are none. All else
            reads the one estimate.
        time: (N,) ns, where the file has it.
    """

    hit_id: npt.NDArray[np.int64]
    module: npt.NDArray[np.int32]
    layer: npt.NDArray[np.int32]
    position: Floats
    estimate: Estimate
    axes: Floats
    cluster: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    mixed: Mixed | None = None
    time: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.hit_id)
        if len(self.cluster) == 0:
            object.__setattr__(self, "cluster", np.arange(n))
        widths = {"module": (), "layer": (), "position": (3,), "axes": (9,), "cluster": ()}
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
    def n_parts(self) -> npt.NDArray[np.int64]:
        """(N,) hits that each hit's cluster gives: 1, unless it is split or shared."""
        return np.bincount(self.cluster)[self.cluster]

    @cached_property
    def part(self) -> npt.NDArray[np.int64]:
        """(N,) number of each hit among those of its cluster, from 0."""
        part, number = np.zeros(len(self), dtype=np.int64), dict[int, int]()
        for row in self._further[0].tolist():
            number[self.cluster[row]] = part[row] = number.get(self.cluster[row], 0) + 1
        return part

    @cached_property
    def shared(self) -> npt.NDArray[np.bool_]:
        """(N,) the hit has the estimate of another one of its cluster: nobody knows whose is whose."""
        shared = np.zeros(len(self), dtype=bool)
        several = np.union1d(*self._further)
        numbers = numbers_of_alike(self.cluster[several], self.estimate.mean[several])
        shared[several] = np.bincount(numbers)[numbers] > 1
        return shared

    @cached_property
    def _further(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Hits of a cluster that gives another one before, and the first of that cluster."""
        n, none = len(self), np.zeros(0, dtype=np.int64)
        n_leading = _leading(self.cluster)
        if n_leading == n:
            return none, none
        if n_leading > self.cluster[n_leading:].max():
            # A hit of every cluster, then the further ones, as splitters give them.
            return np.arange(n_leading, n), self.cluster[n_leading:]
        n_clusters = int(self.cluster.max()) + 1
        first = np.empty(n_clusters, dtype=np.int64)
        first[self.cluster[::-1]] = np.arange(n)[::-1]
        further = np.flatnonzero(first[self.cluster] != np.arange(n))
        return further, first[self.cluster[further]]

    @property
    def upright(self) -> npt.NDArray[np.bool_]:
        """(N,) the module stands along the beam, as on a cylinder; otherwise it lies across it, as on a
        disk.
        """
        return np.asarray(np.abs(self.axes[:, 8]) < np.sqrt(0.5))

    def take(self, rows: npt.NDArray[np.int64]) -> Hits:
        """Some of the hits, in the order of ``rows``."""
        names = ("hit_id", "module", "layer", "position", "axes", "cluster")
        columns = {name: np.ascontiguousarray(getattr(self, name)[rows]) for name in names}
        mixed = None if self.mixed is None else self.mixed.take(rows, len(self))
        time = None if self.time is None else self.time[rows]
        return Hits(estimate=self.estimate.take(rows), mixed=mixed, time=time, **columns)

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Ids, places (mm), slopes on the module, their standard deviations, and times (ns) where there
        are.
        """
        of_estimate = self.estimate.table()
        names = ("cot_alpha", "cot_beta", "sigma_x", "sigma_y", "sigma_cot_alpha", "sigma_cot_beta")
        columns = {name: getattr(self, name) for name in ("hit_id", "module", "layer", "cluster")}
        columns |= dict(zip("xyz", self.position.T, strict=True)) | {
            name: of_estimate[name] for name in names
        }
        return columns if self.time is None else columns | {"time": self.time}

    def in_words(self) -> dict[str, str]:
        """How many, where they are, and their slopes."""
        n_layers, n_clusters = len(np.unique(self.layer)), len(np.unique(self.cluster))
        x, y, z = self.position.T
        return {
            "hits": f"{len(self):,} hits of {n_clusters:,} clusters, on {n_layers} layers",
            "r": span(np.hypot(x, y), "mm"),
            "z": span(z, "mm"),
            "cot alpha": span(self.cot[:, 0]),
            "cot beta": span(self.cot[:, 1]),
        }

    def thumbnails(self) -> str:
        """The hits in z and r, and in x and y."""
        return hit_maps(self.position)


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


def make_hits(
    clusters: ak.Array,
    estimate: Estimate,
    detector: Detector,
    cluster: npt.NDArray[np.int64] | None = None,
) -> Hits:
    """Hits of one event's cluster records and their estimates.

    An estimate whose position lies off its module is pulled back to the module's edge.

    Args:
        cluster: (N,) row of the cluster that each estimate is of; None: one estimate a cluster, in their
            order.

    Raises:
        InputError: another number of clusters than of estimates.
    """
    n_rows = len(clusters) if cluster is None else len(cluster)
    if n_rows != len(estimate.mean):
        raise InputError(
            f"hits: there are {n_rows} clusters and {len(estimate.mean)} estimates; give those of the "
            f"same event"
        )
    module, n_modules = ak.to_numpy(clusters["module_index"]), len(detector)
    if len(module) and not 0 <= module.min() <= module.max() < n_modules:
        raise InputError(
            f"hits: module_index goes from {module.min()} to {module.max()}, and the detector has "
            f"{n_modules} modules, numbered from 0; give the detector that the clusters are of"
        )
    hit_id = ak.to_numpy(clusters["hit_id"])
    if cluster is None:
        cluster = np.arange(len(module))
    else:
        module, hit_id = module[cluster], hit_id[cluster]
    n = len(module)
    layer, position, axes = np.empty(n, dtype=np.int32), np.empty((n, 3)), np.empty((n, 9))
    tables = (detector.half_x, detector.half_y, detector.layer_index, detector.center, detector.axes)
    _place(module, estimate.mean, *tables, layer, position, axes)
    time = ak.to_numpy(clusters["time"])[cluster] if "time" in clusters.fields else None
    return Hits(hit_id, module, layer, position, estimate, axes, cluster, time=time)


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


@njit(cache=True, nogil=True)
def _leading(cluster: Any) -> int:
    """How many hits at the start are of the clusters 0, 1, 2 and so on."""
    n = 0
    while n < len(cluster) and cluster[n] == n:
        n += 1
    return n


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
    splitter: Splitter | None = None,
    directions: Directions | None = None,
) -> Hits:
    """Hits of one event's cluster records, with the estimates of an estimator.

    Args:
        header: of the file that the clusters are of.
        lap: called with ``estimate``, with ``split`` where there is a splitter, and with ``hits``, at the end
            of each of these steps. A clock's ``lap`` takes their times.
        splitter: tells which clusters give several hits; None: each gives one.
        directions: gives each hit of the end-caps that is its cluster's only one several possibilities, as a
            part of ``estimate``; None: none has them.

    Raises:
        InputError: as :func:`smartpix.estimate.base.estimate`.
    """
    flat, cluster = calibrated_clusters(clusters, header, estimator), None
    estimates = estimate_flat(flat, header, estimator)
    lap("estimate")
    if splitter is not None:
        estimates, cluster = splitter(flat, header, estimates)
        lap("split")
    estimates = calibrated_estimate(
        estimates, flat.module if cluster is None else flat.module[cluster], header
    )
    mixed = None
    if directions is not None:
        of_hit = np.arange(len(flat)) if cluster is None else cluster
        is_alone = np.bincount(of_hit, minlength=len(flat))[of_hit] == 1
        rows = np.flatnonzero(is_alone & ~flat.bare[of_hit] & ~header.detector.barrel[flat.module[of_hit]])
        components = directions.network.components(flat, of_hit[rows], header.detector, header.field)
        mixed = Mixed(rows, components, directions.quantile)
        lap("estimate")
    hits = make_hits(clusters, estimates, header.detector, cluster)
    hits = hits if mixed is None else replace(hits, mixed=mixed)
    lap("hits")
    return hits
