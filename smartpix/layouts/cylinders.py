"""Barrel layers: staves of modules around the beam."""

from __future__ import annotations

import numpy as np

from smartpix.layouts.modules import Modules, closing, joined, ring, turned
from smartpix.layouts.options import Cylinder

__all__ = ["cylinder"]


def cylinder(options: Cylinder) -> Modules:
    """The modules of a barrel layer, stave by stave from the lowest z."""
    tilt = np.radians(options.tilt)
    across = max(options.width * np.cos(tilt), 1e-3 * options.width)
    n_staves = options.staves or closing(
        options.radius, across, options.overlap, 2 if options.stagger > 0 else 1
    )
    n_along = options.modules or max(int(np.ceil(options.length / options.module_length - 1e-6)), 1)
    # The outermost edges lie at the ends of the stave.
    last = max(0.5 * (options.length - options.module_length), 0.0)
    rings = []
    for k, z in enumerate(np.linspace(-last, last, n_along) if n_along > 1 else [0.0]):
        shift = 0.5 * options.z_stagger * (1 if k % 2 == 0 else -1)
        made = ring(
            options.radius + shift, float(z), n_staves, (options.width, options.width),
            options.module_length, 0.0, options.stagger, np.radians(options.phi0),
        )  # fmt: skip
        rings.append(turned(made, tilt))
    by_stave = np.arange(n_along * n_staves).reshape(n_along, n_staves).T.ravel()
    whole = joined(rings)
    return Modules(*(getattr(whole, name)[by_stave] for name in whole.__dataclass_fields__))
