"""Inclined ends of barrel layers, as ATLAS's ITk has them."""

from __future__ import annotations

import numpy as np

from smartpix.layouts.modules import Modules, closing, joined, ring
from smartpix.layouts.options import Inclined

__all__ = ["inclined"]


def inclined(options: Inclined) -> tuple[Modules, Modules]:
    """The modules at negative and at positive z, each ring by ring from the lowest z."""
    n = options.modules or closing(
        options.radius, options.width, options.overlap, 2 if options.stagger > 0 else 1
    )
    sides = []
    for side in (-1, 1):
        rings = [
            ring(
                options.radius, z, n, (options.width, options.width), options.module_length,
                np.radians(options.angle), options.stagger,
            )
            for z in sorted(side * z for z in options.z)
        ]  # fmt: skip
        sides.append(joined(rings))
    return sides[0], sides[1]
