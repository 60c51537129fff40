"""Electrons that particles knock out of the material: how often, with what energy, and where to; compiled.

Their number above an energy T is xi (1 / T - 1 / W), with Landau's xi and the largest transfer W; the angle
is that of two bodies (PDG, Passage of Particles Through Matter, eq. 34.7).
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import njit
from smartpix.physics import ELECTRON_MASS
from smartpix.simulate.energy_loss import largest_transfer, width
from smartpix.simulate.ionisation import uniform

__all__ = ["COLUMNS", "knock_out"]

COLUMNS = 10
"""Point (3, mm), momentum (3, GeV), time (ns), charge, mass (GeV), and the row of the particle that hit
it.
"""


@njit(cache=True)
def knock_out(
    heading: Any,
    momentum: float,
    mass: float,
    thickness: float,
    matter: Any,
    least: float,
    state: Any,
    out: Any,
) -> bool:
    """Whether a particle knocks an electron of kinetic energy ``least`` (GeV) or more out of a surface of
    ``thickness`` radiation lengths; its momentum is filled into ``out`` (3,).
    """
    energy = math.sqrt(momentum * momentum + mass * mass)
    beta2, gamma2 = (momentum / energy) ** 2, (energy / mass) ** 2
    most = largest_transfer(beta2, gamma2, mass)
    if least >= most:
        return False
    inverse = 1.0 / least - 1.0 / most
    # In thin surfaces there is one at most.
    if uniform(state) >= width(momentum, mass, thickness, matter) * inverse:
        return False
    transfer = 1.0 / (1.0 / least - uniform(state) * inverse)
    # The spin's factor, as of a scalar.
    if uniform(state) < beta2 * transfer / most:
        return False
    size = math.sqrt(transfer * (transfer + 2 * ELECTRON_MASS))
    cosine = min(transfer * (energy + ELECTRON_MASS) / (momentum * size), 1.0)
    sine, azimuth = math.sqrt(1.0 - cosine * cosine), 2 * math.pi * uniform(state)
    # Two unit vectors across the heading.
    hx, hy, hz = heading[0], heading[1], heading[2]
    if abs(hz) < 0.9:
        norm = 1.0 / math.sqrt(hx * hx + hy * hy)
        ex, ey, ez = -hy * norm, hx * norm, 0.0
    else:
        norm = 1.0 / math.sqrt(hy * hy + hz * hz)
        ex, ey, ez = 0.0, hz * norm, -hy * norm
    fx, fy, fz = hy * ez - hz * ey, hz * ex - hx * ez, hx * ey - hy * ex
    c, s = sine * math.cos(azimuth), sine * math.sin(azimuth)
    out[0] = size * (cosine * hx + c * ex + s * fx)
    out[1] = size * (cosine * hy + c * ey + s * fy)
    out[2] = size * (cosine * hz + c * ez + s * fz)
    return True
