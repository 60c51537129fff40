"""Lengths of arithmetic codes: how few bits any of the codes of a cluster would take if nothing of them were
wasted.

The tables of probabilities are static: they are counted once, on clusters of a training, and known to chip
    and host.
A cluster of probability p has a codeword of ``ceil(-log2 p) + 1`` bits, of which none is the beginning of
another (Shannon, Fano and Elias; Cover and Thomas, Elements of Information Theory, 5.9). An adaptive table,
or one codeword for many clusters, would save at most the one and a half bits of the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.link.images import Boxes
from smartpix.schema import N_COLUMNS, N_ROWS

__all__ = ["N_CLASSES", "Tables", "box_class", "box_symbol", "codeword_bits", "count_tables"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROW_STEPS, COLUMN_STEPS = (2, 3, 4, 7), (2, 3, 5)
"""First sizes of the next class."""
N_CLASSES = (len(ROW_STEPS) + 1) * (len(COLUMN_STEPS) + 1)
UNSEEN = 0.1
"""Added to each count, so that what the training did not have can be sent too."""


@dataclass(frozen=True)
class Tables:
    """Information of symbols in contexts.

    Attributes:
        information: (contexts, symbols) -log2 of the probability of each symbol in each context, in bits.
    """

    information: Floats

    def bits(self, context: Ints, symbol: Ints) -> Floats:
        """Information of symbols, in bits."""
        return np.asarray(self.information[context, symbol])


def count_tables(context: Ints, symbol: Ints, n_contexts: int, n_symbols: int) -> Tables:
    """Tables of symbols that were seen in contexts; both (N,), from 0."""
    counts = np.bincount(context * n_symbols + symbol, minlength=n_contexts * n_symbols) + UNSEEN
    counts = counts.reshape(n_contexts, n_symbols)
    return Tables(-np.log2(counts / counts.sum(axis=1, keepdims=True)))


def codeword_bits(information: Floats) -> Ints:
    """Bits (N,) of the codewords of clusters with so much information (N,)."""
    # A sum of logarithms is not exact: a billionth must not cost a bit.
    return np.ceil(information - 1e-9).astype(np.int64) + 1


def box_class(boxes: Boxes) -> Ints:
    """(N,) class of boxes by their size, 0 to :data:`N_CLASSES` - 1: what is known when the rest is read."""
    size = boxes.last - boxes.first + 1
    rows, columns = (
        np.searchsorted(s, size[:, k], side="right") for k, s in enumerate((ROW_STEPS, COLUMN_STEPS))
    )
    return np.asarray(rows * (len(COLUMN_STEPS) + 1) + columns)


def box_symbol(boxes: Boxes) -> tuple[Ints, int]:
    """(N,) numbers of boxes by their size, one for all sizes beyond the window's in each direction; and how
    many there are.
    """
    rows, columns = np.minimum(boxes.size, [N_ROWS + 1, N_COLUMNS + 1]).T - 1
    return rows * (N_COLUMNS + 1) + columns, (N_ROWS + 1) * (N_COLUMNS + 1)
