"""Principal components of the codes: the linear code with as many numbers and bits as a learned one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from smartpix.link.arithmetic import N_CLASSES, Tables, box_class, box_symbol, codeword_bits, count_tables
from smartpix.link.codes import CodedClusters, Sent
from smartpix.link.images import ESCAPE_BITS, Boxes
from smartpix.schema import REGIONS, InputError

__all__ = ["NumberTables", "PcaCode", "count_number_tables", "fit_pca", "number_bits"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TAIL = 0.001
"""Share of the clusters beyond either end of a component's range, which saturate."""
SMALLEST = 0.5
"""Decoded codes below it, in size, are no charge."""


@dataclass(frozen=True)
class NumberTables:
    """Tables of the arithmetic code of numbers: of the box's size, and of each number by the class of the
    box.
    """

    box: Tables
    numbers: tuple[Tables, ...]


def count_number_tables(boxes: Boxes, numbers: Ints, n_steps: int) -> NumberTables:
    """Count the tables on clusters of a training with the sent numbers (N, K), 0 to ``n_steps`` - 1."""
    symbol, n_symbols = box_symbol(boxes)
    box = count_tables(np.zeros(len(symbol), dtype=np.int64), symbol, 1, n_symbols)
    context = box_class(boxes)
    return NumberTables(box, tuple(count_tables(context, column, N_CLASSES, n_steps) for column in numbers.T))


def number_bits(boxes: Boxes, numbers: Ints, tables: NumberTables) -> Ints:
    """Bits (N,) of the arithmetic code of boxes and numbers (N, K)."""
    symbol, _ = box_symbol(boxes)
    context = box_class(boxes)
    information = tables.box.bits(np.zeros(len(symbol), dtype=np.int64), symbol)
    for column, table in zip(numbers.T, tables.numbers, strict=True):
        information = information + table.bits(context, column)
    return codeword_bits(information) + np.where(boxes.inside, 0, ESCAPE_BITS)


@dataclass(frozen=True)
class PcaCode:
    """The linear code.

    Attributes:
        mean, components: of the codes by region, (P,) and (K, P).
        low, step: of the numbers by region, (K,) each.
        bits: of each number.
        tables: of the arithmetic code; None: not counted yet.
    """

    mean: tuple[Floats, Floats]
    components: tuple[Floats, Floats]
    low: tuple[Floats, Floats]
    step: tuple[Floats, Floats]
    bits: int
    tables: NumberTables | None = None

    def numbers(self, seen: CodedClusters) -> Ints:
        """What is sent (N, K)."""
        sent = np.empty((len(seen), len(self.low[0])), dtype=np.int64)
        flat = seen.codes.reshape(len(seen), -1)
        for k, rows in enumerate((seen.barrel, ~seen.barrel)):
            values = (flat[rows] - self.mean[k]) @ self.components[k].T
            sent[rows] = np.clip((values - self.low[k]) // self.step[k], 0, 2**self.bits - 1)
        return sent

    def __call__(self, seen: CodedClusters) -> Sent:
        """Send clusters.

        Raises:
            InputError: the tables are not counted.
        """
        if self.tables is None:
            raise InputError("link: the tables of the linear code are not counted; make it with fit_pca")
        sent = self.numbers(seen)
        found = np.empty((len(seen), self.mean[0].size))
        for k, rows in enumerate((seen.barrel, ~seen.barrel)):
            middle = self.low[k] + (sent[rows] + 0.5) * self.step[k]
            found[rows] = self.mean[k] + middle @ self.components[k]
        codes = found.reshape(seen.codes.shape)
        codes[
            (np.abs(codes) < SMALLEST) | ~np.repeat(seen.boxes.mask()[:, None], seen.codes.shape[1], axis=1)
        ] = 0
        known = np.arange(seen.adc.n_codes) + seen.adc.lowest
        charge = np.interp(codes, known, seen.adc.charge(known)).astype(np.float32)
        bits = seen.boxes.bits + len(self.low[0]) * self.bits
        return Sent(charge, bits, number_bits(seen.boxes, sent, self.tables))


def fit_pca(seen: CodedClusters, latent: int, bits: int) -> PcaCode:
    """Fit the linear code to clusters of a training, barrel and end-caps on their own.

    Args:
        latent: numbers; bits: of each.

    Raises:
        InputError: a region has fewer clusters than numbers are asked for.
    """
    parts: list[tuple[Floats, Floats, Floats, Floats]] = []
    for region, rows in zip(REGIONS, (seen.barrel, ~seen.barrel), strict=True):
        flat = seen.codes[rows].reshape(int(rows.sum()), -1).astype(np.float64)
        if len(flat) <= latent:
            raise InputError(
                f"link: {len(flat)} clusters of the {region} are too few for {latent} components; give more events"
            )
        mean = flat.mean(axis=0)
        _, vectors = np.linalg.eigh((flat - mean).T @ (flat - mean))
        components = vectors[:, ::-1][:, :latent].T
        low, high = np.quantile((flat - mean) @ components.T, [TAIL, 1 - TAIL], axis=0)
        parts.append((mean, components, low, np.maximum(high - low, 1e-9) / 2**bits))
    (mean, components, low, step), of_endcap = parts
    code = PcaCode(
        (mean, of_endcap[0]), (components, of_endcap[1]), (low, of_endcap[2]), (step, of_endcap[3]), bits
    )
    return replace(code, tables=count_number_tables(seen.boxes, code.numbers(seen), 2**bits))
