"""The networks on the CPU, fused (Numba): charge in, raw outputs out, without an image for the layers
between.

Only fired pixels are worked on: the networks' first layers are sums over pixels, and far from any charge the
convolution's output is a constant. Single precision throughout; agrees with the torch modules to 1e-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.networks.fused_kernels import run, tanh_terms
from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import Plan
from smartpix.schema import InputError

__all__ = [
    "FusedNetwork",
    "by_place",
    "check_arrays",
    "check_images",
    "check_shapes",
    "check_slices",
    "fuse",
    "padded",
    "runs",
]

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FusedNetwork:
    """Weights in the order in which the kernels read them.

    Attributes:
        plan: of the network.
        reference, compression: of the input, see :class:`smartpix.networks.options.NetworkOptions`.
        first: (S, R', C' * F) weights of the first layer by pixel, last column first: what a pixel adds to
            the places from C' - 1 before its own to its own; first_bias: (F,).
        mix, mix_bias: (F, F) and (F,) of the convolution's second layer.
        dense: (inputs, width) weights and biases of the three dense layers.
    """

    plan: Plan
    reference: float
    compression: float
    first: Singles
    first_bias: Singles
    mix: Singles
    mix_bias: Singles
    dense: tuple[Singles, Singles, Singles, Singles, Singles, Singles]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns of the input."""
        return self.plan.shape

    def images(self, images: npt.NDArray[np.float32]) -> Singles:
        """Raw outputs (N, 14) of (N, S, R, C) charge in e."""
        check_images(images, self.shape)
        none, nothing = np.zeros(0, dtype=np.int64), np.zeros((0, self.shape[0]), dtype=np.float32)
        return self._run(np.ascontiguousarray(images, dtype=np.float32), none, none, none, none, nothing)

    def pixels(
        self,
        first: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
        row: npt.NDArray[np.int64],
        column: npt.NDArray[np.int64],
        charge: npt.NDArray[np.float32],
    ) -> Singles:
        """Raw outputs (N, 14) of clusters given as lists of pixels.

        Args:
            first, counts: (N,) place and number of each cluster's pixels.
            row, column: (K,) within the window; pixels outside are left out.
            charge: (K, S) in e.
        """
        check_slices(charge, self.shape)
        none = np.zeros((0, *self.shape), dtype=np.float32)
        return self._run(none, first, counts, row, column, np.ascontiguousarray(charge, dtype=np.float32))

    def _run(self, *clusters: npt.NDArray[Any]) -> Singles:
        return np.asarray(
            run(
                *clusters, self.shape, self.plan.layout, np.float32(1 / self.reference),
                np.float32(1 / self.compression), self.first,
                self.first_bias, self.mix, self.mix_bias, self.dense, tanh_terms(),
            )
        )  # fmt: skip


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
        first, first_bias = _fold(weight, a["pointwise.bias"], a, "norm0")
        mix, mix_bias = a["mix.weight"][:, :, 0, 0].T, a["mix.bias"]
    elif plan.front == "columns":
        first, first_bias = _fold(a["columns.weight"].transpose(1, 2, 3, 0), a["columns.bias"], a, "norm0")
    if plan.front != "none":
        first = runs(first)
    dense1 = by_place(a["dense1.weight"], plan).T
    layers = []
    for k, weight in ((1, dense1), (2, a["dense2.weight"].T), (3, a["dense3.weight"].T)):
        folded, bias = _fold(weight, a[f"dense{k}.bias"], a, f"norm{k}")
        layers += [padded(folded), bias]

    def single(values: npt.NDArray[Any]) -> Singles:
        return np.ascontiguousarray(values, dtype=np.float32)

    return FusedNetwork(
        plan, float(network["reference"]), float(network["compression"]), single(first), single(first_bias),
        single(mix), single(mix_bias), tuple(single(v) for v in layers),  # type: ignore[arg-type]
    )  # fmt: skip


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


def _fold(weight: Any, bias: Any, arrays: Mapping[str, Any], norm: str) -> tuple[Any, Any]:
    """Weights (..., out) and biases (out,) with the batch normalisation that follows them, if there is
    one.
    """
    if f"{norm}.weight" not in arrays:
        return weight, bias
    # The small number is torch's default.
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + 1e-5)
    return weight * scale, (bias - arrays[f"{norm}.running_mean"]) * scale + arrays[f"{norm}.bias"]


def padded(weight: Any) -> Any:
    """Rows of zeros up to a multiple of 4 inputs, which :func:`smartpix.networks.fused_kernels.layer` takes
    at a time.
    """
    return np.concatenate([weight, np.zeros((-len(weight) % 4, weight.shape[1]))])
