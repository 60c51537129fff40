"""Quantisation-aware training: torch modules that compute what the chip will, with gradients.

Each weight, bias and result is rounded as in :mod:`smartpix.chip.fixed_point`. On the way back rounding
passes gradients unchanged, and saturation blocks them (straight-through, Bengio et al., arXiv 1308.3432).
:mod:`smartpix.chip.transfer` brings weights in and the network of whole numbers out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.chip.kernel import Kernel, cut
from smartpix.chip.options import QuantizedOptions
from smartpix.networks.plan import IMAGE, POOL

__all__ = ["QuantizedMdn", "zero_shares"]

EDGE_WIDTH = 0.15
"""Width, relative to the charge, over which a learned edge feels a gradient."""
STILL = 0.5
"""Share of the epochs after which the weights' formats stay as they are."""
SMALLEST_EDGE = 100.0
"""Learned edges stay above it, in e: two times the noise."""


class QuantizedMdn(nn.Module):
    """A network by its plan, as the chip computes it.

    Shapes:
        input: (N, S, R, C): codes in the format of the data (see :func:`encode_codes`), or with
            ``learn_edges`` the charge in e.
        output: (N, O) as of the float networks.
    """

    depthwise: Kernel
    pointwise: Kernel
    mix: Kernel
    columns: Kernel

    def __init__(self, options: QuantizedOptions) -> None:
        super().__init__()
        self.options = o = options
        self.plan = o.plan
        self.rounding = True
        for layer in self.plan.layers:
            bits = o.weight_bits(layer.name)
            self.add_module(layer.name, Kernel(layer.shape, bits, layer.bias, o.learn_bits))
        edges = torch.tensor(o.edges, dtype=torch.float32)
        # In the logarithm, in which they are about evenly spaced.
        self.log_edges = nn.Parameter(edges.log()) if o.learn_edges else None

    def kernels(self) -> dict[str, Kernel]:
        """Layers with weights, by name, in the order of the data."""
        return {name: module for name, module in self.named_children() if isinstance(module, Kernel)}

    def begin_epoch(self, epoch: int, epochs: int, free: int) -> None:
        """Before an epoch: the first ``free`` of them are without rounding; then weights' formats follow the
        weights.

        Formats are held in the second half.
        """
        self.rounding = epoch >= free
        for kernel in self.kernels().values():
            kernel.rounding = self.rounding
            # A new unit rounds all weights of its output anew; what follows is for the weights to settle.
            if epoch < max(STILL * epochs, free):
                kernel.fit_format()

    def keep_zeros(self) -> None:
        """Hold at zero the weights that are zero now."""
        with torch.no_grad():
            for kernel in self.kernels().values():
                kernel.used.copy_(kernel.rounded() != 0)

    def edges(self) -> npt.NDArray[np.float64]:
        """Edges of the ADC in e, as given or as learned by now."""
        if self.log_edges is None:
            return np.array(self.options.edges)
        learned = self.log_edges.detach().exp().clamp(min=SMALLEST_EDGE)
        return learned.numpy().astype(np.float64)

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
        # The value of the exact code with the slope of the soft one.
        code[fired] = hard[fired] + (soft - soft.detach())
        return code / 2.0**self.options.data.fraction

    def forward(self, image: Tensor) -> Tensor:
        """Raw outputs (N, O)."""
        o = self.options
        x = self.coded(image) if self.log_edges is not None else image
        front = {"none": lambda x: [], "convolution": self._convolution, "columns": self._columns}
        seen = front[self.plan.front](x)
        # Axes are (cluster, slice, row, column): summed over the rows, a column is left.
        seen += [x.sum(2).flatten(1)] if self.plan.column_sums else []
        seen += [x.sum(3).flatten(1)] if self.plan.row_sums else []
        flat = torch.cat(seen, dim=1)
        unit = max(
            o.data.fraction if seen_by == IMAGE else o.between.fraction
            for seen_by in self.plan.layer("dense1").inputs
        )
        for name in ("dense1", "dense2", "dense3"):
            kernel, out = self.kernels()[name], o.result(name)
            sums = nn.functional.linear(flat, kernel.rounded(), kernel.offset(unit + kernel.format.fraction))
            flat, unit = cut(sums, out, self.rounding), out.fraction
        return flat

    def _columns(self, x: Tensor) -> list[Tensor]:
        o = self.options
        unit = o.data.fraction + self.columns.format.fraction
        sums = nn.functional.conv2d(x, self.columns.rounded(), self.columns.offset(unit))
        return [cut(sums, o.between, self.rounding).flatten(1)]

    def _convolution(self, x: Tensor) -> list[Tensor]:
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
        return [cut(nn.functional.avg_pool2d(h, POOL) + little, o.between, self.rounding).flatten(1)]


def zero_shares(model: QuantizedMdn) -> Mapping[str, float]:
    """Share of weights that are exactly zero after rounding, by layer, and ``"all"``."""
    zero = {name: (kernel.rounded() == 0).sum().item() for name, kernel in model.kernels().items()}
    size = {name: kernel.weight.numel() for name, kernel in model.kernels().items()}
    return {name: zero[name] / size[name] for name in zero} | {"all": sum(zero.values()) / sum(size.values())}
