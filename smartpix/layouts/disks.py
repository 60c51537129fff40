"""End-cap disks: rings of modules across the beam."""

from __future__ import annotations

import numpy as np

from smartpix.layouts.modules import Modules, closing, joined, ring
from smartpix.layouts.options import Disk

__all__ = ["disks"]


def disks(options: Disk) -> list[Modules]:
    """The disks from the lowest z, each ring by ring from the inside."""
    places = sorted({side * z for z in options.z for side in ((-1, 1) if options.both_sides else (1,))})
    return [_disk(options, z) for z in places]


def _disk(options: Disk, z: float) -> Modules:
    side = -1 if z < 0 else 1
    rings = []
    for k, radius in enumerate(options.radius):
        low, high = options.of_ring("width_in", k), options.of_ring("width_out", k)
        length = options.of_ring("module_length", k)
        n = options.of_ring("modules", k)
        if n == 0:
            # Where a module is narrowest for its circumference: at one of its two edges.
            need = [
                closing(r, w, options.overlap, 2 if options.stagger > 0 else 1)
                for r, w in ((max(radius - 0.5 * length, 1e-3), low), (radius + 0.5 * length, high))
            ]
            n = max(need)
        at = z + 0.5 * side * options.ring_stagger * (1 if k % 2 else -1) * (len(options.radius) > 1)
        rings.append(ring(radius, at, n, (low, high), length, 0.5 * np.pi, options.stagger))
    return joined(rings)
