"""Networks of whole numbers on the CPU, fused (Numba): charge in, what the chip would send out.

The same numbers as :func:`smartpix.chip.fixed_point.evaluate` gives, from lists of fired pixels and without
an image in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, LinkFormat
from smartpix.chip.fused_kernels import codes_of, run_fixed
from smartpix.clusters import pixel_lists
from smartpix.networks.fused import (
    Dense,
    by_place,
    check_images,
    check_slices,
    dense_layers,
    empty_blocks,
    in_order,
    padded,
    runs,
)
from smartpix.networks.lists import PixelLists
from smartpix.networks.plan import IMAGE, POOL
from smartpix.notebook import words_and_table
from smartpix.schema import InputError

__all__ = ["FusedFixedNetwork", "fuse_fixed"]

Whole = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""Whole numbers in floating point."""
SINGLE, DOUBLE = 2**24, 2**53
"""Whole numbers up to these are exact."""


@words_and_table
@dataclass(frozen=True)
class FusedFixedNetwork:
    """A network of whole numbers in the order in which the kernels read it.

    Attributes:
        network: what it is.
        link: formats of the outputs on the link; None: as the last layer gives them.
        first, first_bias, mix, mix_bias, dense: as of
            :class:`smartpix.networks.fused.FusedNetwork`, but the convolution's ``first`` is the
            depthwise kernel alone.
        pointwise: what follows it.
        cuts: see :func:`smartpix.chip.fused_kernels.run_fixed`.
    """

    network: FixedNetwork
    link: tuple[LinkFormat, ...] | None
    first: Whole
    pointwise: Whole
    first_bias: Whole
    mix: Whole
    mix_bias: Whole
    dense: Dense
    cuts: Whole

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns of the input."""
        return self.network.shape

    @cached_property
    def _edges(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        edges = self.network.edges
        return edges[edges < 0][::-1].astype(np.float32), edges[edges >= 0].astype(np.float32)

    def images(self, images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Raw outputs (N, O) of (N, S, R, C) charge in e."""
        check_images(images, self.shape)
        return self.pixels(*pixel_lists(images))

    def pixels(self, *lists: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Raw outputs (N, O) of clusters given as lists of pixels, as
        :meth:`smartpix.networks.fused.FusedNetwork.pixels`.
        """
        return self.on_link(self.whole(*lists))

    def whole(self, *lists: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Whole outputs (N, O) in the format of the last layer, kept in floating point.

        Args:
            lists: as :meth:`pixels` takes them.
        """
        return in_order(self._whole, self.network.plan, *lists)

    def outputs(self, lists: PixelLists, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Raw outputs (B, O, BLOCK) of the clusters ``rows``, as
        :meth:`smartpix.networks.fused.FusedNetwork.outputs`.
        """
        return self.on_link(self._whole(lists, rows))

    def _whole(self, lists: PixelLists, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        check_slices(lists.charge, self.shape)
        out = empty_blocks(len(rows), self.network.plan, self.dense.bias1.dtype)
        code = np.empty(lists.charge.shape, dtype=out.dtype)
        codes_of(lists.charge.reshape(-1), *self._edges, code.reshape(-1))
        run_fixed(
            rows, *lists._replace(charge=code), self.shape, self.network.plan.layout, self.first,
            self.pointwise, self.first_bias, self.mix, self.mix_bias, self.dense, self.cuts, out,
        )  # fmt: skip
        return out

    def on_link(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What arrives of whole outputs (N, O), or of blocks: each in the middle of its step on the link."""
        last = self.network.outputs["dense3"]
        if self.link is None:
            return np.asarray(outputs * outputs.dtype.type(2.0**-last.fraction))
        whole = outputs.astype(np.int64)
        arrived = [
            to.receive(to.send(whole[:, k], last.fraction), last.fraction) for k, to in enumerate(self.link)
        ]
        return np.stack(arrived, axis=1)

    def link_steps(self) -> npt.NDArray[np.float64]:
        """(O,) what the link cuts the outputs to; 0 where it cuts off nothing."""
        last = self.network.outputs["dense3"].fraction
        return np.array([2.0**-to.fraction if to.fraction < last else 0.0 for to in self.link or ()])


def fuse_fixed(network: FixedNetwork, link: tuple[LinkFormat, ...] | None = None) -> FusedFixedNetwork:
    """Bring a network's weights into the kernels' order.

    Raises:
        InputError: its sums are beyond what floating point holds exactly.
    """
    w = network.weights
    b = {layer: _cut_bias(network, layer) for layer in network.biases}
    plan = network.plan
    first: npt.NDArray[np.int64] = np.zeros((1, 1, 1), dtype=np.int64)
    first_bias = np.zeros(0, dtype=np.int64)
    pointwise, mix = np.zeros((2, 0, 0), dtype=np.int64)
    mix_bias = np.zeros(0, dtype=np.int64)
    cuts = np.zeros((7, 3))
    if plan.front == "convolution":
        first, first_bias, mix_bias = w["depthwise"], b["pointwise"], b["mix"]
        pointwise, mix = padded(w["pointwise"].T), padded(w["mix"].T)
        pool, mixed = network.outputs["pool"], network.outputs["mix"]
        more = max(pool.fraction - mixed.fraction, 0)
        cuts[0], cuts[1] = _cut_of(network, "pointwise"), _cut_of(network, "mix")
        cuts[4, 0] = 2.0**more
        cuts[5] = (2.0 ** (pool.fraction - mixed.fraction - more), pool.low, pool.high)
    elif plan.front == "columns":
        first, first_bias = runs(w["columns"].transpose(1, 2, 3, 0)), b["columns"]
        cuts[0] = _cut_of(network, "columns")
    # The kernel leaves what dense1 sees in its own units, the weights make up for it.
    dense1, n, finest = by_place(w["dense1"], plan), plan.n_front, network.input_fraction("dense1")
    front_shift = finest - network.outputs[plan.front_result].fraction if plan.front_result else 0
    # Without sums the codes may be finer than all that dense1 sees.
    sums_shift = max(finest - network.input.fraction, 0)
    dense1 = np.concatenate([dense1[:, :n] << front_shift, dense1[:, n:] << sums_shift], axis=1)
    for row, layer in ((2, "dense1"), (3, "dense2"), (6, "dense3")):
        cuts[row] = _cut_of(network, layer)
    quiet = np.zeros(0, dtype=np.int64)
    if plan.front == "columns":
        scale, least, most = cuts[0]
        quiet = np.clip(np.floor(first_bias * scale), least, most).astype(np.int64)
    pairs = ((dense1.T, b["dense1"]), (w["dense2"].T, b["dense2"]), (w["dense3"].T, b["dense3"]))
    dense = dense_layers(*pairs, quiet, plan)
    largest = _largest_sum(network)
    if largest >= DOUBLE:
        raise InputError(
            f"network: its sums go up to {largest:.3g} and whole numbers to {DOUBLE:.3g}; give it fewer bits"
        )
    kind = np.float32 if largest < SINGLE else np.float64

    def exact(values: Any) -> Any:
        return np.ascontiguousarray(values, dtype=kind)

    return FusedFixedNetwork(
        network, link, exact(first), exact(pointwise), exact(first_bias), exact(mix), exact(mix_bias),
        Dense._make(map(exact, dense)), exact(cuts),
    )  # fmt: skip


def _units(network: FixedNetwork, layer: str) -> npt.NDArray[np.int64]:
    """Powers of two that divide an output's weights and what is cut off from its sum: the unit that its sum
    can be kept in.
    """
    most = max(network.sum_fraction(layer) - network.outputs[layer].fraction, 0)
    # The lowest bit set in any weight is the largest power of two that divides all.
    merged = np.bitwise_or.reduce(
        np.abs(network.weights[layer]).reshape(len(network.biases[layer]), -1), axis=1
    ) | (1 << most)
    return np.asarray(np.log2(merged & -merged).astype(np.int64))


def _cut_bias(network: FixedNetwork, layer: str) -> npt.NDArray[np.int64]:
    """Biases without the bits that are cut off from the sum in any case: they are below those of all
    products.
    """
    units = _units(network, layer)
    return (network.biases[layer] >> units) << units


def _largest_sum(network: FixedNetwork) -> float:
    """Bound on the size of all sums in their units, with every product of the same sign.

    In double precision, since whole registers would run over without a word.
    """
    code = max(int(np.sum(network.edges < 0)), int(np.sum(network.edges >= 0)))
    plan, largest = network.plan, 0.0
    unrounded: dict[str, Any] = {}
    for layer in plan.layers:
        weight = np.abs(network.weights[layer.name]).astype(np.float64)
        flat = weight.reshape(len(weight), -1)
        if not layer.bias:
            unrounded[layer.name] = code * flat.sum(axis=1)
            largest = max(largest, float(unrounded[layer.name].max()))
            continue
        finest, most = network.input_fraction(layer.name), 0
        for seen in layer.inputs:
            if seen == IMAGE:
                # Dense layers see sums over up to a whole row or column of codes.
                size = code * (max(network.shape[1:]) if weight.ndim == 2 else 1)
                fraction = network.input.fraction
            elif seen in unrounded:
                continue
            else:
                form = network.outputs[seen]
                size, fraction = max(-form.low, form.high), form.fraction
            most = max(most, size << (finest - fraction))
        total = flat.sum(axis=1) * most
        for seen in layer.inputs:
            total = total + (weight @ unrounded[seen] if seen in unrounded else 0)
        total = (total + np.abs(_cut_bias(network, layer.name))) / 2.0 ** _units(network, layer.name)
        largest = max(largest, float(total.max()))
    if plan.front == "convolution":
        mixed, pool = network.outputs["mix"], network.outputs["pool"]
        more = max(pool.fraction - mixed.fraction, 0)
        largest = max(largest, float(POOL**2) * max(-mixed.low, mixed.high) * 2.0**more)
    return largest


def _cut_of(network: FixedNetwork, layer: str) -> tuple[float, int, int]:
    """Scale from a layer's sums to its results, and the ends of these."""
    out = network.outputs[layer]
    return 2.0 ** (out.fraction - network.sum_fraction(layer)), out.low, out.high
