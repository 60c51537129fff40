"""The encoder of the learned code in whole numbers: what the chip computes, bit for bit.

A 3 x 3 convolution with stride 2, cut to positive numbers, and one dense layer, cut to the bits of the link.
The shape is that of ECON-T's encoder (arXiv 2105.01683), on our window of two slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedPoint, Ints
from smartpix.link.options import FILTER, STRIDE, LinkOptions
from smartpix.schema import N_COLUMNS, N_ROWS, InputError

__all__ = ["FixedEncoder", "encode_clusters", "encoder_from_arrays", "patches"]

N_SLICES = 2


@dataclass(frozen=True)
class FixedEncoder:
    """An encoder of whole numbers.

    Attributes:
        options: formats of codes, results and sent numbers.
        conv: (filters, slices, 3, 3) and dense: (latent, filters * rows * columns) weights.
        conv_bias: (filters,) and dense_bias: (latent,) in the units of the sums.
        conv_format, dense_format: of the weights.
    """

    options: LinkOptions
    conv: Ints
    conv_bias: Ints
    conv_format: FixedPoint
    dense: Ints
    dense_bias: Ints
    dense_format: FixedPoint

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.conv.size + self.conv_bias.size + self.dense.size + self.dense_bias.size

    @property
    def conv_fraction(self) -> int:
        """Fraction of the convolution's sums."""
        return self.options.codes.fraction + self.conv_format.fraction

    @property
    def dense_fraction(self) -> int:
        """Fraction of the dense layer's sums."""
        return self.options.results.fraction + self.dense_format.fraction


def patches(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What the convolution sees (N, rows, columns, slices, 3, 3) of images (N, S, R, C)."""
    seen = np.lib.stride_tricks.sliding_window_view(images, (FILTER, FILTER), axis=(2, 3))
    return np.asarray(seen[:, :, ::STRIDE, ::STRIDE].transpose(0, 2, 3, 1, 4, 5))


def encode_clusters(encoder: FixedEncoder, codes: npt.NDArray[Any]) -> Ints:
    """What is sent (N, latent), whole numbers in the format ``sent``, of codes (N, 2, 13, 21).

    Raises:
        InputError: codes of another shape.
    """
    if codes.shape[1:] != (N_SLICES, N_ROWS, N_COLUMNS):
        raise InputError(
            f"link: the encoder takes codes of {(N_SLICES, N_ROWS, N_COLUMNS)} and these are {codes.shape[1:]}; "
            f"give windows of clusters"
        )
    options = encoder.options
    seen = patches(codes).astype(np.float64).reshape(-1, N_SLICES * FILTER**2)
    # Whole numbers below 2^53 are exact in double precision, whose products are fast.
    sums = (seen @ encoder.conv.reshape(len(encoder.conv), -1).T.astype(np.float64)).astype(np.int64)
    hidden = options.results.cut(sums + encoder.conv_bias, encoder.conv_fraction)
    _, rows, columns = options.map
    hidden = hidden.reshape(len(codes), rows * columns, -1).transpose(0, 2, 1).reshape(len(codes), -1)
    sums = (hidden.astype(np.float64) @ encoder.dense.T.astype(np.float64)).astype(np.int64)
    return options.sent.cut(sums + encoder.dense_bias, encoder.dense_fraction)


def encoder_from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]], options: LinkOptions, name: str = "weights"
) -> FixedEncoder:
    """The encoder of the arrays ``encoder.*`` that a training saves.

    Raises:
        InputError: an array is missing, of another shape, or beyond its format.
    """
    fix = "the weights are damaged or of another version, copy or train them again"
    layers = {
        "conv": (options.filters, N_SLICES, FILTER, FILTER),
        "dense": (options.latent, int(np.prod(options.map))),
    }
    parts: dict[str, Any] = {}
    for layer, shape in layers.items():
        try:
            weight, bias, form = (
                np.asarray(arrays[f"encoder.{layer}.{part}"], dtype=np.int64)
                for part in ("weight", "bias", "format")
            )
        except KeyError as error:
            raise InputError(f"{name}: {error} is missing from the encoder; {fix}") from error
        if weight.shape != shape or bias.shape != shape[:1] or form.shape != (2,):
            raise InputError(f"{name}: encoder.{layer} is {weight.shape}, expected {shape}; {fix}")
        format_ = FixedPoint(True, int(form[0]), int(form[1]))
        if weight.min() < format_.low or weight.max() > format_.high:
            raise InputError(f"{name}: encoder.{layer}.weight is beyond its {format_.bits} bits; {fix}")
        parts |= {layer: weight, f"{layer}_bias": bias, f"{layer}_format": format_}
    return FixedEncoder(options, **parts)
