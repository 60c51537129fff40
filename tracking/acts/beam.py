"""Track parameters about the z axis of ACTS, and about the beam line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.schema import PARAMETERS
from tracking.finders.tracks import Parameters
from tracking.fit.resolution import true_parameters

__all__ = ["about_beam", "about_z_axis"]

Floats = npt.NDArray[np.float64]
Move = Callable[[Floats], Floats]

STEPS = (1e-3, 1e-3, 1e-6, 1e-6, 1e-6)
"""Of d0, z0 (mm), phi, theta (rad) and q/p (1/GeV), for derivatives: far below what a track is known to."""


def about_beam(parameters: Parameters, beam: BeamSpot, field: float) -> Parameters:
    """Parameters about the beam line, in the frame of the beam, of tracks whose parameters are about the z
    axis.

    ACTS's track finding ends at the z axis and takes no other line. The way from there to the beam line lies
    in the vacuum of the beam pipe, so that nothing is lost.

    Args:
        field: along z in T, signed.
    """
    return _moved(parameters, beam.to_beam, beam.direction_to_beam, field)


def about_z_axis(parameters: Parameters, beam: BeamSpot, field: float) -> Parameters:
    """Parameters about the z axis of tracks whose parameters are about the beam line; see
    :func:`about_beam`.
    """
    return _moved(parameters, beam.to_global, beam.direction_to_global, field)


def _moved(parameters: Parameters, point: Move, direction: Move, field: float) -> Parameters:
    values = np.stack([getattr(parameters, name) for name in PARAMETERS], axis=1)

    def moved(columns: Floats) -> Floats:
        d0, z0, phi, theta, qop = columns.T
        vertex = np.stack([-d0 * np.sin(phi), d0 * np.cos(phi), z0], axis=1)
        unit = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1)
        momentum = direction(unit) / np.abs(qop)[:, None]
        return true_parameters(point(vertex), momentum, np.sign(qop), field)

    jacobian = np.empty((len(values), 5, 5))
    for k, step in enumerate(STEPS):
        shift = np.zeros(5)
        shift[k] = step
        change = moved(values + shift) - moved(values - shift)
        # Across the cut at pi.
        change[:, 2] = np.arctan2(np.sin(change[:, 2]), np.cos(change[:, 2]))
        jacobian[:, :, k] = change / (2 * step)
    covariance = jacobian @ parameters.covariance @ jacobian.transpose(0, 2, 1)
    columns = (np.ascontiguousarray(column) for column in moved(values).T)
    return replace(parameters, **dict(zip(PARAMETERS, columns, strict=True)), covariance=covariance)
