"""Networks of several components: the particles of a merged cluster, or the possibilities of one particle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_softmax, logit

from smartpix.clusters import FlatClusters, pixel_lists
from smartpix.estimate.base import thickness_in_pitches, window_center
from smartpix.estimate.calibrate import AXES
from smartpix.estimate.components import Components
from smartpix.estimate.descriptions import TRUNCATED_SCALE as TRUNCATED_SCALE_RULE
from smartpix.estimate.descriptions import (
    Sort,
    Weights,
    calibration_rule,
    float_rule,
    load_sorted_weights,
)
from smartpix.estimate.finish import Finishing, in_blocks, tables_of
from smartpix.estimate.mdn import TRUNCATED_SCALE
from smartpix.geometry import Detector
from smartpix.mirror import SIGNS, is_opposite, mirrored
from smartpix.networks.fused import FusedNetwork, check_images, fuse
from smartpix.networks.plan import N_OUTPUTS
from smartpix.outlines import Outlines, outlines_of
from smartpix.rules import Rule, fields, items, real, whole

__all__ = [
    "MIXTURE",
    "MOST_COMPONENTS",
    "SET",
    "MixtureNetwork",
    "calibrated_weights",
    "load_mixture_weights",
    "outputs_of",
]

Floats = npt.NDArray[np.float64]

SET, MIXTURE = "set", "mixture"
"""What components are: particles of a cluster, or possibilities of one particle. Architectures begin so."""
MOST_COMPONENTS = 3
LARGEST_LOGIT = 30.0


def outputs_of(sort: str, n: int) -> int:
    """Number of outputs of a network of n components; of a mixture, the weights need n - 1 more."""
    return n * N_OUTPUTS + (n - 1 if sort == MIXTURE else 0)


@dataclass(frozen=True)
class MixtureNetwork:
    """One trained network of several components with its calibration, ready to run.

    Attributes:
        fused: the network's kernels.
        description: what is known of it; ``architecture`` and ``components`` say what it is of;
            ``calibration`` (one for each component), ``reliability`` (of a mixture's weights) and
            ``truncated_scale`` are used if they are there, as in files they must be.
        name: of the weights, for messages.
    """

    fused: FusedNetwork
    description: Mapping[str, Any]
    name: str = "weights"

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any], name: str = "weights"
    ) -> MixtureNetwork:
        """From a torch module's arrays by name, and the description saved with them."""
        return cls(fuse(arrays, description["network"]), description, name)

    @classmethod
    def load(cls, name: str | Path, *sorts: str) -> MixtureNetwork:
        """Shipped weights by name, or others by path, of the ``sorts`` (all if left out).

        Raises:
            InputError: missing or damaged files, weights of something else, or a description or arrays that
                do not fit; names the key.
        """
        return cls.from_arrays(*load_mixture_weights(name, *sorts), str(name))

    @property
    def n(self) -> int:
        """Number of components."""
        return int(self.description["components"])

    @property
    def is_set(self) -> bool:
        """Whether each component is a particle of its own."""
        return str(self.description["architecture"]).startswith(f"{SET}-")

    @property
    def cells(self) -> tuple[float, float]:
        """The sensor's thickness in pitches along x and y."""
        return thickness_in_pitches(self.description["sensor"])

    def predict_images(
        self, images: npt.NDArray[np.float32], truncated: npt.NDArray[np.bool_] | None = None
    ) -> Components:
        """Components from (N, S, R, C) charge in e; x and y in mm from the window's centre."""
        check_images(images, self.fused.shape)
        lists = pixel_lists(images)
        return self.finish(self.fused.pixels(*lists), outlines_of(*lists), truncated)

    def components(
        self,
        clusters: FlatClusters,
        rows: npt.NDArray[np.int64],
        detector: Detector,
        field: float | None = None,
    ) -> Components:
        """Components of the clusters ``rows`` (R,), with x and y in mm from their modules' centres.

        Args:
            clusters: with the slices of the training.
            field: along z in T; None: that of the training. In the opposite one, components are those of the
                clusters' mirror images (:mod:`smartpix.mirror`).
        """
        some = clusters.take(rows)
        opposite = is_opposite(field, self.description["sensor"])
        shift = np.zeros(len(rows))
        if opposite:
            some, shift = mirrored(some, detector)
        outlines = some.outlines
        owner = np.repeat(np.arange(len(rows)), some.counts)
        row, column = some.row - outlines.origin[owner, 0], some.column - outlines.origin[owner, 1]
        lists = (some.first, some.counts, row, column, some.charge)
        found = self.finish(self.fused.pixels(*lists), outlines, some.truncated)
        found.mean[:, :, :2] += window_center(outlines.origin, some.module, detector)[:, None]
        if opposite:
            mean = found.mean * SIGNS
            mean[:, :, 1] += shift[:, None]
            found = found._replace(mean=mean, cholesky=found.cholesky * np.outer(SIGNS, SIGNS))
        return found

    def finish(
        self, raw: npt.NDArray[Any], outlines: Outlines, truncated: npt.NDArray[np.bool_] | None = None
    ) -> Components:
        """Components from raw outputs (N, O): positive diagonals, units, calibration.

        Covariances are wide for ``truncated`` clusters, and as wide as can be for those with charges that are
        not finite.
        """
        n = len(raw)
        mean, cholesky = np.empty((n, self.n, 4)), np.empty((n, self.n, 4, 4))
        for k, finishing in enumerate(self.finishing):
            of_one, factor = np.empty((n, 4)), np.empty((n, 4, 4))
            outputs = in_blocks(raw[:, k * N_OUTPUTS : (k + 1) * N_OUTPUTS])
            finishing.into(
                of_one, factor, outputs, shape=outlines.shape, truncated=truncated, bad=~outlines.readable
            )
            mean[:, k], cholesky[:, k] = of_one, factor
        return Components(mean, cholesky, self._weights(raw, outlines.readable))

    def _weights(self, raw: npt.NDArray[Any], readable: npt.NDArray[np.bool_]) -> Floats:
        if self.is_set:
            return np.ones((len(raw), self.n))
        more = np.asarray(raw[:, self.n * N_OUTPUTS :], dtype=np.float64)
        # Of an unreadable cluster nothing is known of the weights either.
        more = np.where(readable[:, None], more, 0.0)
        weight = np.exp(log_softmax(np.concatenate([np.zeros((len(raw), 1)), more], axis=1), axis=1))
        tables = self.description.get("reliability")
        return weight if tables is None else calibrated_weights(weight, tables)

    @cached_property
    def finishing(self) -> tuple[Finishing, ...]:
        """What makes components of raw outputs, one after the other."""
        wider = tuple(self.description.get("truncated_scale", [TRUNCATED_SCALE] * 4))
        calibrations = self.description.get("calibration", [None] * self.n)
        return tuple(Finishing(None if c is None else tables_of(c), self.cells, wider) for c in calibrations)


def calibrated_weights(weight: Floats, tables: list[Mapping[str, list[float]]]) -> Floats:
    """Weights (N, K) of a mixture after the correction of each, which add up to 1 again.

    Args:
        tables: of each component ``at`` and ``logit``: knots of the weight's logit, and what it is there.
    """
    smallest = float(expit(-LARGEST_LOGIT))
    logits = logit(np.clip(weight, smallest, 1 - 1e-13))
    moved = [
        expit(_interpolated(logits[:, k], np.array(table["at"]), np.array(table["logit"])))
        for k, table in enumerate(tables)
    ]
    corrected = np.stack(moved, axis=1)
    return np.asarray(corrected / corrected.sum(axis=1, keepdims=True))


def _interpolated(values: Floats, at: Floats, to: Floats) -> Floats:
    """Linear between knots; beyond the outermost, parallel to the diagonal."""
    inside = np.clip(values, at[0], at[-1])
    return np.asarray(np.interp(inside, at, to) + values - inside)


def load_mixture_weights(name: str | Path, *sorts: str) -> Weights:
    """Weights of networks of several components, of the ``sorts`` (all if left out), checked in full.

    Raises:
        InputError: as :meth:`MixtureNetwork.load`.
    """
    wanted = [sort for sort in (SET, MIXTURE) if not sorts or sort in sorts]
    rules = {sort: Sort(partial(_rule, sort), whole=False) for sort in wanted}
    return load_sorted_weights(name, rules)


def _rule(sort: str, kind: str) -> Rule:
    """What descriptions of such weights must have; the number of components says how much of it."""
    del kind

    def check(value: Any, where: str) -> None:
        fields({"components": whole(2, MOST_COMPONENTS)}, more=True)(value, where)
        n = int(value["components"])
        more = {
            "calibration": items(calibration_rule(AXES), n, n), "truncated_scale": TRUNCATED_SCALE_RULE
        }  # fmt: skip
        if sort == MIXTURE:
            knot = real(-10 * LARGEST_LOGIT, 10 * LARGEST_LOGIT)
            table = fields({"at": items(knot, 1, rising=True), "logit": items(knot, 1)})
            more["reliability"] = items(table, n, n)
        float_rule(outputs_of(sort, n), **more)(value, where)

    return check
