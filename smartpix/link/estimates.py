"""The 14 numbers of the estimates' network on the link, instead of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from smartpix.chip.fused import FusedFixedNetwork
from smartpix.clusters import pixel_lists
from smartpix.estimate.mdn import MdnEstimator
from smartpix.link.arithmetic import Tables, codeword_bits, count_tables
from smartpix.link.codes import CodedClusters
from smartpix.schema import REGIONS, InputError

__all__ = ["count_estimate_tables", "estimate_bits", "estimate_numbers"]

Ints = npt.NDArray[np.int64]

FLAG_BITS = 1
"""Whether the cluster was truncated."""


def estimate_numbers(seen: CodedClusters, estimator: MdnEstimator) -> Ints:
    """What the chip sends (N, 14) of clusters.

    Raises:
        InputError: the estimates are not those of a chip with a link.
    """
    sent: Ints | None = None
    charge = seen.adc.charge(seen.codes)
    for region, rows in zip(REGIONS, (seen.barrel, ~seen.barrel), strict=True):
        network = estimator.networks[region]
        if not isinstance(network.fused, FusedFixedNetwork) or network.fused.link is None:
            raise InputError(
                f"{network.name}: sends nothing over a link; use quantised estimates with link_bits"
            )
        last = network.fused.network.outputs["dense3"]
        whole = network.fused.whole(*pixel_lists(charge[rows])).astype(np.int64)
        columns = [to.send(whole[:, k], last.fraction) for k, to in enumerate(network.fused.link)]
        sent = np.empty((len(seen), len(columns)), dtype=np.int64) if sent is None else sent
        sent[rows] = np.stack(columns, axis=1)
    assert sent is not None
    return sent


def count_estimate_tables(seen: CodedClusters, numbers: Ints, bits: int) -> tuple[Tables, ...]:
    """Tables of the arithmetic code of each number, barrel and end-caps on their own."""
    region = seen.barrel.astype(np.int64)
    return tuple(count_tables(region, column, 2, 2**bits) for column in numbers.T)


def estimate_bits(
    seen: CodedClusters, numbers: Ints, bits: int, tables: Sequence[Tables]
) -> tuple[Ints, Ints]:
    """Bits (N,) in fixed fields, and in the arithmetic code."""
    region = seen.barrel.astype(np.int64)
    information = sum(table.bits(region, column) for table, column in zip(tables, numbers.T, strict=True))
    fixed = np.full(len(seen), numbers.shape[1] * bits + FLAG_BITS)
    return fixed, codeword_bits(np.asarray(information)) + FLAG_BITS
