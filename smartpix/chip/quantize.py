"""Quantisation-aware training: torch modules that compute what the chip will, with gradients.

Each weight, bias and result is rounded as in :mod:`smartpix.chip.fixed_point` on the way forward; on the way
back the rounding is taken for the identity and saturation for a wall (straight-through, Bengio et al., arXiv
1308.3432). :func:`to_fixed` gives the network of whole numbers, and :func:`from_fixed` goes on from one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.chip.fixed_point import FixedNetwork, FixedPoint
from smartpix.chip.options import QuantizedOptions
from smartpix.networks.options import N_OUTPUTS, SPAN
from smartpix.schema import InputError

__all__ = [
    "QuantizedMdn",
    "QuantizedOptions",
    "encode_codes",
    "from_fixed",
    "from_float",
    "to_fixed",
    "zero_shares",
]

EDGE_WIDTH = 0.15
"""Width, relative to the charge, over which a learned edge feels a gradient."""
STILL = 0.5
"""Share of the epochs after which the weights' formats stay as they are."""
SMALLEST_EDGE = 100.0
"""Learned edges stay above it, in e: two times the noise."""


def cut(x: Tensor, to: FixedPoint, rounding: bool = True) -> Tensor:
    """In the format: cut off towards minus infinity, saturated; gradient one between the ends. Without
    rounding: saturated.
    """
    scale = 2.0**to.fraction
    inside = x.clamp(to.low / scale, (to.high + 1) / scale)
    if not rounding:
        return inside
    return inside + ((inside * scale).floor().clamp(max=to.high) / scale - inside).detach()


def encode_codes(codes: Tensor, data: FixedPoint) -> Tensor:
    """What the network takes for codes."""
    return codes.float() / 2.0**data.fraction


class Kernel(nn.Module):
    """Weights of one layer, with a power of two for each output as their unit, which follows them until it is
    held.

    Shapes:
        weight: any, the first axis the outputs.
        bias: (outputs,), or none.
    """

    fraction: Tensor
    used: Tensor
    learned: nn.Parameter | None

    def __init__(
        self, shape: tuple[int, ...], bits: int, bias: bool = True, learn_bits: bool = False
    ) -> None:
        super().__init__()
        fan_in = math.prod(shape[1:])
        bound = 1 / math.sqrt(fan_in)
        self.bits = bits
        self.rounding = True
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(shape[0]).uniform_(-bound, bound)) if bias else None
        self.register_buffer("fraction", torch.full((shape[0], *[1] * (len(shape) - 1)), float(bits)))
        self.register_buffer("used", torch.ones(shape))
        # Learned bits: each weight's own number of fractional bits, at most the format's.
        self.learned = nn.Parameter(torch.full(shape, float(bits))) if learn_bits else None
        self.fit_format()

    @torch.no_grad()
    def fit_format(self, finest: int | None = None) -> None:
        """Take for each output the fraction with the smallest squared error, up to ``finest``; of equal ones
        the finest.
        """
        weight = self.weight * self.used
        candidates = torch.arange(-4.0, (self.bits + 7 if finest is None else finest) + 1)
        top = 2.0 ** (self.bits - 1)
        errors = []
        for fraction in candidates:
            rounded = (weight * 2.0**fraction).round().clamp(-top, top - 1) / 2.0**fraction
            errors.append((weight - rounded).square().flatten(1).sum(1))
        stacked = torch.stack(errors)
        smallest = stacked <= stacked.min(0).values
        best = torch.where(smallest, candidates[:, None], candidates[0]).max(0).values
        # An output without weights is no reason for a wider format.
        empty = (weight == 0).flatten(1).all(1)
        if not empty.all():
            best[empty] = best[~empty].max()
        best = best.reshape(self.fraction.shape)
        if self.learned is not None:
            self.learned.add_(best - self.fraction)
        self.fraction.copy_(best)

    @property
    def format(self) -> FixedPoint:
        """Of all weights: as fine as the finest output's."""
        finest, coarsest = int(self.fraction.max()), int(self.fraction.min())
        return FixedPoint(True, self.bits + finest - coarsest, finest)

    def rounded(self) -> Tensor:
        """The weights in their format."""
        weight = self.weight * self.used
        if not self.rounding:
            return weight
        scale, top = 2.0**self.fraction, 2.0 ** (self.bits - 1)
        inside = torch.maximum(torch.minimum(weight, (top - 1) / scale), -top / scale)
        if self.learned is None:
            whole: Tensor = inside + ((inside * scale).round() / scale - inside).detach()
            return whole
        # Each weight at its own fraction; the error falls by half with each bit, which is the gradient of the
        # bits (arXiv 2405.00645, equation 15).
        bits = torch.minimum(self.learned, self.fraction)
        own = 2.0 ** (bits + (bits.round() - bits).detach())
        error = inside - (inside * own).round() / own
        error = error.detach() * (1 - math.log(2.0) * (bits - bits.detach()))
        # Rounded up to the end of a coarser grid, a weight would lie beyond the format.
        rounded: Tensor = torch.minimum(inside - error, (top - 1) / scale)
        return rounded

    def offset(self, fraction: int) -> Tensor:
        """Biases in the unit of the sums."""
        assert self.bias is not None
        scale = 2.0**fraction
        return self.bias + ((self.bias * scale).round() / scale - self.bias).detach()


class QuantizedMdn(nn.Module):
    """A network of :mod:`smartpix.networks.modules` as the chip computes it.

    Shapes:
        input: (N, S, R, C): codes in the format of the data (see :func:`encode_codes`), or with
            ``learn_edges`` the charge in e.
        output: (N, 14) as of the float networks.
    """

    def __init__(self, options: QuantizedOptions) -> None:
        super().__init__()
        self.options = o = options
        s, r, c = o.n_slices, o.n_rows, o.n_columns
        first, second = o.filters
        hidden = o.hidden
        learn = o.learn_bits
        self.rounding = True
        if o.kind == "conv":
            self.depthwise = Kernel((s, 3, 3), o.conv_bits, bias=False, learn_bits=learn)
            self.pointwise = Kernel((first, s), o.conv_bits, learn_bits=learn)
            self.mix = Kernel((second, first), o.conv_bits, learn_bits=learn)
            n_inputs = second * ((r - 2) // 3) * ((c - 2) // 3)
        elif o.kind == "columns":
            self.columns = Kernel((first, s, r, SPAN), o.conv_bits, learn_bits=learn)
            n_inputs = first * (c - SPAN + 1) + s * r
        else:
            n_inputs = s * (r + c)
        self.dense1 = Kernel((hidden[0], n_inputs), o.dense_bits, learn_bits=learn)
        self.dense2 = Kernel((hidden[1], hidden[0]), o.dense_bits, learn_bits=learn)
        self.dense3 = Kernel((N_OUTPUTS, hidden[1]), o.last_bits, learn_bits=learn)
        edges = torch.tensor(o.edges, dtype=torch.float32)
        # In the logarithm, in which they are about evenly spaced.
        self.log_edges = nn.Parameter(edges.log()) if o.learn_edges else None

    def kernels(self) -> dict[str, Kernel]:
        """Layers with weights, by name, in the order of the data."""
        return {name: module for name, module in self.named_children() if isinstance(module, Kernel)}

    def positions(self) -> dict[str, int]:
        """How many times a layer's weights are used for one cluster, unrolled."""
        o = self.options
        pooled = 9 * ((o.n_rows - 2) // 3) * ((o.n_columns - 2) // 3)
        seen = {"depthwise": pooled, "pointwise": pooled, "mix": pooled, "columns": o.n_columns - SPAN + 1}
        return {name: seen.get(name, 1) for name in self.kernels()}

    def begin_epoch(self, epoch: int, epochs: int, free: int) -> None:
        """Before an epoch: the first ``free`` of them are without rounding; then weights' formats follow the
        weights.

        Formats are held in the second half.
        """
        self.rounding = epoch >= free
        for kernel in self.kernels().values():
            kernel.rounding = self.rounding
            if epoch < max(STILL * epochs, free):
                kernel.fit_format()

    def keep_zeros(self) -> None:
        """Hold at zero the weights that are zero now."""
        with torch.no_grad():
            for kernel in self.kernels().values():
                kernel.used.copy_(kernel.rounded() != 0)

    def coded(self, charge: Tensor) -> Tensor:
        """Codes of charge under learned edges; near an edge the code has a slope."""
        assert self.log_edges is not None
        edges = self.log_edges.exp().clamp(min=SMALLEST_EDGE)
        with torch.no_grad():
            hard = torch.bucketize(charge, edges, right=True).float()
        fired = charge > 0
        ratio = torch.log(charge[fired])[:, None] - edges.log()
        soft = torch.sigmoid(ratio / EDGE_WIDTH).sum(1)
        code = hard.clone()
        code[fired] = hard[fired] + (soft - soft.detach())
        return code / 2.0**self.options.data.fraction

    def forward(self, image: Tensor) -> Tensor:
        """Raw outputs (N, 14)."""
        o = self.options
        x = self.coded(image) if self.log_edges is not None else image
        if o.kind == "conv":
            flat = self._convolved(x)
        else:
            flat = x.sum(3).flatten(1)
            if o.kind == "mlp":
                flat = torch.cat([x.sum(2).flatten(1), flat], dim=1)
            else:
                unit = o.data.fraction + self.columns.format.fraction
                sums = nn.functional.conv2d(x, self.columns.rounded(), self.columns.offset(unit))
                flat = torch.cat([cut(sums, o.between, self.rounding).flatten(1), flat], dim=1)
        unit = {"conv": o.between.fraction, "mlp": o.data.fraction}.get(
            o.kind, max(o.between.fraction, o.data.fraction)
        )
        for kernel, out in ((self.dense1, o.between), (self.dense2, o.between), (self.dense3, o.output)):
            sums = nn.functional.linear(flat, kernel.rounded(), kernel.offset(unit + kernel.format.fraction))
            flat, unit = cut(sums, out, self.rounding), out.fraction
        return flat

    def _convolved(self, x: Tensor) -> Tensor:
        o = self.options
        # One convolution: depthwise and pointwise have no rounding between them.
        weight = self.pointwise.rounded()[:, :, None, None] * self.depthwise.rounded()[None]
        unit = o.data.fraction + self.depthwise.format.fraction + self.pointwise.format.fraction
        h = cut(nn.functional.conv2d(x, weight, self.pointwise.offset(unit)), o.between, self.rounding)
        unit = o.between.fraction + self.mix.format.fraction
        h = cut(
            nn.functional.conv2d(h, self.mix.rounded()[:, :, None, None], self.mix.offset(unit)),
            o.between,
            self.rounding,
        )
        # A little more, so that whole averages do not fall below themselves; the next smaller quotient is a
        # ninth of a step away.
        little = 2.0 ** -(o.between.fraction + 5)
        return cut(nn.functional.avg_pool2d(h, 3) + little, o.between, self.rounding).flatten(1)


def to_fixed(model: QuantizedMdn) -> FixedNetwork:
    """The network of whole numbers that the module stands for."""
    o = model.options
    weights: dict[str, npt.NDArray[np.int64]] = {}
    formats, outputs = {}, {}
    for name, kernel in model.kernels().items():
        formats[name] = kernel.format
        weights[name] = _whole(kernel.rounded(), kernel.format.fraction)
        if name != "depthwise":
            outputs[name] = o.output if name == "dense3" else o.between
    if o.kind == "conv":
        outputs["pool"] = o.between
    edges = (
        np.array(o.edges)
        if model.log_edges is None
        else model.log_edges.detach().exp().clamp(min=SMALLEST_EDGE).numpy()
    )
    edges = np.sort(np.round(edges.astype(np.float64), 1))
    shape = (o.n_slices, o.n_rows, o.n_columns)
    network = FixedNetwork(o.kind, shape, edges, o.data, o.activation, weights, {}, formats, outputs)
    biases = {
        name: _whole(kernel.offset(network.sum_fraction(name)), network.sum_fraction(name))
        for name, kernel in model.kernels().items()
        if kernel.bias is not None
    }
    return FixedNetwork(o.kind, shape, edges, o.data, o.activation, weights, biases, formats, outputs)


def from_fixed(model: QuantizedMdn, network: FixedNetwork, name: str) -> None:
    """Put a network's weights and formats into a module of the same sizes.

    Raises:
        InputError: the sizes differ; names the weights.
    """
    with torch.no_grad():
        for layer, kernel in model.kernels().items():
            _check_size(name, layer, kernel, network.weights[layer].shape)
            fraction = network.formats[layer].fraction
            kernel.weight.copy_(_real(network.weights[layer], fraction))
            kernel.fit_format(finest=fraction)
            if not network.weights[layer].any():
                kernel.fraction.fill_(fraction)
            if kernel.bias is not None:
                kernel.bias.copy_(_real(network.biases[layer], network.sum_fraction(layer)))
        # Of a network with another ADC the edges say nothing.
        if (
            model.log_edges is not None
            and len(network.edges) == len(model.log_edges)
            and network.edges[0] > 0
        ):
            model.log_edges.copy_(torch.from_numpy(np.log(network.edges)))


def from_float(model: QuantizedMdn, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> None:
    """Put the weights of a float network of the same kind and sizes into a module.

    Raises:
        InputError: the sizes differ, or it was trained with batch normalisation; names the weights.
    """
    if any(key.startswith("norm") for key in arrays):
        raise InputError(
            f"{name}: has batch normalisation, which a quantised network has not; train one without"
        )
    with torch.no_grad():
        for layer, kernel in model.kernels().items():
            weight = arrays[f"{layer}.weight"]
            if layer in ("depthwise", "pointwise", "mix"):
                weight = weight[:, 0] if layer == "depthwise" else weight[:, :, 0, 0]
            _check_size(name, layer, kernel, weight.shape)
            kernel.weight.copy_(torch.from_numpy(np.array(weight)))
            if kernel.bias is not None:
                kernel.bias.copy_(torch.from_numpy(np.array(arrays[f"{layer}.bias"])))
            kernel.fit_format()


def _check_size(name: str, layer: str, kernel: Kernel, found: tuple[int, ...]) -> None:
    if found != tuple(kernel.weight.shape):
        raise InputError(
            f"{name}: '{layer}' is {found} and {tuple(kernel.weight.shape)} was asked for; ask for its widths"
        )


def zero_shares(model: QuantizedMdn) -> Mapping[str, float]:
    """Share of weights that are exactly zero after rounding, by layer, and ``"all"``."""
    zero = {name: (kernel.rounded() == 0).sum().item() for name, kernel in model.kernels().items()}
    size = {name: kernel.weight.numel() for name, kernel in model.kernels().items()}
    return {name: zero[name] / size[name] for name in zero} | {"all": sum(zero.values()) / sum(size.values())}


def _whole(values: Tensor, fraction: int) -> npt.NDArray[np.int64]:
    return np.round(values.detach().double().numpy() * 2.0**fraction).astype(np.int64)


def _real(values: npt.NDArray[np.int64], fraction: int) -> Tensor:
    return torch.from_numpy((values * 2.0**-fraction).astype(np.float32))
