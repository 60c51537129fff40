"""A network of whole numbers as adders and multiplexers, with da4ml's multiplication by constants without
multipliers.

Follows :func:`smartpix.chip.fixed_point.evaluate` step by step. All quantities are whole numbers, as there;
da4ml keeps the exact interval of each, so that no wire is wider than what can occur on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, FixedPoint, Ints, ninth
from smartpix.extras import missing_package
from smartpix.networks.plan import POOL, SPAN, WINDOW
from smartpix.schema import InputError

__all__ = ["code_range", "estimate_luts", "trace"]

Wires = npt.NDArray[np.object_]
"""da4ml's FixedVariable, one by one."""

METHODS = ("wmc", "mc")
"""da4ml's greedy choices of the next common pair of terms: the two that give the fewest adders for these
matrices.
"""
TRIES = 20
"""Orders in which the rows and columns of a small matrix are tried; the greedy choice depends on it, by 3 to
6 percent.
"""
SMALL = 100
"""Numbers in a matrix that is tried that often; for larger ones it gains a percent and takes seconds."""


def code_range(network: FixedNetwork) -> tuple[int, int]:
    """Smallest and largest code that the edges can give."""
    negative = int(np.sum(network.edges < 0))
    return -negative, len(network.edges) - negative


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
    return _logic(codes, outputs)


def estimate_luts(network: FixedNetwork) -> int:
    """Look-up tables of the fully unrolled network by da4ml's count, in a few seconds; 0: no output depends
    on the input.
    """
    codes, outputs = _wires(network, -1)
    return round(_logic(codes, outputs).cost) if _vary(outputs) else 0


def _wires(network: FixedNetwork, adders_per_stage: int) -> tuple[list[Any], list[Any]]:
    """Codes and outputs."""
    try:
        from da4ml.trace import FixedVariable, HWConfig
    except ImportError as error:
        raise missing_package("da4ml", "hls", error) from error

    low, high = code_range(network)
    # Cost in bits of adders, delay in adders, whatever their width.
    hardware = HWConfig(1, -1, adders_per_stage)
    codes = np.array(
        [FixedVariable(low, high, 1, hwconf=hardware) for _ in range(math.prod(network.shape))], dtype=object
    )
    return list(codes), list(_Tracer(network).outputs(codes.reshape(network.shape)))


def _logic(codes: list[Any], outputs: list[Any]) -> Any:
    from da4ml.trace import comb_trace

    return comb_trace(codes, outputs)


def _vary(wires: list[Any]) -> bool:
    return any(v.low != v.high for v in wires)


class _Tracer:
    """The steps of ``evaluate`` on wires. Keeps the solved matrices: the same ones stand at many places."""

    def __init__(self, network: FixedNetwork) -> None:
        self.network = network
        self.solved: dict[Any, Any] = {}

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
        return _cut(out, scaled.reshape(-1) + multiplier // 2, last.fraction + more + shift)

    def activated(self, layer: str, sums: Wires) -> Wires:
        """Results (..., outputs) of a layer's sums (..., outputs)."""
        return _cut(
            self.network.outputs[layer], sums + self.network.biases[layer], self.network.sum_fraction(layer)
        )

    def linear(self, weights: Ints, x: Wires) -> Wires:
        """``x @ weights.T`` (..., outputs) of weights (outputs, inputs) and x (..., inputs)."""
        rows = [self._row(weights, row) for row in x.reshape(-1, x.shape[-1])]
        return np.array(rows, dtype=object).reshape(*x.shape[:-1], len(weights))

    def _row(self, weights: Ints, x: Wires) -> Wires:
        # Wires that never change become part of the sum; those that no output needs stay out of the solver.
        fixed = np.array([v.low == v.high for v in x])
        offset = weights[:, fixed] @ np.array([int(v.low) for v in x[fixed]], dtype=np.int64)
        used = ~fixed & weights.any(axis=0)
        if not used.any():
            return np.array([_constant(x[0], int(k)) for k in offset], dtype=object)
        x, matrix = x[used], np.ascontiguousarray(weights[:, used].T, dtype=np.float32)
        intervals = [(float(v.low), float(v.high), float(v.step)) for v in x]
        latencies = [float(v.latency) for v in x]
        key = matrix.shape, matrix.tobytes(), tuple(intervals), tuple(latencies)
        if key not in self.solved:
            self.solved[key] = _solved(matrix, intervals, latencies, x[0].hwconf)
        return np.asarray(self.solved[key](x) + offset, dtype=object)


@dataclass(frozen=True)
class _Adders:
    """A solved matrix whose rows and columns were put in another order."""

    solution: Any
    inputs: Ints
    outputs: Ints

    def __call__(self, x: Wires) -> Wires:
        return np.asarray(self.solution(x[self.inputs]), dtype=object)[self.outputs]


def _solved(
    matrix: npt.NDArray[np.float32], intervals: list[Any], latencies: list[float], hardware: Any
) -> _Adders:
    """The fewest adders found for a matrix (inputs, outputs)."""
    from da4ml.cmvm import solve

    # The same network always gives the same adders.
    rng = np.random.default_rng(0)
    best, fewest = None, math.inf
    for i in range(TRIES if matrix.size <= SMALL and np.ptp(matrix) > 0 else 1):
        inputs, outputs = (rng.permutation(n) if i else np.arange(n) for n in matrix.shape)
        for method in METHODS:
            solution = solve(
                np.ascontiguousarray(matrix[inputs][:, outputs]),
                method0=method,
                qintervals=[intervals[k] for k in inputs],
                latencies=[latencies[k] for k in inputs],
                adder_size=hardware.adder_size,
                carry_size=hardware.carry_size,
            )
            if solution.cost < fewest:
                best, fewest = _Adders(solution, inputs, np.argsort(outputs)), solution.cost
    assert best is not None
    return best


def _cut(form: FixedPoint, k: Wires, fraction: int) -> Wires:
    """:meth:`FixedPoint.cut` of wires (...)."""
    moved = (k * 2.0 ** (form.fraction - fraction)).reshape(-1)
    return np.array([_saturated(form, v) for v in moved], dtype=object).reshape(k.shape)


def _saturated(form: FixedPoint, wire: Any) -> Any:
    whole = (int(form.signed), form.bits - form.signed, 0)
    _, bits, _ = wire.kif
    if wire.high < form.high + 1 or wire._factor < 0 or bits < 1:
        return wire.quantize(*whole, "SAT", "TRN")
    # da4ml asks whether k > 127, which takes all bits of k; k >= 128 takes the uppermost ones.
    moved = wire.quantize(1, bits, 0, "WRAP", "TRN").max_of(form.low)
    interval = (float(moved.low), float(form.high), 1.0)
    return (
        (moved - (form.high + 1))
        .msb_mux(moved, form.high, qint=interval, zt_sensitive=False)
        .quantize(*whole, "WRAP", "TRN")
    )


def _constant(like: Any, k: int) -> Any:
    from da4ml.trace import FixedVariable

    return FixedVariable.from_const(k, hwconf=like.hwconf)
