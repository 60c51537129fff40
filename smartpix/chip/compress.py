"""Making a quantised network smaller while it trains: zeros by penalty or by constraint, and bits by their
price.

A penalty (L1, L2) trades the likelihood against size, and its strength is found by trial. A constraint has a
target. The basic differential multiplier method climbs in a multiplier as long as the target is missed; the
modified one adds damping, so that it settles (Platt and Barr, NIPS 1987). The multiplier may take either
sign: otherwise it could not come back after it went too far. Zeros are exact ones after rounding, over all
kernels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smartpix.chip.kernel import Kernel
from smartpix.chip.options import METHODS, CompressOptions
from smartpix.chip.quantize import QuantizedMdn, zero_shares

__all__ = ["METHODS", "CompressOptions", "Constraint"]


class Constraint:
    """What is added to the loss of a network, and the multipliers that go with it.

    Args:
        model: whose kernels count.
        options: how.
    """

    def __init__(self, model: QuantizedMdn, options: CompressOptions) -> None:
        self.model, self.options = model, options
        n = len(model.kernels()) if options.scope == "layer" else 1
        self.multipliers = torch.zeros(n)
        self.missed = torch.zeros(n)
        self.at_start = self._shares(0.0).detach()

    def loss(self, done: float) -> Tensor:
        """To be added to the loss; ``done``: share of the training behind."""
        o = self.options
        kernels = self.model.kernels()
        if o.method == "none":
            return torch.zeros(())
        if o.method in ("l1", "l2"):
            power = 1 if o.method == "l1" else 2
            return o.strength * torch.stack([k.weight.abs().pow(power).sum() for k in kernels.values()]).sum()
        if o.method in PRICES:
            return o.strength * PRICES[o.method](self.model)
        near = min(done / o.approach, 1.0) if o.approach > 0 else 1.0
        target = self.at_start + (o.target - self.at_start) * near
        missed = target - self._shares(done)
        self.missed = missed.detach()
        damping = o.damping if o.method == "mdmm" else 0.0
        return (self.multipliers * missed + 0.5 * damping * missed.square()).sum()

    def ascend(self) -> None:
        """Move the multipliers after a step of the weights."""
        if self.options.method in ("bdmm", "mdmm"):
            self.multipliers += self.options.rate * self.missed

    def state(self) -> Tensor:
        """To be kept in checkpoints."""
        return self.multipliers.clone()

    def take_up(self, state: Tensor) -> None:
        """Go on from a checkpoint."""
        self.multipliers = state.clone()

    def record(self) -> dict[str, Any]:
        """Shares of zeros by layer and the multipliers, for the history."""
        return {
            "zeros": {k: round(v, 4) for k, v in zero_shares(self.model).items()},
            "multipliers": [round(float(v), 4) for v in self.multipliers],
        }

    def _shares(self, done: float) -> Tensor:
        """What the constraint counts: the share of zeros in all kernels together (1,), or in each."""
        zero = [self._zeros(kernel, done).flatten() for kernel in self.model.kernels().values()]
        if self.options.scope == "layer":
            return torch.stack([z.mean() for z in zero])
        return torch.cat(zero).mean().reshape(1)

    def _zeros(self, kernel: Kernel, done: float) -> Tensor:
        """How much of a zero each weight is, 0 to 1, with a slope."""
        half = 0.5 * 2.0**-kernel.fraction
        size = kernel.weight.abs()
        with torch.no_grad():
            wide = kernel.weight.square().mean().sqrt()
        # As wide as the weights are spread, so that each feels where to go, then down to half a step of the
        # format.
        width = torch.maximum(wide * (1 - done if self.options.surrogate == "smooth" else 1.0), half)
        # Its slope does not end at zero, so that weights which are nearly there get there.
        smooth = torch.exp(-size / width)
        if self.options.surrogate == "smooth":
            return smooth
        exact = (kernel.rounded() == 0).float()
        return exact + smooth - smooth.detach()


def bit_price(model: QuantizedMdn) -> Tensor:
    """Bit operations of one cluster, unrolled, in thousands: bits of each weight times those of what it
    multiplies (EBOPs of HGQ), where a sum of codes counts as a code."""
    o = model.options
    total = torch.zeros(())
    for layer in model.plan.layers:
        kernel = model.kernels()[layer.name]
        incoming = (o.data if model.plan.sees_codes(layer.name) else o.between).bits
        total = total + _spans(kernel).sum() * (layer.positions * incoming / 1000)
    return total


def lut_price(model: QuantizedMdn) -> Tensor:
    """Look-up tables of the weights' adders, unrolled, in thousands.

    A weight costs an adder for each digit that is not zero in its canonical signed form, as wide as what
    comes in and one bit more. What adders have in common is not seen, so that the count is too high. Its
    slope spreads a weight's digits evenly over its bits. A sum over a column or a row costs its own adders as
    long as a weight listens to it; the slope spreads these evenly over the bits of all who listen.
    """
    total = torch.zeros(())
    for layer in model.plan.layers:
        kernel = model.kernels()[layer.name]
        span = _spans(kernel)
        if layer.name == "dense1":
            with torch.no_grad():
                shared = _line_adders(model) / span.sum(0).clamp(min=1.0)
            total = total + (span * shared).sum() / 1000
        with torch.no_grad():
            finest = kernel.format.fraction
            a_bit = digits(kernel.rounded() * 2.0**finest) / span.clamp(min=1.0)
            wide = (_widths(model, layer.name) + 1) * a_bit
        total = total + (span * wide).sum() * (layer.positions / 1000)
    return total


def digits(whole: Tensor) -> Tensor:
    """Digits -1 and 1 of whole numbers in the canonical signed form, which has the fewest."""
    k = whole.abs().round().long()
    # n + 2 n differs from n xor 2 n exactly where the form has a digit (Prodinger, Integers 0, 2000).
    odd = k ^ (3 * k)
    count = torch.zeros_like(k)
    while odd.any():
        count += odd & 1
        odd = odd >> 1
    return count.float()


def _spans(kernel: Kernel) -> Tensor:
    """Bits of each weight from its uppermost to its lowest, with the slope of learned bits; of a zero 0."""
    with torch.no_grad():
        size = kernel.rounded().abs()
        # Bits above the point; a zero has none at all.
        above = torch.where(size > 0, torch.floor(torch.log2(size.clamp(min=1e-9))) + 1, -99.0)
    fraction = kernel.learned if kernel.learned is not None else kernel.fraction
    return (above + fraction).clamp(min=0)


def _widths(model: QuantizedMdn, layer: str) -> Tensor:
    """Bits of what each of a layer's weights multiplies, in the weights' last axis or alike for all."""
    o, plan = model.options, model.plan
    if layer != "dense1":
        return torch.tensor(float((o.data if plan.sees_codes(layer) else o.between).bits))
    # So many codes added up.
    sums = [o.data.bits + (terms - 1).bit_length() for terms in _line_terms(model)]
    return torch.tensor([o.between.bits] * plan.n_front + sums, dtype=torch.float32)


def _line_adders(model: QuantizedMdn) -> Tensor:
    """Look-up tables of each input of dense1: of the tree of adders that sums up a line, else 0."""
    sums = [tree_luts(terms, model.options.data.bits) for terms in _line_terms(model)]
    return torch.tensor([0] * model.plan.n_front + sums, dtype=torch.float32)


def _line_terms(model: QuantizedMdn) -> list[int]:
    """Codes in each of the sums over columns and rows, in the order in which dense1 sees them."""
    plan = model.plan
    slices, rows, columns = plan.shape
    return [rows] * (slices * columns * plan.column_sums) + [columns] * (slices * rows * plan.row_sums)


def tree_luts(terms: int, bits: int) -> int:
    """Look-up tables of a tree of adders for so many codes; the carry is free, as in da4ml's count."""
    luts = 0
    while terms > 1:
        luts += terms // 2 * bits
        terms, bits = terms - terms // 2, bits + 1
    return luts


PRICES = {"bits": bit_price, "luts": lut_price}
"""Of methods with learned bits."""
