"""What motions of modules and of whole layers do to hits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.beam import CENTRED
from smartpix.geometry import Detector

__all__ = ["N_FREE", "derivatives", "layer_motion", "mean_squares", "sums"]

Floats = npt.NDArray[np.float64]

N_FREE = 6
"""Parameters of a body: shifts in mm and rotations in rad along and about three axes."""
PLACES, SHARES = np.array([-(0.6**0.5), 0.0, 0.6**0.5]), np.array([5.0, 8.0, 5.0]) / 18
"""Of C. F. Gauss' rule for a mean over a module, along each of its axes."""


def derivatives(cot: Floats, place: Floats) -> Floats:
    """(K, 2, 6) change of a hit's residual in x and y with its module's parameters.

    A module that moves by d takes the hit along by d, and meets the track elsewhere by its slope times
    what d has along the normal.

    Args:
        cot: (K, 2) slopes of the track on the module; place: (K, 2) x and y there, mm.
    """
    (a, b), (x, y) = cot.T, place.T
    one, zero = np.ones(len(cot)), np.zeros(len(cot))
    of_x = np.stack([one, zero, -a, -a * y, a * x, -y], axis=1)
    of_y = np.stack([zero, one, -b, -b * y, b * x, x], axis=1)
    return np.stack([of_x, of_y], axis=1)


def layer_motion(detector: Detector) -> Floats:
    """(M, 6, 6) a module's motion in its frame from its layer's, which shifts by (T_x, T_y, T_z) and
    turns by a vector about the middle of the layer on the z axis.
    """
    at_rest = detector.at_beam(CENTRED)
    turn, (x, y, z) = at_rest.axes.swapaxes(1, 2), at_rest.center.T
    z = z - at_rest.layers.z[at_rest.layer_index]
    zero = np.zeros_like(x)
    # Turned by a vector, the centre moves by the vector times the centre.
    cross = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], axis=1).reshape(-1, 3, 3)
    result = np.zeros((len(detector), N_FREE, N_FREE))
    result[:, :3, :3], result[:, :3, 3:], result[:, 3:, 3:] = turn, turn @ cross, turn
    return result


def mean_squares(detector: Detector, steepest: Floats) -> Floats:
    """(M, 2, 6, 6) means over each module's face of the products of the derivatives of x and of y.

    A module that turned, or lies off along its normal, has its hits off by what depends on where they are.

    Args:
        steepest: (L, 2) largest slopes on a layer's modules of lines from the middle of the beam.
    """
    at_rest = detector.at_beam(CENTRED)
    half, m = np.stack([at_rest.half_x, at_rest.half_y], axis=1), len(detector)
    limit, result = steepest[at_rest.layer_index], np.zeros((m, 2, N_FREE, N_FREE))
    for i, j in np.ndindex(3, 3):
        place = half * PLACES[[i, j]]
        line = np.einsum("mji,mj->mi", at_rest.axes, at_rest.center)
        line[:, :2] += place
        flat = np.where(np.abs(line[:, 2:]) < 1e-6, 1e-6, line[:, 2:])
        of = derivatives(np.clip(line[:, :2] / flat, -limit, limit), place)
        result += SHARES[i] * SHARES[j] * of[:, :, :, None] * of[:, :, None]
    return result


def sums(values: Floats, of: npt.NDArray[np.integer], n: int) -> Floats:
    """(n, ...) sums of rows by number."""
    flat = values.reshape(len(values), -1)
    total = np.stack([np.bincount(of, column, n) for column in flat.T], axis=1)
    return np.asarray(total, dtype=np.float64).reshape(n, *values.shape[1:])
