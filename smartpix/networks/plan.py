"""The plan of a chip network: its layers, their shapes, what each sees and how often its weights are used.

All that runs a network is derived from its plan: torch modules, quantised training, fused kernels, whole
numbers, hls4ml's layers and Verilog. All networks end in three dense layers. What the first of these sees is
put together from building blocks, and :data:`KINDS` says which kind of network has which:

- a front of filters: ``"convolution"`` (a separable convolution of 3 x 3 pixels, one of 1 x 1, averages over
  3 x 3 places) or ``"columns"`` (filters over all rows of three neighbouring columns);
- the sums over each column, over each row, or both.

A new kind made of these blocks is one more entry of the table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from smartpix.schema import InputError, nearest, quoted

__all__ = [
    "ACTIVATIONS", "CONV_FILTERS", "FRONTS", "IMAGE", "KINDS", "N_OUTPUTS", "POOL", "SPAN", "WINDOW", "Kind", "Layer",
    "Plan",
    "check_kind", "layer_names", "result_names",
]  # fmt: skip

N_OUTPUTS = 14
"""Of the estimates' networks: four means and a triangle of ten. Others have the number of their plan."""
WINDOW = 3
"""Rows and columns that a filter of the convolution sees."""
POOL = 3
"""Rows and columns of places that are averaged."""
SPAN = 3
"""Columns that a filter of the column network sees."""
CONV_FILTERS = 5
"""Of the convolution in floating point, whose loops are compiled for this number."""
IMAGE = "image"
"""What the first layers see."""
ACTIVATIONS = ("tanh", "relu")
"""Of the hidden layers. On the chip neither needs a table: the saturation of a result's format is it."""
FRONTS = ("none", "convolution", "columns")
"""Fronts of filters; kernels know them by their place here."""


@dataclass(frozen=True)
class Kind:
    """What the dense layers of a kind of network see, and its usual sizes.

    Attributes:
        front: one of :data:`FRONTS`.
        column_sums, row_sums: whether the sums over each column and over each row are seen.
        filters: usual numbers of filters of the front's layers; 0 where it has none.
        width: usual width of the hidden dense layers.
    """

    front: str
    column_sums: bool
    row_sums: bool
    filters: tuple[int, int]
    width: int

    @property
    def filter_layers(self) -> int:
        """Layers of the front whose number of filters may be chosen."""
        return sum(n > 0 for n in self.filters)


KINDS: dict[str, Kind] = {
    "columns": Kind("columns", column_sums=False, row_sums=True, filters=(4, 0), width=14),
    "conv": Kind("convolution", False, False, (CONV_FILTERS, CONV_FILTERS), 16),
    "mlp": Kind("none", column_sums=True, row_sums=True, filters=(0, 0), width=21),
}
"""The one place that says which kinds of networks there are. Names have no hyphen: architectures have one."""


def check_kind(kind: str) -> None:
    """Check the name of a kind.

    Raises:
        InputError: there is none of that name; lists those there are.
    """
    if kind not in KINDS:
        raise InputError(
            f"network {quoted(kind)} is unknown.{nearest(kind, KINDS)} There are {', '.join(KINDS)}"
        )


@dataclass(frozen=True)
class Layer:
    """A layer with weights.

    Attributes:
        name: of its weights in files.
        shape: of its weights, the outputs first.
        inputs: results it sees, or :data:`IMAGE`.
        positions: how many times its weights are used for one cluster, unrolled.
        torch_shape: of the same weights in the torch module.
        norm: name of the batch normalisation that may follow; empty: none.
        groups: of input and output channels, in the torch module.
        bias: whether it has one. A layer without passes its exact sums on to the next, unrounded.
    """

    name: str
    shape: tuple[int, ...]
    inputs: tuple[str, ...]
    positions: int
    torch_shape: tuple[int, ...]
    norm: str = ""
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True)
class Plan:
    """A network's kind and sizes, and what follows from them.

    Attributes:
        kind: one of :data:`KINDS`.
        shape: slices, rows, columns of the input.
        filters: of the front's layers, 0 where it has none.
        hidden: widths of the two hidden dense layers.
        n_outputs: numbers that the last layer gives.
    """

    kind: str
    shape: tuple[int, int, int]
    filters: tuple[int, int]
    hidden: tuple[int, int]
    n_outputs: int = N_OUTPUTS

    @property
    def front(self) -> str:
        """One of :data:`FRONTS`."""
        return KINDS[self.kind].front

    @property
    def column_sums(self) -> bool:
        """Whether the dense layers see the sums over each column."""
        return KINDS[self.kind].column_sums

    @property
    def row_sums(self) -> bool:
        """Whether the dense layers see the sums over each row."""
        return KINDS[self.kind].row_sums

    @property
    def map(self) -> tuple[int, int, int]:
        """Filters, rows and columns of the front's result; rows and columns beyond the last whole average are
        not used.
        """
        _, rows, columns = self.shape
        if self.front == "convolution":
            return self.filters[1], (rows - WINDOW + 1) // POOL, (columns - WINDOW + 1) // POOL
        return (self.filters[0], 1, columns - SPAN + 1) if self.front == "columns" else (0, 0, 0)

    @property
    def n_front(self) -> int:
        """Numbers of the front's result; the first ones of what the dense layers see, filter by filter."""
        return math.prod(self.map)

    @property
    def n_inputs(self) -> int:
        """Numbers that the dense layers see.

        They are the front's result, then by slice the sums over each column, then those over each row.
        """
        slices, rows, columns = self.shape
        return self.n_front + slices * (columns * self.column_sums + rows * self.row_sums)

    @property
    def front_result(self) -> str:
        """Name of the front's result; empty: there is none."""
        return {"convolution": "pool", "columns": "columns"}.get(self.front, "")

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers with weights, in the order of the data."""
        sees = ((self.front_result,) if self.front_result else ()) + (
            (IMAGE,) if self.column_sums or self.row_sums else ()
        )
        first, second = self.hidden
        dense = ((self.n_inputs, first), (first, second), (second, self.n_outputs))
        return (
            *self._front_layers(),
            *(
                Layer(
                    f"dense{k}", (n_out, n_in), sees if k == 1 else (f"dense{k - 1}",), 1, (n_out, n_in),
                    f"norm{k}" if k < len(dense) else "",
                )
                for k, (n_in, n_out) in enumerate(dense, start=1)
            ),
        )  # fmt: skip

    def _front_layers(self) -> tuple[Layer, ...]:
        slices, rows, _ = self.shape
        first, second = self.filters
        _, map_rows, map_columns = self.map
        if self.front == "columns":
            shape = (first, slices, rows, SPAN)
            return (Layer("columns", shape, (IMAGE,), map_columns, shape, "norm0"),)
        if self.front == "none":
            return ()
        places = POOL**2 * map_rows * map_columns
        window = (WINDOW, WINDOW)
        return (
            Layer(
                "depthwise",
                (slices, *window),
                (IMAGE,),
                places,
                (slices, 1, *window),
                groups=slices,
                bias=False,
            ),
            Layer("pointwise", (first, slices), ("depthwise",), places, (first, slices, 1, 1), "norm0"),
            Layer("mix", (second, first), ("pointwise",), places, (second, first, 1, 1)),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the layers with weights, in the order of the data."""
        return tuple(layer.name for layer in self.layers)

    @property
    def results(self) -> tuple[str, ...]:
        """Names of all results that are rounded: those of the layers with biases, and of the averages."""
        with_bias = tuple(layer.name for layer in self.layers if layer.bias)
        return with_bias if self.front_result in ("", *with_bias) else (*with_bias, self.front_result)

    def layer(self, name: str) -> Layer:
        """The layer of a name."""
        return next(layer for layer in self.layers if layer.name == name)

    def listener(self, name: str) -> str:
        """Name of the layer that sees a layer's result, if only after the averages."""
        result = self.front_result if name == "mix" else name
        return next(layer.name for layer in self.layers if result in layer.inputs)

    def sees_codes(self, name: str) -> bool:
        """Whether a layer multiplies nothing but codes of the image or exact sums of them."""
        layer = self.layer(name)
        return all(
            seen == IMAGE or (seen in self.names and not self.layer(seen).bias and self.sees_codes(seen))
            for seen in layer.inputs
        )

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(math.prod(layer.shape) + layer.bias * layer.shape[0] for layer in self.layers)

    @property
    def torch_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the torch module's weights and biases, by name."""
        shapes = {f"{layer.name}.weight": layer.torch_shape for layer in self.layers}
        return shapes | {f"{layer.name}.bias": layer.shape[:1] for layer in self.layers if layer.bias}

    @property
    def layout(self) -> tuple[int, int, int, int, int]:
        """For compiled loops: number of the front, rows and columns of its map, whether there are sums of the
        columns and of the rows.
        """
        _, rows, columns = self.map
        return FRONTS.index(self.front), rows, columns, int(self.column_sums), int(self.row_sums)


def layer_names(kind: str) -> tuple[str, ...]:
    """Layers with weights of a kind, whatever its sizes."""
    return _any_size(kind).names


def result_names(kind: str) -> tuple[str, ...]:
    """Rounded results of a kind, whatever its sizes."""
    return _any_size(kind).results


def _any_size(kind: str) -> Plan:
    return Plan(kind, (1, WINDOW * POOL, WINDOW * POOL), KINDS[kind].filters, (1, 1))
