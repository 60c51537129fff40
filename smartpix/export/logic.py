"""A network of whole numbers as adders and multiplexers, with da4ml's multiplication by constants without
multipliers.

Follows :func:`smartpix.chip.fixed_point.evaluate` step by step. All quantities are whole numbers, as there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.chip.fixed_point import FixedNetwork, ninth
from smartpix.export.wires import Matrices, Wires, cut_wires, input_wires, logic_of
from smartpix.networks.plan import POOL, SPAN, WINDOW
from smartpix.schema import InputError

__all__ = ["code_range", "estimate_luts", "port_bits", "range_bits", "trace"]


def code_range(network: FixedNetwork) -> tuple[int, int]:
    """Smallest and largest code that the edges can give."""
    negative = int(np.sum(network.edges < 0))
    return -negative, len(network.edges) - negative


def port_bits(network: FixedNetwork) -> tuple[int, int]:
    """Bits of a code and of a result in the ports."""
    return range_bits(*code_range(network)), network.outputs["dense3"].bits


def range_bits(low: int, high: int) -> int:
    """Bits of a whole number from ``low`` to ``high``, in two's complement if ``low`` is negative."""
    return max((-low - 1).bit_length() if low else 0, high.bit_length()) + (low < 0)


def trace(network: FixedNetwork, adders_per_stage: int = -1) -> Any:
    """The network as da4ml's ``CombLogic``: codes (S * R * C,) to (O,) whole numbers in the format
    ``outputs["dense3"]``.

    Inputs that no output depends on have no bits in it.

    Args:
        network: what to trace.
        adders_per_stage: adders one after the other between two registers, for a later pipeline; -1: no
            registers.

    Raises:
        InputError: no output depends on the input.
    """
    codes, outputs = _wires(network, adders_per_stage)
    if not _vary(outputs):
        raise InputError(
            "network: no output depends on the input, there is nothing to make of it; were all weights "
            "pruned away?"
        )
    return logic_of(codes, outputs)


def estimate_luts(network: FixedNetwork) -> int:
    """Look-up tables of the fully unrolled network by da4ml's count, in a few seconds; 0: no output depends
    on the input.
    """
    codes, outputs = _wires(network, -1)
    return round(logic_of(codes, outputs).cost) if _vary(outputs) else 0


def _wires(network: FixedNetwork, adders_per_stage: int) -> tuple[Wires, Wires]:
    """Codes and outputs."""
    codes = input_wires([code_range(network)] * math.prod(network.shape), adders_per_stage)
    return codes, _Tracer(network).outputs(codes.reshape(network.shape))


def _vary(wires: Wires) -> bool:
    return any(v.low != v.high for v in wires)


class _Tracer:
    """The steps of ``evaluate`` on wires."""

    def __init__(self, network: FixedNetwork) -> None:
        self.network = network
        self.linear = Matrices().linear

    def outputs(self, codes: Wires) -> Wires:
        """Of codes (S, R, C)."""
        network, plan = self.network, self.network.plan
        finest = network.input_fraction("dense1")
        seen = []
        if plan.front != "none":
            front = {"convolution": self.convolution, "columns": self.columns}[plan.front](codes)
            seen.append(front * 2.0 ** (finest - network.outputs[plan.front_result].fraction))
        for has_sums, lines in ((plan.column_sums, codes.swapaxes(1, 2)), (plan.row_sums, codes)):
            if has_sums:
                sums = self.linear(np.ones((1, lines.shape[2]), np.int64), lines).reshape(-1)
                seen.append(sums * 2.0 ** (finest - network.input.fraction))
        x = np.concatenate(seen)
        for layer in ("dense1", "dense2", "dense3"):
            x = self.activated(layer, self.linear(network.weights[layer], x))
        return x

    def columns(self, codes: Wires) -> Wires:
        """Results of the filters over neighbouring columns, (F * columns,)."""
        kernel = self.network.weights["columns"]
        seen = np.lib.stride_tricks.sliding_window_view(codes, SPAN, axis=2).transpose(2, 0, 1, 3)
        hidden = self.linear(kernel.reshape(len(kernel), -1), seen.reshape(len(seen), -1))
        return self.activated("columns", hidden).T.reshape(-1)

    def convolution(self, codes: Wires) -> Wires:
        """Averages over 3 x 3 places of the convolution, (G * rows * columns,)."""
        network = self.network
        _, rows, columns = network.plan.map
        # The places beyond the last whole average are not used.
        seen = np.lib.stride_tricks.sliding_window_view(codes, (WINDOW, WINDOW), axis=(1, 2))[
            :, : POOL * rows, : POOL * columns
        ]
        kernels = network.weights["depthwise"]
        depth = np.stack(
            [
                self.linear(k.reshape(1, -1), s.reshape(*s.shape[:2], -1))[..., 0]
                for k, s in zip(kernels, seen, strict=True)
            ],
            axis=-1,
        )
        mixed = self.activated("pointwise", self.linear(network.weights["pointwise"], depth))
        mixed = self.activated("mix", self.linear(network.weights["mix"], mixed))
        # (G, rows, columns, places of an average)
        nine = (
            mixed.reshape(rows, POOL, columns, POOL, -1)
            .transpose(4, 0, 2, 1, 3)
            .reshape(mixed.shape[-1], rows, columns, POOL**2)
        )
        out, last = network.outputs["pool"], network.outputs["mix"]
        more = max(out.fraction - last.fraction, 0)
        multiplier, shift = ninth(POOL**2 * max(abs(last.low), last.high) << more)
        # Cutting off after the ninth and again at the pool's fraction is cutting off once.
        scaled = self.linear(
            np.array([[multiplier << more]]), self.linear(np.ones((1, POOL**2), np.int64), nine)
        )
        return cut_wires(out, scaled.reshape(-1) + multiplier // 2, last.fraction + more + shift)

    def activated(self, layer: str, sums: Wires) -> Wires:
        """Results (..., outputs) of a layer's sums (..., outputs)."""
        return cut_wires(
            self.network.outputs[layer], sums + self.network.biases[layer], self.network.sum_fraction(layer)
        )
