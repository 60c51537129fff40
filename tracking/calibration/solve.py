"""The least squares of all bodies' motions at once, with the tracks eliminated, and how well it is known.

With B of :mod:`tracking.calibration.response`, half of chi2 and of the pull to 0 falls to its least by
conjugate gradients (M. R. Hestenes and E. Stiefel, 1952), which each body's own second derivatives
precondition. A step costs two products with a matrix and no fit, so that hundreds are made and weak modes
are found too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracking.calibration.moves import N_FREE, sums
from tracking.calibration.response import Response

__all__ = ["Bodies", "Normal"]

Floats = npt.NDArray[np.float64]

ENOUGH = 1e-5
"""Of what half of chi2 may still fall by, as a share of that at first: below, further steps change
nothing."""


@dataclass(frozen=True)
class Bodies:
    """Modules and layers, whose motions (M + L, 6, ...) stand one after the other.

    Attributes:
        of_layer: (M, 6, 6), see :func:`tracking.calibration.moves.layer_motion`; layer: (M,) of each
            module.
        n_layers: how many.
    """

    of_layer: Floats
    layer: npt.NDArray[np.int32]
    n_layers: int

    def of_modules(self, motions: Floats) -> Floats:
        """(M, 6, ...) each module's own motion and its layer's."""
        n = len(self.layer)
        return np.asarray(motions[:n] + np.einsum("mij,mj...->mi...", self.of_layer, motions[n:][self.layer]))

    def of_gradients(self, gradient: Floats) -> Floats:
        """(M + L, 6, ...) derivatives by all bodies' motions, from those by the modules'."""
        turned = np.einsum("mji,mj...->mi...", self.of_layer, gradient)
        return np.concatenate([gradient, sums(turned, self.layer, self.n_layers)])

    def of_curvatures(self, curvature: Floats) -> Floats:
        """(M + L, 6, 6) second derivatives by each body's motion, from those by the modules'."""
        turned = self.of_layer.swapaxes(1, 2) @ curvature @ self.of_layer
        return np.concatenate([curvature, sums(turned, self.layer, self.n_layers)])


class Normal:
    """The normal equations of all bodies' motions.

    Attributes:
        response: of the tracks; bodies: that move.
        curvature: (M, 6, 6) second derivatives of half of chi2 by each module's motion alone.
    """

    def __init__(self, response: Response, bodies: Bodies):
        self.response, self.bodies = response, bodies
        self.curvature = response.curvature()

    @property
    def n_rows(self) -> int:
        """Measurements less parameters of all tracks."""
        return int(self.response.rows[-1])

    def alone(self, width: Floats) -> Floats:
        """(M + L, 6, 6) covariance of each body's motion if all others were known.

        Args:
            width: (M + L, 6) that draw to 0.
        """
        curvature = self.bodies.of_curvatures(self.curvature) + np.eye(N_FREE) / width[:, :, None] ** 2
        return np.asarray(np.linalg.inv(curvature), dtype=np.float64)

    def random_force(self, rng: np.random.Generator, n: int) -> Floats:
        """(M + L, 6, n) random forces, whose covariance is the second derivatives."""
        return self.bodies.of_gradients(self.response.back(rng.normal(size=(self.n_rows, n))))

    def determined(self, motions: Floats) -> float:
        """Parameters that the tracks determine, and not the widths: the mean square of what samples (M +
        L, 6, S) of the motions change residuals by.
        """
        return float((self.response.forward(self.bodies.of_modules(motions)) ** 2).sum(axis=0).mean())

    def times(self, motions: Floats) -> Floats:
        """(M + L, 6, S) second derivatives of half of chi2 times motions."""
        forward = self.response.forward(self.bodies.of_modules(motions))
        return self.bodies.of_gradients(self.response.back(forward))

    def solved(
        self, force: Floats, width: Floats, free: npt.NDArray[np.bool_], steps: int
    ) -> tuple[Floats, int]:
        """Motions (M + L, 6, S) at which the tracks' and the widths' forces are in balance, and the steps
        made.

        Args:
            force: (M + L, 6, S) less the gradients of half of chi2 and of the pull to 0.
            width: (M + L, 6) that draw to 0; free: (M + L,) bodies that move; steps: at most.
        """
        weak = (1 / width**2)[:, :, None]
        inverse = np.where(free[:, None, None], self.alone(width), 0.0)

        def eased(values: Floats) -> Floats:
            return np.asarray(np.einsum("bij,bjs->bis", inverse, values))

        motions, left = np.zeros_like(force), force.copy()
        direction = step = eased(left)
        size = (left * step).sum(axis=(0, 1))
        first, made = size, 0
        while made < steps and np.any(size > ENOUGH * first):
            curved = self.times(direction) + weak * direction
            bend = (direction * curved).sum(axis=(0, 1))
            along = np.divide(size, bend, out=np.zeros_like(size), where=bend > 0)
            motions += along * direction
            left -= along * curved
            step, before = eased(left), size
            size = (left * step).sum(axis=(0, 1))
            share = np.divide(size, before, out=np.zeros_like(size), where=before > 0)
            direction = step + share * direction
            made += 1
        return motions, made
