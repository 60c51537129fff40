"""A network of whole numbers as layers of hls4ml, with the width of every number set by hand.

Images are (rows, columns, channels), as hls4ml streams them. Every sum gets an accumulator that holds the
largest and the smallest value its weights can make, so that no sum is cut off; a layer's result is cut off
(AP_TRN) and saturates (AP_SAT) at the network's format, which is all there is of an activation. hls4ml's own
pieces that do something else are left out:

- its hyperbolic tangent is a table;
- its average pooling divides: towards zero if the sum has the fraction of the data, towards minus infinity
  only if it has more, and in the type of its result
  (https://github.com/fastmachinelearning/hls4ml/issues/1297). Here it is a convolution of ones with stride 3
  and a multiplication by a constant, exact by :func:`smartpix.chip.fixed_point.ninth`, and no divider;
- its grouped convolutions do not exist for all backends and strategies. Here they are convolutions with
  zeros, which cost nothing once unrolled;
- joining two branches before a dense layer needs a buffer between streams of different shape. Here each
  branch has its part of the weights, and the two exact sums are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, FixedPoint, ninth
from smartpix.networks.plan import POOL, WINDOW

__all__ = ["DenseNetwork", "HlsLayer", "dense_layers", "hls_layers", "input_layer"]

Ints = npt.NDArray[np.int64]

ONES = FixedPoint(False, 2, 0)
"""Format of weights that are 0 or 1; hls4ml has special products for one bit."""


@dataclass(frozen=True)
class HlsLayer:
    """One layer.

    Attributes:
        kind: hls4ml's class of layers.
        name, inputs: its own name and those of the layers it takes.
        shape: of the result, (rows, columns, channels) or (n,).
        result: its format.
        cut: the result is cut off and saturates; if not, its format holds all that can come.
        low, high: smallest and largest whole number of the result.
        precision: of the weights, the bias and the sums, by hls4ml's name of them.
        attributes: what hls4ml wants to know besides.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    result: FixedPoint
    low: int
    high: int
    precision: Mapping[str, FixedPoint] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    cut: bool = False

    @property
    def pixels(self) -> int:
        """Places of a convolution; 1 of others."""
        return self.shape[0] * self.shape[1] if self.kind == "Conv2D" else 1


class DenseNetwork(Protocol):
    """What dense layers are made of: whole numbers by the layer's name."""

    @property
    def biases(self) -> Mapping[str, Ints]:
        """(outputs,) in the unit of the sums."""

    @property
    def formats(self) -> Mapping[str, FixedPoint]:
        """Of the weights."""

    @property
    def outputs(self) -> Mapping[str, FixedPoint]:
        """Of the results."""

    def sum_fraction(self, layer: str) -> int:
        """Fraction of the sums."""


def hls_layers(network: FixedNetwork) -> list[HlsLayer]:
    """Layers of a network, in the order of the data; the first is the input, the last gives its
    outputs.
    """
    slices, rows, columns = network.shape
    first = input_layer("clusters", (rows, columns, slices), network.input)
    layers = [first, *_first_dense(network, first)]
    layers += dense_layers(network, "dense2", layers[-1], network.weights["dense2"])
    layers += dense_layers(network, "dense3", layers[-1], network.weights["dense3"])
    return layers


def _convolution_front(network: FixedNetwork, first: HlsLayer) -> list[HlsLayer]:
    """Separable convolution, 1 x 1 convolution and average over 3 x 3 places."""
    slices = network.shape[0]
    kernel = np.zeros((WINDOW, WINDOW, slices, slices), dtype=np.int64)
    for s in range(slices):
        kernel[:, :, s, s] = network.weights["depthwise"][s]
    depthwise = _convolution("depthwise", first, kernel, network.formats["depthwise"])
    pointwise = _cut_convolution(network, "pointwise", depthwise, network.weights["pointwise"].T[None, None])
    mix = _cut_convolution(network, "mix", pointwise, network.weights["mix"].T[None, None])
    total = _convolution("pool_sum", mix, _ones(POOL, POOL, mix.shape[2]), ONES, stride=POOL)
    return [depthwise, pointwise, mix, total, _average(network, mix, total)]


def _columns_front(network: FixedNetwork, first: HlsLayer) -> list[HlsLayer]:
    """Filters over all rows of neighbouring columns."""
    kernel = network.weights["columns"].transpose(2, 3, 1, 0)
    return [_cut_convolution(network, "columns", first, kernel)]


def _first_dense(network: FixedNetwork, first: HlsLayer) -> list[HlsLayer]:
    """All that the first dense layer sees, and the layer itself: for each branch its part of the weights, and
    the sums of the parts added.
    """
    slices, rows, columns = network.shape
    plan = network.plan
    branches: list[tuple[str, HlsLayer]] = []
    layers: list[HlsLayer] = []
    if plan.front != "none":
        front = {"convolution": _convolution_front, "columns": _columns_front}[plan.front]
        layers += front(network, first)
        branches.append(("columns" if plan.front == "columns" else "places", layers[-1]))
    if plan.column_sums:
        name = "columns" if plan.front == "none" else "column_sums"
        branches.append((name, _convolution("column_sums", first, _ones(rows, 1, slices), ONES)))
        layers.append(branches[-1][1])
    if plan.row_sums:
        branches.append(("rows", _convolution("row_sums", first, _ones(1, columns, slices), ONES)))
        layers.append(branches[-1][1])
    weight, start = network.weights["dense1"], 0
    parts = []
    for name, seen in branches:
        r, c, channels = seen.shape
        n = r * c * channels
        # The network's inputs are (channel, row, column), hls4ml's (row, column, channel).
        part = weight[:, start : start + n].reshape(-1, channels, r, c).transpose(0, 2, 3, 1)
        parts.append((name, seen, part.reshape(len(weight), n)))
        start += n
    if len(parts) == 1:
        return [*layers, *dense_layers(network, "dense1", *parts[0][1:])]
    return [*layers, *_added(network, parts)]


def _added(network: FixedNetwork, parts: list[tuple[str, HlsLayer, Ints]]) -> list[HlsLayer]:
    """The first dense layer in parts, the bias in the first one; hls4ml adds two at a time."""
    form, out = network.formats["dense1"], network.outputs["dense1"]
    layers: list[HlsLayer] = []
    sums: list[HlsLayer] = []
    for k, (name, seen, weight) in enumerate(parts):
        bias = (network.biases["dense1"], network.sum_fraction("dense1")) if k == 0 else (None, 0)
        layers += _sums(f"dense1_{name}", seen, weight, form, *bias)
        sums.append(layers[-1])
    total = sums[0]
    for k, more in enumerate(sums[1:], start=1):
        last = k == len(sums) - 1
        total = _sum_of_two("dense1" if last else f"dense1_sum{k}", total, more)
        layers.append(_cut(total, out) if last else total)
    return layers


def _sum_of_two(name: str, a: HlsLayer, b: HlsLayer) -> HlsLayer:
    """Exact sum of two layers' results."""
    fraction = max(a.result.fraction, b.result.fraction)
    low, high = (
        sum(end << (fraction - layer.result.fraction) for end, layer in ends)
        for ends in (((a.low, a), (b.low, b)), ((a.high, a), (b.high, b)))
    )
    form = _holding(low, high, fraction)
    return HlsLayer("Merge", name, (a.name, b.name), a.shape, form, low, high, {}, {"op": "add"})


def input_layer(name: str, shape: tuple[int, ...], form: FixedPoint) -> HlsLayer:
    """What goes in, with all numbers in one format."""
    return HlsLayer(
        "InputLayer", name, (), shape, form, form.low, form.high, {}, {"input_shape": list(shape)}
    )


def _ones(rows: int, columns: int, channels: int) -> Ints:
    """Kernel (rows, columns, channels, channels) that sums each channel."""
    return np.broadcast_to(np.eye(channels, dtype=np.int64), (rows, columns, channels, channels)).copy()


def _holding(low: int, high: int, fraction: int) -> FixedPoint:
    """The narrowest signed format of at least two bits that holds all from ``low`` to ``high``."""
    return FixedPoint(
        True,
        max(2, 1 + max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0)),
        fraction,
    )


def _weighted(
    before: HlsLayer, matrix: Ints, form: FixedPoint, bias: Ints | None, bias_fraction: int
) -> tuple[FixedPoint, int, int, dict[str, FixedPoint], dict[str, Any]]:
    """Format, smallest and largest of the sums of (outputs, inputs) weights, with hls4ml's precisions and
    bias.
    """
    positive, negative = np.maximum(matrix, 0), np.minimum(matrix, 0)
    low = (positive * before.low + negative * before.high).sum(axis=1)
    high = (positive * before.high + negative * before.low).sum(axis=1)
    fraction = before.result.fraction + form.fraction
    precision = {"weight": form}
    attributes: dict[str, Any] = {"bias_data": None}
    wide_low, wide_high = low, high
    if bias is not None:
        finest = max(fraction, bias_fraction)
        low, high = low << (finest - fraction), high << (finest - fraction)
        moved = bias << (finest - bias_fraction)
        fraction = finest
        # The sum starts at the bias; on the way it is never beyond what bias and products make together.
        wide_low, wide_high = low + np.minimum(moved, 0), high + np.maximum(moved, 0)
        low, high = low + moved, high + moved
        precision["bias"] = _holding(int(bias.min()), int(bias.max()), bias_fraction)
        attributes["bias_data"] = np.ldexp(bias.astype(np.float64), -bias_fraction)
    precision["accum"] = _holding(int(wide_low.min()), int(wide_high.max()), fraction)
    result = _holding(int(low.min()), int(high.max()), fraction)
    return result, int(low.min()), int(high.max()), precision, attributes


def _convolution(
    name: str,
    before: HlsLayer,
    kernel: Ints,
    form: FixedPoint,
    bias: Ints | None = None,
    bias_fraction: int = 0,
    stride: int = 1,
) -> HlsLayer:
    """Convolution with a kernel (rows, columns, inputs, outputs); its sums are passed on as they are."""
    k_rows, k_columns, n_in, n_out = kernel.shape
    rows, columns, _ = before.shape
    out_rows, out_columns = (rows - k_rows) // stride + 1, (columns - k_columns) // stride + 1
    matrix = kernel.reshape(-1, n_out).T
    result, low, high, precision, attributes = _weighted(before, matrix, form, bias, bias_fraction)
    attributes |= {
        "data_format": "channels_last",
        "in_height": rows,
        "in_width": columns,
        "out_height": out_rows,
        "out_width": out_columns,
        "n_chan": n_in,
        "n_filt": n_out,
        "filt_height": k_rows,
        "filt_width": k_columns,
        "stride_height": stride,
        "stride_width": stride,
        "padding": "valid",
        "pad_top": 0,
        "pad_bottom": 0,
        "pad_left": 0,
        "pad_right": 0,
        "weight_data": np.ldexp(kernel.astype(np.float64), -form.fraction),
    }
    return HlsLayer(
        "Conv2D",
        name,
        (before.name,),
        (out_rows, out_columns, n_out),
        result,
        low,
        high,
        precision,
        attributes,
    )


def _cut_convolution(network: FixedNetwork, name: str, before: HlsLayer, kernel: Ints) -> HlsLayer:
    """Convolution whose result is cut to the network's format."""
    sums = _convolution(
        name, before, kernel, network.formats[name], network.biases[name], network.sum_fraction(name)
    )
    return _cut(sums, network.outputs[name])


def _cut(layer: HlsLayer, form: FixedPoint) -> HlsLayer:
    return replace(layer, result=form, low=form.low, high=form.high, cut=True)


def _sums(
    name: str,
    before: HlsLayer,
    weight: Ints,
    form: FixedPoint,
    bias: Ints | None = None,
    bias_fraction: int = 0,
) -> list[HlsLayer]:
    """Dense layer (outputs, inputs), its input flattened if it is an image; its sums are passed on as they
    are.
    """
    layers = []
    if len(before.shape) > 1:
        flat = (int(np.prod(before.shape)),)
        layers.append(
            HlsLayer(
                "Reshape", f"{name}_flat", (before.name,), flat, before.result, before.low, before.high, {},
                {"target_shape": list(flat)},
            )
        )  # fmt: skip
        before = layers[-1]
    n_out, n_in = weight.shape
    result, low, high, precision, attributes = _weighted(before, weight, form, bias, bias_fraction)
    attributes |= {
        "n_in": n_in,
        "n_out": n_out,
        "weight_data": np.ldexp(weight.T.astype(np.float64), -form.fraction),
    }
    return [
        *layers,
        HlsLayer("Dense", name, (before.name,), (n_out,), result, low, high, precision, attributes),
    ]


def dense_layers(network: DenseNetwork, name: str, before: HlsLayer, weight: Ints) -> list[HlsLayer]:
    """Dense layer whose result is cut to the network's format."""
    layers = _sums(
        name, before, weight, network.formats[name], network.biases[name], network.sum_fraction(name)
    )
    return [*layers[:-1], _cut(layers[-1], network.outputs[name])]


def _average(network: FixedNetwork, mix: HlsLayer, total: HlsLayer) -> HlsLayer:
    """Sums of nine to averages, cut off: a multiplication by nearly a ninth and half a unit more, as
    evaluate's division.
    """
    out = network.outputs["pool"]
    more = max(out.fraction - mix.result.fraction, 0)
    multiplier, shift = ninth(max(-total.low, total.high) << more)
    scale, bias = FixedPoint(False, max(2, multiplier.bit_length()), shift), multiplier // 2
    bias_form = _holding(0, bias, shift + mix.result.fraction + more)
    channels = total.shape[2]
    return HlsLayer(
        "BatchNormalization", "pool", (total.name,), total.shape, out, out.low, out.high,
        {"scale": scale, "bias": bias_form},
        {
            "n_in": int(np.prod(total.shape)),
            "n_filt": channels,
            "scale_data": np.full(channels, multiplier * 2.0**-shift),
            "bias_data": np.full(channels, bias * 2.0**-bias_form.fraction),
        },
        cut=True,
    )  # fmt: skip
