"""The networks on the CPU, fused (Numba): charge in, raw outputs out, without an image for the layers
between.

Only fired pixels are worked on: the networks' first layers are sums over pixels, and far from any charge the
convolution's output is a constant. Single precision throughout; agrees with the torch modules to 1e-5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from smartpix.clusters import pixel_lists
from smartpix.networks.fused_blocks import BLOCK
from smartpix.networks.fused_kernels import encode, run, tanh_terms
from smartpix.networks.lists import PixelLists
from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import SPAN, Plan
from smartpix.notebook import words_and_table
from smartpix.schema import InputError

__all__ = [
    "Dense",
    "FusedNetwork",
    "by_place",
    "check_arrays",
    "check_images",
    "check_shapes",
    "check_slices",
    "dense_layers",
    "empty_blocks",
    "fold_norm",
    "fuse",
    "in_order",
    "padded",
    "runs",
]

Singles = npt.NDArray[np.float32]
Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Weights and biases of a layer."""


@words_and_table
@dataclass(frozen=True)
class FusedNetwork:
    """Weights in the order in which the kernels read them.

    Attributes:
        plan: of the network.
        reference, compression: of the input, see :class:`smartpix.networks.options.NetworkOptions`.
        first: (S, R', C' * F) weights of the first layer by pixel, last column first: what a pixel adds to
            the places from C' - 1 before its own to its own; first_bias: (F,).
        mix, mix_bias: (F, F) and (F,) of the convolution's second layer.
        dense: the dense layers.
        relu: whether ReLU takes the place of tanh.
    """

    plan: Plan
    reference: float
    compression: float
    first: Singles
    first_bias: Singles
    mix: Singles
    mix_bias: Singles
    dense: Dense
    relu: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns of the input."""
        return self.plan.shape

    def images(self, images: npt.NDArray[np.float32]) -> Singles:
        """Raw outputs (N, O) of (N, S, R, C) charge in e."""
        check_images(images, self.shape)
        return self.pixels(*pixel_lists(images))

    def pixels(self, *lists: npt.NDArray[Any]) -> Singles:
        """Raw outputs (N, O) of clusters given as lists of pixels.

        Args:
            lists: as :meth:`smartpix.networks.lists.PixelLists.in_windows` takes them.
        """
        return in_order(self.outputs, self.plan, *lists)

    def outputs(self, lists: PixelLists, rows: npt.NDArray[np.int64]) -> Singles:
        """Raw outputs (B, O, BLOCK) of the clusters ``rows``, block by block.

        It is fastest if clusters of the same size follow one another (:meth:`PixelLists.by_size`).
        """
        check_slices(lists.charge, self.shape)
        out, n = empty_blocks(len(rows), self.plan, np.dtype(np.float32)), lists.charge.size
        # Filled up to whole turns of the vectorised loop: what is left over is rounded in another way.
        padded_value = np.zeros(n + -n % BLOCK, dtype=np.float32)
        padded_value[:n] = lists.charge.reshape(-1)
        encode(padded_value, np.float32(1 / self.reference), np.float32(1 / self.compression))
        value = padded_value[:n].reshape(lists.charge.shape)
        run(
            rows, *lists._replace(charge=value), self.shape, self.plan.layout, self.first, self.first_bias,
            self.mix, self.mix_bias, self.dense, tanh_terms()[: 0 if self.relu else None], out,
        )  # fmt: skip
        return out


def empty_blocks(n: int, plan: Plan, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Room (B, O, BLOCK) for the O outputs of n clusters."""
    return np.empty((-(-n // BLOCK), plan.n_outputs, BLOCK), dtype=kind)


def in_order(
    outputs: Callable[[PixelLists, npt.NDArray[np.int64]], npt.NDArray[Any]],
    plan: Plan,
    *arrays: npt.NDArray[Any],
) -> npt.NDArray[Any]:
    """Outputs (N, O) of all clusters, worked out by size."""
    check_slices(arrays[-1], plan.shape)
    lists = PixelLists.in_windows(*arrays)
    rows = lists.by_size(np.arange(len(lists.first)), *plan.shape[1:])
    found = outputs(lists, rows)
    out = np.empty((len(rows), plan.n_outputs), dtype=found.dtype)
    out[rows] = found.swapaxes(1, 2).reshape(-1, plan.n_outputs)[: len(rows)]
    return out


class Dense(NamedTuple):
    """The dense layers: weights (inputs, width), with rows of zeros up to a multiple of 4 inputs, and biases.

    The first layer's weights are by kinds of inputs: ``front`` of the front's result, by place and then
    filter, ``column_sums`` and ``row_sums`` of these, by line and then slice. A front of columns has two more
    places at either end, of weight 0, since a patch of charge reaches them. What it gives without charge is
    in ``bias1``.
    """

    front: npt.NDArray[Any]
    column_sums: npt.NDArray[Any]
    row_sums: npt.NDArray[Any]
    bias1: npt.NDArray[Any]
    weight2: npt.NDArray[Any]
    bias2: npt.NDArray[Any]
    weight3: npt.NDArray[Any]
    bias3: npt.NDArray[Any]


def check_images(images: npt.NDArray[Any], shape: tuple[int, int, int]) -> None:
    """Check that images (N, S, R, C) have a network's slices, rows and columns.

    Raises:
        InputError: they have not.
    """
    if images.shape[1:] != shape:
        raise InputError(
            f"network: takes images of (slices, rows, columns) = {shape}, these are {images.shape[1:]}"
        )


def check_slices(charge: npt.NDArray[Any], shape: tuple[int, int, int]) -> None:
    """Check that pixels' charge (K, S) has a network's slices.

    Raises:
        InputError: it has not.
    """
    if charge.shape[1] != shape[0]:
        raise InputError(f"network: takes {shape[0]} slices and there are {charge.shape[1]}")


def fuse(arrays: Mapping[str, npt.NDArray[Any]], network: Mapping[str, Any]) -> FusedNetwork:
    """Fold a network's weights (batch normalisation into the layer before it) into kernels' arrays.

    Args:
        arrays: of the torch module, by name.
        network: fields of :class:`smartpix.networks.options.NetworkOptions`.
    """
    plan = NetworkOptions(**network).plan
    a = {k: np.asarray(v, dtype=np.float64) for k, v in arrays.items()}
    first, first_bias = np.zeros((1, 1, 1)), np.zeros(1)
    mix, mix_bias = np.zeros((1, 1)), np.zeros(1)
    if plan.front == "convolution":
        # Nothing lies between depthwise and pointwise: together they are one convolution.
        weight = np.einsum("fs,sij->sijf", a["pointwise.weight"][:, :, 0, 0], a["depthwise.weight"][:, 0])
        first, first_bias = fold_norm(weight, a["pointwise.bias"], a, "norm0")
        mix, mix_bias = a["mix.weight"][:, :, 0, 0].T, a["mix.bias"]
    elif plan.front == "columns":
        first, first_bias = fold_norm(
            a["columns.weight"].transpose(1, 2, 3, 0), a["columns.bias"], a, "norm0"
        )
    if plan.front != "none":
        first = runs(first)
    relu = network.get("activation") == "relu"
    quiet = np.zeros(0)
    if plan.front == "columns":
        quiet = np.maximum(first_bias, 0) if relu else np.tanh(first_bias)
    one, two, three = (
        fold_norm(weight.T, a[f"dense{k}.bias"], a, f"norm{k}")
        for k, weight in (
            (1, by_place(a["dense1.weight"], plan)), (2, a["dense2.weight"]), (3, a["dense3.weight"])
        )
    )  # fmt: skip

    def single(values: npt.NDArray[Any]) -> Singles:
        return np.ascontiguousarray(values, dtype=np.float32)

    return FusedNetwork(
        plan, float(network["reference"]), float(network["compression"]), single(first), single(first_bias),
        single(mix), single(mix_bias), Dense._make(map(single, dense_layers(one, two, three, quiet, plan))),
        relu,
    )  # fmt: skip


def dense_layers(one: Pair, two: Pair, three: Pair, quiet: npt.NDArray[Any], plan: Plan) -> Dense:
    """The dense layers in the kernels' order.

    Args:
        one, two, three: weights (inputs, width) and biases; the first one's front by place.
        quiet: (F,) results of a front of columns where there is no charge.
    """
    slices, rows, columns = plan.shape
    weight, bias = one
    sums, at = [], plan.n_front
    for there, lines in ((plan.column_sums, columns), (plan.row_sums, rows)):
        own = weight[at : at + slices * lines * there]
        at += len(own)
        by_line = own.reshape(slices, lines * there, own.shape[1]).swapaxes(0, 1)
        sums.append(padded(by_line.reshape(own.shape)))
    front = weight[: plan.n_front]
    if plan.front == "columns":
        bias = bias + np.tile(quiet, len(front) // len(quiet)) @ front
        beyond = np.zeros(((SPAN - 1) * len(quiet), front.shape[1]), dtype=front.dtype)
        front = np.concatenate([beyond, front, beyond])
    column_sums, row_sums = sums
    return Dense(
        padded(front), column_sums, row_sums, bias, padded(two[0]), two[1], padded(three[0]), three[1]
    )


def by_place(weight: Any, plan: Plan) -> Any:
    """Weights (outputs, inputs) of the first dense layer with the front's inputs by place and then filter.

    Files and torch have them by filter and then place. The kernels fill their maps place by place.
    """
    filters, n = plan.map[0], plan.n_front
    front = weight[:, :n].reshape(len(weight), filters, n // max(filters, 1)).swapaxes(1, 2)
    return np.concatenate([front.reshape(len(weight), n), weight[:, n:]], axis=1)


def runs(weight: Any) -> Any:
    """(S, R', C', F) to (S, R', C' * F), last column first."""
    return weight[:, :, ::-1].reshape(*weight.shape[:2], -1)


def check_arrays(arrays: Mapping[str, npt.NDArray[Any]], network: Mapping[str, Any], name: str) -> None:
    """Check the weights' names and shapes against the network they are said to be of.

    Raises:
        InputError: one is missing, superfluous, of another shape or not finite.
    """
    plan = NetworkOptions(**network).plan
    shapes = plan.torch_shapes
    for layer in plan.layers if network["batch_norm"] else ():
        if layer.norm:
            width = layer.shape[:1]
            shapes |= {f"{layer.norm}.{p}": width for p in ("weight", "bias", "running_mean", "running_var")}
            shapes[f"{layer.norm}.num_batches_tracked"] = ()
    check_shapes(arrays, shapes, name)
    for key, values in arrays.items():
        if key.endswith("running_var") and not np.all(values >= 0):
            raise InputError(
                f"{name}: '{key}' is a variance and negative; the weights are damaged, train or copy them "
                f"again"
            )


def check_shapes(
    arrays: Mapping[str, npt.NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], name: str | Path
) -> None:
    """Check names, shapes and types of real arrays; how often a batch was seen is whole.

    Raises:
        InputError: one is missing, superfluous, of another shape, not real or not finite.
    """
    for key in sorted({*shapes, *arrays}):
        if key not in arrays or key not in shapes or arrays[key].shape != shapes[key]:
            found = arrays[key].shape if key in arrays else "missing"
            expected = shapes.get(key, "no such array")
            raise InputError(
                f"{name}: '{key}' is {found}, expected {expected}; the weights do not fit, train or copy "
                f"them again"
            )
        if arrays[key].dtype.kind != "f" and not key.endswith("num_batches_tracked"):
            raise InputError(
                f"{name}: '{key}' is of type {arrays[key].dtype}, not real numbers; train or copy them again"
            )
        if not np.all(np.isfinite(arrays[key])):
            raise InputError(
                f"{name}: '{key}' has values that are not finite; the weights are damaged, train or copy "
                f"them again"
            )


def fold_norm(weight: Any, bias: Any, arrays: Mapping[str, Any], norm: str) -> tuple[Any, Any]:
    """Weights (..., out) and biases (out,) with the batch normalisation that follows them, if there is
    one.
    """
    if f"{norm}.weight" not in arrays:
        return weight, bias
    # The small number is torch's default.
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + 1e-5)
    return weight * scale, (bias - arrays[f"{norm}.running_mean"]) * scale + arrays[f"{norm}.bias"]


def padded(weight: Any) -> Any:
    """Rows of zeros up to a multiple of 4 inputs, which :func:`smartpix.networks.fused_blocks.layer` takes
    at a time.
    """
    return np.concatenate([weight, np.zeros((-len(weight) % 4, weight.shape[1]), dtype=weight.dtype)])
