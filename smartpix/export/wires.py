"""Whole numbers as wires of da4ml: matrices of constants as adders, and the cut of a result.

da4ml keeps the exact interval of each wire, so that none is wider than what can occur on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedPoint, Ints
from smartpix.extras import missing_package

__all__ = ["Matrices", "Wires", "cut_wires", "input_wires", "logic_of"]

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


def input_wires(ranges: Iterable[tuple[int, int]], adders_per_stage: int) -> Wires:
    """Wires (n,) that come in, by the smallest and the largest whole number of each.

    Args:
        adders_per_stage: adders one after the other between two registers, for a later pipeline; -1: no
            registers.
    """
    try:
        from da4ml.trace import FixedVariable, HWConfig
    except ImportError as error:
        raise missing_package("da4ml", "hls", error) from error

    # Cost in bits of adders, delay in adders, whatever their width.
    hardware = HWConfig(1, -1, adders_per_stage)
    return np.array([FixedVariable(low, high, 1, hwconf=hardware) for low, high in ranges], dtype=object)


def logic_of(inputs: Wires, outputs: Wires) -> Any:
    """All between them as da4ml's ``CombLogic``."""
    from da4ml.trace import comb_trace

    return comb_trace(list(inputs), list(outputs))


class Matrices:
    """Matrices of constants as adders. Keeps the solved ones: the same ones stand at many places."""

    def __init__(self) -> None:
        self.solved: dict[Any, Any] = {}

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


def cut_wires(form: FixedPoint, k: Wires, fraction: int) -> Wires:
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
