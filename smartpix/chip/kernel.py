"""Weights and results rounded as on the chip, with gradients: the pieces of quantisation-aware training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from smartpix.chip.fixed_point import FixedPoint

__all__ = ["Kernel", "cut", "encode_codes"]


def cut(x: Tensor, to: FixedPoint, rounding: bool = True) -> Tensor:
    """In the format: cut off towards minus infinity, saturated; gradient one between the ends. Without
    rounding: saturated.
    """
    scale = 2.0**to.fraction
    # The top step is as wide as the others: up to high + 1 all is cut down to high, and passes gradients.
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
        # As torch's own layers begin.
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
            # To nearest, unlike results: weights are rounded once and off the chip, where it costs nothing.
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
        grid = 2.0 ** (bits + (bits.round() - bits).detach())
        error = inside - (inside * grid).round() / grid
        error = error.detach() * (1 - math.log(2.0) * (bits - bits.detach()))
        # Rounded up to the end of a coarser grid, a weight would lie beyond the format.
        rounded: Tensor = torch.minimum(inside - error, (top - 1) / scale)
        return rounded

    def offset(self, fraction: int) -> Tensor:
        """Biases in the unit of the sums."""
        assert self.bias is not None
        scale = 2.0**fraction
        return self.bias + ((self.bias * scale).round() / scale - self.bias).detach()
