"""The chip's networks in whole numbers: quantised training, pruning, and bit-exact evaluation."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.chip.compress import Constraint
    from smartpix.chip.fixed_point import (
        FixedNetwork,
        FixedPoint,
        evaluate,
        from_arrays,
        link_format,
        to_arrays,
    )
    from smartpix.chip.fused import FusedFixedNetwork, fuse_fixed
    from smartpix.chip.options import CompressOptions, QuantizedOptions
    from smartpix.chip.quantize import QuantizedMdn
    from smartpix.chip.transfer import to_fixed

__all__ = [
    "CompressOptions",
    "Constraint",
    "FixedNetwork",
    "FixedPoint",
    "FusedFixedNetwork",
    "QuantizedMdn",
    "QuantizedOptions",
    "evaluate",
    "from_arrays",
    "fuse_fixed",
    "link_format",
    "to_arrays",
    "to_fixed",
]

__getattr__ = public_names(
    __name__,
    compress="Constraint",
    fixed_point="FixedNetwork FixedPoint evaluate from_arrays link_format to_arrays",
    fused="FusedFixedNetwork fuse_fixed",
    options="CompressOptions QuantizedOptions",
    quantize="QuantizedMdn",
    transfer="to_fixed",
)
