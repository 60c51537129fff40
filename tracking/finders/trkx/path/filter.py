"""A Kalman filter from the inside out over many paths at a time (R. Fruehwirth, NIM A 262 (1987) 444).

It starts from the cone of a path's first hit (:func:`seeding.cones.make_cones`), in which the luminous region
is a measurement, and takes in one hit after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seeding.cones import make_cones
from seeding.hits import Hits
from seeding.table import max_curvature
from smartpix.beam import CENTRED, BeamSpot
from smartpix.estimate.base import Estimate
from tracking.finders.trkx.path.filter_kernels import predict_pairs, take_hits
from tracking.finders.trkx.path.options import FilterOptions

__all__ = ["Crossings", "PathFilter", "PathStates", "position_covariance"]

PAST, WIDER = 6.0, 100.0
"""Slopes of a first hit that lie so many standard deviations off count as so much wider."""
LEAST = 1e-6

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PathStates:
    """Helices of N paths on the modules of their last hits, in front of the material of these.

    Attributes:
        position: (N, 3) mm; helix: (N, 3) azimuth of the direction, slope dz/ds and curvature in 1/mm.
        axes: (N, 9) of the module; covariance: (N, 5, 5) of (x, y on the module, and the helix).
    """

    position: Floats
    helix: Floats
    axes: Floats
    covariance: Floats

    def __len__(self) -> int:
        return len(self.position)

    def take(self, rows: Ints) -> PathStates:
        """Some of the paths."""
        return PathStates(self.position[rows], self.helix[rows], self.axes[rows], self.covariance[rows])


@dataclass(frozen=True)
class Crossings:
    """Where paths cross the modules of K hits.

    Attributes:
        local: (K, 2) crossing less hit, along x and y of the module, mm; covariance: (K, 3) xx, xy, yy in mm2
            of the crossing alone.
        path: (K,) transverse, mm; slopes: (K, 2) dx/dz and dy/dz on the module.
        reached: (K,) False where a path never comes there; then the rest is meaningless.
    """

    local: Floats
    covariance: Floats
    path: Floats
    slopes: Floats
    reached: Bools


@dataclass(frozen=True)
class PathFilter:
    """The filter in a field.

    Attributes:
        field: along z in T; beam: luminous region, in whose frame the hits are.
    """

    field: float
    options: FilterOptions
    beam: BeamSpot = CENTRED

    @property
    def strength(self) -> float:
        """Curvature of 1 GeV in 1/mm."""
        return max_curvature(self.field, 1.0)

    @property
    def material(self) -> tuple[float, float, float, float]:
        """Thicknesses of a cylinder's and of a disk's layer in radiation lengths, curvature of 1 GeV in 1/mm,
        and largest 1/pT in 1/GeV.
        """
        options = self.options
        return options.thickness, options.thickness_disk, self.strength, 1 / options.softest

    def start(self, hits: Hits, rows: Ints) -> PathStates:
        """Paths of one hit each."""
        options = self.options.cone().at_beam(self.beam)
        first = _without_wrong_slopes(hits.take(rows), options.sigma_z0)
        cones = make_cones(first, self.field, options)
        helix = np.stack([cones.psi, cones.cot_theta, cones.curvature], axis=1)
        return PathStates(np.ascontiguousarray(cones.position), helix, first.axes, cones.covariance)

    def predict(self, states: PathStates, rows: Ints, hits: Hits, to: Ints) -> Crossings:
        """Crossings of the paths ``rows`` with the modules of the hits ``to``, (K,) each."""
        n = len(rows)
        made = Crossings(
            np.zeros((n, 2)), np.ones((n, 3)), np.zeros(n), np.zeros((n, 2)), np.zeros(n, dtype=np.bool_)
        )
        predict_pairs(
            states.position, states.helix, states.axes, states.covariance, rows, hits.position[to],
            hits.axes[to], self.material, made.local, made.covariance, made.path, made.slopes, made.reached,
        )  # fmt: skip
        return made

    def update(self, states: PathStates, rows: Ints, hits: Hits, to: Ints) -> tuple[PathStates, Bools]:
        """The paths ``rows`` with one hit more each; and whether they come to its module at all."""
        n, axes, options = len(rows), hits.axes[to], self.options
        made = PathStates(np.empty((n, 3)), np.empty((n, 3)), axes, np.empty((n, 5, 5)))
        good = np.zeros(n, dtype=np.bool_)
        take_hits(
            states.position, states.helix, states.axes, states.covariance, rows, hits.position[to], axes,
            hits.cot[to], noise_of(hits, to, options.slope_scale), self.material, options.repeats, options.outlier,
            options.slope_outlier,
            made.position, made.helix, made.covariance, good,
        )  # fmt: skip
        return PathStates(
            made.position, made.helix, np.where(good[:, None], axes, states.axes[rows]), made.covariance
        ), good


def _without_wrong_slopes(hits: Hits, sigma_z0: float) -> Hits:
    """Hits whose slopes count for nothing where they point far past the luminous region: those of clusters
    longer than the network's window, which may have the wrong sign.
    """
    axes = hits.axes.reshape(-1, 3, 3)
    rays = []
    for z in (-sigma_z0, sigma_z0):
        off = np.einsum("nij,nj->ni", axes, hits.position - np.array([0.0, 0.0, z]))
        rays.append(off[:, 0] / np.where(np.abs(off[:, 2]) < LEAST, LEAST, off[:, 2]))
    sigma = np.hypot(hits.estimate.sigma()[:, 2], (rays[1] - rays[0]) / 2)
    wrong = np.abs(hits.cot[:, 0] - (rays[0] + rays[1]) / 2) > PAST * sigma
    if not np.any(wrong):
        return hits
    cholesky = hits.estimate.cholesky.copy()
    cholesky[wrong, 2:] *= WIDER
    return replace(hits, estimate=Estimate(hits.estimate.mean, cholesky, hits.estimate.flagged))


def noise_of(hits: Hits, rows: Ints, slope_scale: float) -> Floats:
    """(K, 4, 4) covariance of hits' x, y in mm, and slopes; or (K, 2, 2) of x and y alone.

    Args:
        slope_scale: factor on the errors of slopes; 0: they are left out.
    """
    n = 4 if slope_scale > 0 else 2
    factor = np.array(hits.estimate.cholesky[rows, :n, :n])
    factor[:, 2:] *= slope_scale
    return np.ascontiguousarray(factor @ np.swapaxes(factor, 1, 2))


def position_covariance(hits: Hits, rows: Ints) -> Floats:
    """(K, 3) xx, xy, yy in mm2 of hits' estimates."""
    factor = hits.estimate.cholesky[rows, :2, :2]
    return np.stack(
        [factor[:, 0, 0] ** 2, factor[:, 0, 0] * factor[:, 1, 0], np.sum(factor[:, 1] ** 2, axis=1)], axis=1
    )
