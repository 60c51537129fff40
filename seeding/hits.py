"""One event's hits as plain arrays: what the cones and edges are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import awkward as ak
import numpy as np
import numpy.typing as npt

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
        # The rows of the factor that belong to the slopes; the whole 4 x 4 product would take longer than all
        # the rest.
        alpha, beta = self.estimate.cholesky[:, 2], self.estimate.cholesky[:, 3]
        pairs = ((alpha, alpha), (alpha, beta), (beta, beta))
        return np.stack([np.einsum("nk,nk->n", a, b) for a, b in pairs], axis=1)

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
    module = ak.to_numpy(clusters["module_index"])
    # The particle crossed the module that it fired. Where the estimate says otherwise, the module's edge is
    # the nearest place that can be true.
    half = np.stack([detector.half_x, detector.half_y], axis=1)[module]
    local = np.clip(estimate.mean[:, :2], -half, half)
    return Hits(
        hit_id=ak.to_numpy(clusters["hit_id"]),
        module=module,
        layer=detector.layer_index[module],
        position=detector.to_global(module, local),
        estimate=estimate,
        axes=np.ascontiguousarray(np.swapaxes(detector.axes[module], 1, 2).reshape(-1, 9)),
    )


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
