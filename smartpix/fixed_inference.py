"""Networks of whole numbers on the CPU, fused (Numba): charge in, what the chip would send out.

The same numbers as :func:`smartpix.fixed_point.evaluate` gives, from lists of fired pixels and without an image in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.clusters import pixel_lists
from smartpix.fixed_kernels import run_fixed
from smartpix.fixed_point import FixedNetwork, FixedPoint
from smartpix.inference import KINDS
from smartpix.schema import InputError

__all__ = ["FusedFixedNetwork", "fuse_fixed"]

Ints = npt.NDArray[np.int32]
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class FusedFixedNetwork:
    """A network of whole numbers in the order in which the kernels read it.

    Attributes:
        network: what it is.
        link: formats of the 14 outputs on the link; None: as the last layer gives them.
        first, first_bias, mix, mix_bias, dense: as of :class:`smartpix.inference.FusedNetwork`.
        cuts: see :func:`smartpix.fixed_kernels.run_fixed`.
    """

    network: FixedNetwork
    link: tuple[FixedPoint, ...] | None
    first: Ints
    first_bias: Ints
    mix: Ints
    mix_bias: Ints
    dense: tuple[Ints, Ints, Ints, Ints, Ints, Ints]
    cuts: npt.NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns of the input."""
        return self.network.shape

    @cached_property
    def _edges(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        edges = self.network.edges
        return edges[edges < 0][::-1].astype(np.float32), edges[edges >= 0].astype(np.float32)

    def images(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Raw outputs (N, 14) of (N, S, R, C) charge in e."""
        if images.shape[1:] != self.shape:
            raise InputError(f"network: takes images of (slices, rows, columns) = {self.shape}, these are {images.shape[1:]}")
        return self.pixels(*pixel_lists(images))

    def pixels(
        self,
        first: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
        row: npt.NDArray[np.int64],
        column: npt.NDArray[np.int64],
        charge: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.float64]:
        """Raw outputs (N, 14) of clusters given as lists of pixels, as :meth:`smartpix.inference.FusedNetwork.pixels`."""
        return self.on_link(self.integers(first, counts, row, column, charge))

    def integers(
        self,
        first: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
        row: npt.NDArray[np.int64],
        column: npt.NDArray[np.int64],
        charge: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.int64]:
        """Whole outputs (N, 14) in the format of the last layer."""
        if charge.shape[1] != self.shape[0]:
            raise InputError(f"network: takes {self.shape[0]} slices and there are {charge.shape[1]}")
        below, above = self._edges
        sums = run_fixed(
            first, counts, row, column, np.ascontiguousarray(charge, dtype=np.float32), self.shape, KINDS[self.network.kind],
            below, above, self.first, self.first_bias, self.mix, self.mix_bias, self.dense, self.cuts,
        )  # fmt: skip
        network = self.network
        return network.outputs["dense3"].cut(np.asarray(sums, dtype=np.int64), network.sum_fraction("dense3"))

    def on_link(self, outputs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """What arrives of whole outputs (N, 14): each in the middle of its step on the link."""
        given = self.network.outputs["dense3"]
        if self.link is None:
            return np.asarray(outputs * 2.0**-given.fraction, dtype=np.float64)
        sent = np.empty(outputs.shape)
        for k, to in enumerate(self.link):
            # Half a step back, where bits were cut off.
            middle = 0.5 if to.fraction < given.fraction else 0.0
            sent[:, k] = (to.cut(outputs[:, k], given.fraction) + middle) * 2.0**-to.fraction
        return sent


def fuse_fixed(network: FixedNetwork, link: tuple[FixedPoint, ...] | None = None) -> FusedFixedNetwork:
    """Bring a network's weights into the kernels' order.

    Raises:
        InputError: its sums do not fit 32 bits.
    """
    w, b = network.weights, network.biases
    r, c = network.shape[1:]
    first: npt.NDArray[np.int64] = np.zeros((1, 1, 1), dtype=np.int64)
    first_bias = np.zeros(0, dtype=np.int64)
    mix, mix_bias = np.zeros((1, 0), dtype=np.int64), np.zeros(0, dtype=np.int64)
    cuts = np.zeros((6, 3), dtype=np.int64)
    dense1 = w["dense1"]
    if network.kind == "conv":
        first = _runs(np.einsum("fs,sij->sijf", w["pointwise"], w["depthwise"]))
        first_bias, mix, mix_bias = b["pointwise"], w["mix"].T, b["mix"]
        pool, mixed = network.outputs["pool"], network.outputs["mix"]
        more = max(pool.fraction - mixed.fraction, 0)
        cuts[0], cuts[1] = _cut_of(network, "pointwise"), _cut_of(network, "mix")
        cuts[4, 0] = more
        cuts[5] = (mixed.fraction + more - pool.fraction, pool.low, pool.high)
        # The kernel keeps the pooled map by place and then filter.
        by_place = dense1.reshape(len(dense1), len(mix_bias), (r - 2) // 3, (c - 2) // 3)
        dense1 = by_place.transpose(0, 2, 3, 1).reshape(len(dense1), -1)
    elif network.kind == "columns":
        first, first_bias = _runs(w["columns"].transpose(1, 2, 3, 0)), b["columns"]
        cuts[0] = _cut_of(network, "columns")
        finest = network.input_fraction("dense1")
        cuts[4, :2] = (finest - network.outputs["columns"].fraction, finest - network.input.fraction)
        n_filters, places = len(first_bias), c - w["columns"].shape[3] + 1
        by_filter = dense1[:, : n_filters * places].reshape(len(dense1), n_filters, places)
        reordered = by_filter.transpose(0, 2, 1).reshape(len(dense1), -1)
        dense1 = np.concatenate([reordered, dense1[:, n_filters * places :]], axis=1)
    cuts[2], cuts[3] = _cut_of(network, "dense1"), _cut_of(network, "dense2")
    layers: list[Ints] = []
    for weight, bias in ((dense1, b["dense1"]), (w["dense2"], b["dense2"]), (w["dense3"], b["dense3"])):
        padded = np.concatenate([weight.T, np.zeros((-weight.shape[1] % 4, len(weight)), dtype=np.int64)])
        layers += [_whole(padded), _whole(bias)]
    return FusedFixedNetwork(
        network, link, _whole(first), _whole(first_bias), _whole(mix), _whole(mix_bias), tuple(layers), cuts  # type: ignore[arg-type]
    )  # fmt: skip


def _cut_of(network: FixedNetwork, layer: str) -> tuple[int, int, int]:
    """Bits cut off a layer's sums, and the ends of what is left."""
    out = network.outputs[layer]
    return network.sum_fraction(layer) - out.fraction, out.low, out.high


def _runs(weight: Any) -> Any:
    """(S, R', C', F) to (S, R', C' * F), last column first."""
    return weight[:, :, ::-1].reshape(*weight.shape[:2], -1)


def _whole(values: npt.NDArray[np.int64]) -> Ints:
    if values.size and np.abs(values).max() > LARGEST:
        raise InputError("network: has weights beyond 32 bits; give it fewer bits")
    return np.ascontiguousarray(values, dtype=np.int32)
