"""Options of the learned code of clusters. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.chip.fixed_point import FixedPoint
from smartpix.schema import N_COLUMNS, N_ROWS, check_ranges, check_types, ranged

__all__ = ["FILTER", "STRIDE", "LinkOptions"]

FILTER, STRIDE = 3, 2
"""Of the encoder's convolution."""


@dataclass(frozen=True)
class LinkOptions:
    """The learned code: an encoder of whole numbers on the chip, a decoder of floating point on the host.

    Attributes:
        latent: numbers that are sent of a cluster.
        bits: of each of them on the link.
        filters: of the encoder's convolution.
        weight_bits: of the encoder's weights.
        result_bits: of the convolution's results.
        hidden: width of the decoder's two hidden layers.
    """

    latent: int = ranged(8, 1, 64)
    bits: int = ranged(5, 2, 9)
    filters: int = ranged(8, 1, 64)
    weight_bits: int = ranged(6, 2, 16)
    result_bits: int = ranged(8, 2, 16)
    hidden: int = ranged(192, 1, 1000)

    def __post_init__(self) -> None:
        check_types("link", self)
        check_ranges("link", self)

    @property
    def map(self) -> tuple[int, int, int]:
        """Shape of the convolution's results: filters, rows, columns."""
        rows, columns = ((n - FILTER) // STRIDE + 1 for n in (N_ROWS, N_COLUMNS))
        return self.filters, rows, columns

    @property
    def codes(self) -> FixedPoint:
        """Of the codes of the ADC, in quarters."""
        return FixedPoint(True, 5, 2)

    @property
    def results(self) -> FixedPoint:
        """Of the convolution, 0 to 16."""
        return FixedPoint(False, self.result_bits, self.result_bits - 4)

    @property
    def sent(self) -> FixedPoint:
        """Of the numbers on the link, -1 to 1."""
        return FixedPoint(True, self.bits, self.bits - 1)
