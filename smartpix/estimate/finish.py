"""From raw outputs of a network to estimates: units, calibration, truncated, long and unreadable clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from smartpix.estimate.finish_kernels import finish_all
from smartpix.networks.fused_blocks import BLOCK
from smartpix.schema import SMALLEST_SIGMA, TARGET_SCALE, InputError

__all__ = ["NO_SHAPES", "N_PREDICTED", "OF_SIGMA", "Finishing", "Tables", "in_blocks", "tables_of"]

Floats = npt.NDArray[np.float64]

OF_SIGMA = 2
"""Axis of the predicted sigma of the target itself."""
N_PREDICTED = 6
"""Values that are known from the network's outputs: two slopes and four sigmas."""
NO_SHAPES = np.zeros((0, 3))


class Tables(NamedTuple):
    """Calibration tables as kernels read them: I intervals between knots, each with what grows along it.

    Of a value the part is taken that lies in the interval, 0 to 1. Tables of several targets along one axis
    with the same knots share intervals; those of one target come behind them, target by target.

    Attributes:
        base: (8,) shift and logarithmic scale, one target after the other, at the first knots.
        first: (5,) where the intervals of each target alone begin, and the end; multiples of 4.
        axis: (I,) which of :data:`smartpix.estimate.finish_kernels.VALUES` an interval is along.
        at, inverse: (I,) where it begins, and 1 over its width (0: nothing is ever in it).
        together: (I, 8) what grows along it; alone: (I, 2) the same of the one target.
    """

    base: Floats
    first: npt.NDArray[np.int64]
    axis: npt.NDArray[np.int64]
    at: Floats
    inverse: Floats
    together: npt.NDArray[np.float32]
    alone: npt.NDArray[np.float32]

    @property
    def need_shapes(self) -> bool:
        """Whether an axis is not known from the predictions alone."""
        return bool(np.any(self.axis >= N_PREDICTED))


def tables_of(corrections: Sequence[Sequence[Mapping[str, Any]]]) -> Tables:
    """Tables of each target in the kernels' order.

    Args:
        corrections: as :func:`smartpix.estimate.calibrate.fit_calibration` gives them.
    """
    base = np.zeros(8)
    groups: dict[tuple[int, tuple[float, ...]], dict[int, Floats]] = {}
    for target, tables in enumerate(corrections):
        for table in tables:
            axis, at = int(table["axis"]), tuple(float(v) for v in table["at"])
            # Along its own sigma each target has a table of its own.
            axis += target if axis == OF_SIGMA else 3 * (axis > OF_SIGMA)
            values = np.stack([table["shift"], table["log_scale"]], axis=1)
            base[2 * target : 2 * target + 2] += values[0]
            of_group, grown = groups.setdefault((axis, at), {}), np.diff(values, axis=0)
            of_group[target] = of_group.get(target, np.zeros_like(grown)) + grown
    parts: list[list[tuple[float, ...]]] = [[] for _ in range(5)]
    for (axis, at), of_group in groups.items():
        place = 0 if len(of_group) > 1 else 1 + next(iter(of_group))
        for k, width in enumerate(np.diff(at)):
            grows = np.zeros(10)
            for target, grown in of_group.items():
                grows[2 * target : 2 * target + 2] = grown[k]
                grows[8:] = grown[k]
            parts[place].append((axis, at[k], 1 / width if width > 0 else 0.0, *grows))
    # Kernels take four at a time.
    for part in parts:
        part += [(0.0,) * 13] * (-len(part) % 4)
    rows = np.array([row for part in parts for row in part]).reshape(-1, 13)
    return Tables(
        base, np.cumsum([len(part) for part in parts]), rows[:, 0].astype(np.int64), rows[:, 1].copy(),
        rows[:, 2].copy(), rows[:, 3:11].astype(np.float32, order="C"),
        rows[:, 11:].astype(np.float32, order="C"),
    )  # fmt: skip


def in_blocks(raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Outputs (N, 14) as kernels give and take them: (B, 14, BLOCK), the last block filled up with zeros."""
    filled = np.concatenate([raw, np.zeros((-len(raw) % BLOCK, raw.shape[1]), dtype=raw.dtype)])
    return np.ascontiguousarray(filled.reshape(-1, BLOCK, raw.shape[1]).swapaxes(1, 2))


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
        tables = tables_of([])._replace(base=np.zeros(0)) if self.tables is None else self.tables
        return (
            np.array(TARGET_SCALE), SMALLEST_SIGMA, np.array(self.cells), *tables, np.array(self.wider),
            np.array(self.length or (), dtype=np.float64), np.array(self.added or (), dtype=np.float64),
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
            raw: (B, 14, BLOCK) outputs, see :func:`in_blocks`; None: the uncalibrated estimates are there.
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
            np.zeros((0, 0, 0), dtype=np.float32) if raw is None else raw,
            np.arange(len(mean)) if rows is None else rows, NO_SHAPES if shape is None else shape,
            nothing if truncated is None else truncated, nothing if bad is None else bad, *self._arrays,
            mean, cholesky,
        )  # fmt: skip
