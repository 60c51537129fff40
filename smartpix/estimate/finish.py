"""From raw outputs of a network to estimates: units, calibration, truncated, long and unreadable clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.estimate.finish_kernels import finish_all
from smartpix.schema import SMALLEST_SIGMA, TARGET_SCALE, InputError

__all__ = ["NO_SHAPES", "N_PREDICTED", "OF_SIGMA", "Finishing", "Tables", "tables_of"]

Floats = npt.NDArray[np.float64]

OF_SIGMA = 2
"""Axis of the predicted sigma of the target itself."""
N_PREDICTED = 6
"""Values that are known from the network's outputs: two slopes and four sigmas."""
NO_SHAPES = np.zeros((0, 3))


@dataclass(frozen=True)
class Tables:
    """Calibration tables as kernels read them: those of all targets along one axis with the same knots are
    one group.

    Attributes:
        axis: (G,) which of :data:`smartpix.estimate.finish_kernels.VALUES` a group is along.
        first: (G + 1,) where the knots of each group begin.
        at: (K,) the knots.
        knots: (K, 17) shifts (4) and logarithmic scales (4) at a knot, how much they grow to the next one
            (8), and 1 over the distance of the two (0 at the last).
    """

    axis: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    at: Floats
    knots: Floats

    @cached_property
    def need_shapes(self) -> bool:
        """Whether an axis is not known from the predictions alone."""
        return bool(np.any(self.axis >= N_PREDICTED))


def tables_of(corrections: Sequence[Sequence[Mapping[str, Any]]]) -> Tables:
    """Tables of each target in the kernels' order.

    Args:
        corrections: as :func:`smartpix.estimate.calibrate.fit_calibration` gives them.
    """
    groups: dict[tuple[int, tuple[float, ...]], Floats] = {}
    for target, tables in enumerate(corrections):
        for table in tables:
            axis, at = int(table["axis"]), tuple(float(v) for v in table["at"])
            # Along its own sigma each target has a table of its own.
            axis += target if axis == OF_SIGMA else 3 * (axis > OF_SIGMA)
            group = groups.setdefault((axis, at), np.zeros((len(at), 17)))
            group[:, target] += table["shift"]
            group[:, 4 + target] += table["log_scale"]
    for (_, at), group in groups.items():
        group[:-1, 8:16] = np.diff(group[:, :8], axis=0)
        width = np.diff(at)
        group[:-1, 16] = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)
    return Tables(
        np.array([axis for axis, _ in groups], dtype=np.int64),
        np.cumsum([0, *(len(at) for _, at in groups)]),
        np.array([v for _, at in groups for v in at], dtype=np.float64),
        np.concatenate([np.zeros((0, 17)), *groups.values()]),
    )


@dataclass(frozen=True)
class Finishing:
    """What makes estimates of a network's raw outputs: units, calibration, and what is known of others.

    Attributes:
        tables: of the calibration; None: there is none.
        cells: the sensor's thickness in pitches along x and y.
        wider: factors on the sigmas of truncated clusters.
        length: columns above which a cluster is longer than the window, and ``offset`` and ``sigma`` of
            :func:`smartpix.estimate.calibrate.fit_length`. The length gives such a cluster's cot alpha, but
            for its sign. None: not used.
        added: variances that are added in the end, of x, y, cot alpha and cot beta; None: nothing.
    """

    tables: Tables | None
    cells: tuple[float, float]
    wider: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    length: tuple[float, float, float] | None = None
    added: tuple[float, ...] | None = None

    @cached_property
    def _arrays(self) -> tuple[Any, ...]:
        tables = tables_of([]) if self.tables is None else self.tables
        return (
            np.array(TARGET_SCALE), SMALLEST_SIGMA, np.array(self.cells), tables.axis, tables.first,
            tables.at, tables.knots, np.array(self.wider), np.array(self.length or (), dtype=np.float64),
            np.array(self.added or (), dtype=np.float64),
        )  # fmt: skip

    def into(
        self,
        mean: Floats,
        cholesky: Floats,
        raw: npt.NDArray[Any] | None = None,
        rows: npt.NDArray[np.int64] | None = None,
        shape: Floats | None = None,
        truncated: npt.NDArray[np.bool_] | None = None,
        bad: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Fill ``mean`` (N, 4) and ``cholesky`` (N, 4, 4) at ``rows`` (R,), by default all.

        Args:
            raw: (R, 14) outputs; None: the uncalibrated estimates are there already.
            shape: (N, 3) of :func:`smartpix.estimate.calibrate.cluster_shapes`.
            truncated: (N,); bad: (N,) nothing is known of these.

        Raises:
            InputError: the calibration needs shapes, and there are none.
        """
        if shape is None and self.tables is not None and self.tables.need_shapes:
            raise InputError(
                "calibration: its tables are along the clusters' charge and size, which are not known; give "
                "the shapes, or calibrate without them"
            )
        nothing = np.zeros(0, dtype=bool)
        finish_all(
            np.zeros((0, 14), dtype=np.float32) if raw is None else raw,
            np.arange(len(mean)) if rows is None else rows, NO_SHAPES if shape is None else shape,
            nothing if truncated is None else truncated, nothing if bad is None else bad, *self._arrays,
            mean, cholesky,
        )  # fmt: skip
