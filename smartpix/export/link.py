"""The encoder of the learned code of the link as adders and multiplexers."""

from __future__ import annotations

import math
from typing import Any

from smartpix.export.wires import Matrices, cut_wires, input_wires, logic_of
from smartpix.link.encoder import N_SLICES, FixedEncoder, patches
from smartpix.schema import N_COLUMNS, N_ROWS

__all__ = ["encoder_luts", "trace_encoder"]


def trace_encoder(encoder: FixedEncoder, codes: tuple[int, int], adders_per_stage: int = -1) -> Any:
    """The encoder as da4ml's ``CombLogic``: codes (2 * 13 * 21,) of the ADC to whole numbers (latent,).

    Follows :func:`smartpix.link.encoder.encode_clusters` step by step.

    Args:
        encoder: what to trace.
        codes: smallest and largest code of the ADC.
        adders_per_stage: as of :func:`smartpix.export.wires.input_wires`.
    """
    options, shape = encoder.options, (N_SLICES, N_ROWS, N_COLUMNS)
    wires = input_wires([codes] * math.prod(shape), adders_per_stage)
    linear = Matrices().linear
    seen = patches(wires.reshape(1, *shape))[0]
    sums = linear(encoder.conv.reshape(len(encoder.conv), -1), seen.reshape(*seen.shape[:2], -1))
    hidden = cut_wires(options.results, sums + encoder.conv_bias, encoder.conv_fraction)
    hidden = hidden.transpose(2, 0, 1).reshape(-1)
    found = cut_wires(
        options.sent, linear(encoder.dense, hidden) + encoder.dense_bias, encoder.dense_fraction
    )
    return logic_of(wires, found)


def encoder_luts(encoder: FixedEncoder, codes: tuple[int, int]) -> int:
    """Look-up tables of the fully unrolled encoder by da4ml's count."""
    return int(round(trace_encoder(encoder, codes).cost))
