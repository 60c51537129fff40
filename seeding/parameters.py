"""Track parameters of seeds, with covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions
from seeding.hits import Hits
from seeding.seeds import Seeds
from seeding.table import is_straight, max_curvature, scattering_constant

__all__ = ["SeedParameters", "seed_parameters"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SeedParameters:
    """Helices of S seeds at their closest approach to the z axis, which is at d0 * (-sin phi, cos phi).

    Attributes:
        d0, z0, phi, cot_theta, curvature: (S,) mm, mm, rad, -, 1/mm (counter-clockwise positive).
        covariance: (S, 5, 5) in that order.
    """

    d0: Floats
    z0: Floats
    phi: Floats
    cot_theta: Floats
    curvature: Floats
    covariance: Floats

    def __len__(self) -> int:
        return len(self.d0)


def seed_parameters(hits: Hits, seeds: Seeds, field: float, cone: ConeOptions) -> SeedParameters:
    """Parameters from the three positions alone, without the luminous region.

    A helix near the seed's own (through the beam line) is fitted by weighted least squares: three unknowns to
    three positions across the track, two to three along it. The weights hold the positions' errors and
    multiple scattering in the first two layers; not the material before the first hit, although the
    parameters are those at the beam line.

    Args:
        field: along z in T.
    """
    n = len(seeds)
    position = hits.position[seeds.hits]
    radius, azimuth = (
        np.hypot(position[..., 0], position[..., 1]),
        np.arctan2(position[..., 1], position[..., 0]),
    )
    k = seeds.curvature.astype(np.float64)
    k = np.where(np.abs(k) < 1e-9, 1e-9, k)
    c = seeds.cot_theta.astype(np.float64)
    turn = np.arcsin(np.clip(0.5 * k[:, None] * radius, -0.999, 0.999))
    path = 2 * turn / k[:, None]
    phi = azimuth[:, 0] - turn[:, 0]
    # Distance across the track from where it should be at the hit's radius.
    off = np.angle(np.exp(1j * (azimuth - phi[:, None] - turn)))
    across = radius * off * np.cos(turn)
    bend = 2 * turn
    design = np.stack([np.cos(bend), np.sin(bend) / k[:, None], (1 - np.cos(bend)) / k[:, None] ** 2], axis=2)
    # What the positions' errors along the modules' x and y do across the track, and along it in z at equal
    # path.
    sigma, axes = hits.estimate.sigma()[seeds.hits], hits.axes.reshape(-1, 3, 3)[seeds.hits]
    direction = phi[:, None] + bend
    cosine, sine = np.cos(direction)[..., None], np.sin(direction)[..., None]
    forward, sideways = (
        axes[..., 0] * cosine + axes[..., 1] * sine,
        axes[..., 1] * cosine - axes[..., 0] * sine,
    )
    variance_across = ((sideways[..., :2] * sigma[..., :2]) ** 2).sum(axis=2)
    variance_along = (((axes[..., :2, 2] - c[:, None, None] * forward[..., :2]) * sigma[..., :2]) ** 2).sum(
        axis=2
    )
    # Without field the curvature says nothing of the momentum: that of the softest track.
    k2 = max_curvature(field, cone.min_pt) ** 2 if is_straight(field) else k**2
    theta2 = scattering_constant(field, cone.radiation_length) * k2 / (1 + c * c)
    # Where each hit is for a unit kick in the first and in the second layer.
    lever = np.maximum(path[:, :, None] - path[:, None, :2], 0.0)
    kicks = lever @ np.swapaxes(lever, 1, 2)
    eye = np.eye(3)
    v_across = eye * variance_across[..., None] + (theta2 * (1 + c * c))[:, None, None] * kicks
    v_along = eye * variance_along[..., None] + (theta2 * (1 + c * c) ** 2)[:, None, None] * kicks
    shift, c_across = _least_squares(design, across, v_across)
    # Paths once more, from where the fitted circle comes closest to the axis: an impact parameter changes
    # them.
    d0, phi, k = shift[:, 0], phi + shift[:, 1], k + shift[:, 2]
    chord = np.hypot(
        position[..., 0] + (d0 * np.sin(phi))[:, None], position[..., 1] - (d0 * np.cos(phi))[:, None]
    )
    half = np.clip(0.5 * k[:, None] * chord, -0.999, 0.999)
    path = chord * np.where(
        np.abs(half) < 1e-6, 1.0, np.arcsin(half) / np.where(np.abs(half) < 1e-6, 1.0, half)
    )
    line = np.stack([np.ones_like(path), path], axis=2)
    z, c_along = _least_squares(line, position[..., 2], v_along)
    covariance = np.zeros((n, 5, 5))
    for rows, block in (((0, 2, 4), c_across), ((1, 3), c_along)):
        covariance[:, np.array(rows)[:, None], np.array(rows)] = block
    return SeedParameters(d0, z[:, 0], phi, z[:, 1], k, covariance)


def _least_squares(design: Floats, values: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Solutions (S, P) and their covariances (S, P, P), of S problems (S, 3, P) with values (S, 3) and theirs
    (S, 3, 3).
    """
    weighted = np.swapaxes(np.linalg.solve(covariance, design), 1, 2)
    inverse = np.asarray(np.linalg.inv(weighted @ design), dtype=np.float64)
    return (inverse @ (weighted @ values[:, :, None]))[:, :, 0], inverse
