"""Cones of single hits: the helix that an estimate and priors give, carried to the next surface.

A hit's estimate is x, y, cot alpha and cot beta with their 4 x 4 covariance. The module's pose turns it into
the helix parameters (x, y, psi, cot theta, k): the position on the module in its own frame, the azimuth of
the direction, the slope dz/ds and the signed curvature.

The curvature starts from a prior. The luminous region enters as a measurement of the impact parameter d0 and
of z0 with its widths (a Kalman update, R. Fruehwirth, NIM A 262 (1987) 444). Cones for displaced or soft
tracks have wider ones. Multiple scattering in the hit's layer is added, and the helix is carried to the
target with its analytic Jacobian. The cone is the ellipse there that holds the asked share: a chi2 quantile
    with 2
degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from seeding.options import ConeOptions
from seeding.table import max_curvature, scattering_constant

__all__ = ["ConeOptions", "Cones", "Prediction", "inside", "make_cones", "to_cylinder", "to_plane"]

Floats = npt.NDArray[np.float64]

STRAIGHT = 1e-3
"""Turns (rad) below which series replace the closed forms, whose differences of nearly equal numbers lose
digits.
"""
# Newton's steps converge quadratically. Four reach every cylinder that a track of the sample reaches at all;
# the rest is for tracks that graze one.
STEPS = 8
# After six, 99 % of the disks' slopes in the sample stand still to 1e-5 of their sigma.
UPDATES = 6
"""Linearisations of the luminous region's constraint: on a disk z0 is far from linear in the slope."""


@dataclass(frozen=True)
class Cones:
    """Helices of N hits, on their way out.

    Attributes:
        position: (N, 3) on the hits' modules, mm, global; axes: (N, 3, 3) the modules' axes x, y, z as rows.
        psi, cot_theta, curvature: (N,) azimuth of the direction, slope dz/ds and curvature in 1/mm
            (counter-clockwise positive).
        covariance: (N, 5, 5) of (x, y on the module, psi, cot theta, curvature).
    """

    position: Floats
    axes: Floats
    psi: Floats
    cot_theta: Floats
    curvature: Floats
    covariance: Floats

    def __len__(self) -> int:
        return len(self.psi)


@dataclass(frozen=True)
class Prediction:
    """Crossings of N cones with N target surfaces.

    Attributes:
        point: (N, 3) global, mm; path: (N,) transverse path from the hit, mm.
        local: (N, 2) on the target: x and y on a plane, (radius * azimuth, z) on a cylinder; covariance: (N,
            2, 2) there, mm2; jacobian: (N, 2, 5) of ``local`` by (x, y on the hit's module, psi, cot theta,
            curvature).
        reached: (N,) False where the helix never gets there, or only on its way in; in the first case the
            rest is meaningless.
        around: (N,) after how many mm the first local coordinate comes back to the same point: a cylinder's
            circumference; 0 on planes.
    """

    point: Floats
    path: Floats
    local: Floats
    covariance: Floats
    jacobian: Floats
    reached: npt.NDArray[np.bool_]
    around: Floats


def make_cones(hits: Hits, field: float, options: ConeOptions) -> Cones:
    """Cones of hits.

    Args:
        field: along z in T; its sign does not matter, the prior is symmetric.
    """
    n = len(hits)
    axes = hits.axes.reshape(n, 3, 3)
    # The filter works on the slopes themselves, in which the estimate is Gaussian. On a disk cot theta is
    # 1 / cot alpha, which is not.
    prior = np.zeros((n, 5))
    prior[:, 2:4] = hits.estimate.mean[:, 2:]
    spread = np.zeros((n, 5, 5))
    spread[:, :4, :4] = hits.estimate.covariance() * options.sigma_scale**2
    # One hit measures the curvature poorly: 2 degrees of cot beta at 30 mm are the turn of a track of 0.5
    # GeV.
    spread[:, 4, 4] = max_curvature(field, options.curvature_pt) ** 2
    q, covariance = _from_luminous_region(hits.position, axes, ~hits.upright, prior, spread, options)
    cones, jacobian = _helix(hits.position, axes, q)
    state = jacobian @ covariance @ np.swapaxes(jacobian, 1, 2)
    return _scattered(replace(cones, covariance=state), field, options)


def _helix(position: Floats, axes: Floats, q: Floats) -> tuple[Cones, Floats]:
    """Helices, without covariance, of q (N, 5): shifts in x and y, cot alpha, cot beta, curvature; and their
    derivatives.
    """
    n = len(q)
    # z of the sensor points away from the origin, as the particle does.
    direction = np.einsum("ni,nij->nj", np.column_stack([q[:, 2:4], np.ones(n)]), axes)
    across = np.hypot(direction[:, 0], direction[:, 1])
    psi, cot_theta = np.arctan2(direction[:, 1], direction[:, 0]), direction[:, 2] / across
    jacobian = np.tile(np.eye(5), (n, 1, 1))
    for k in range(2):
        e = axes[:, k]
        jacobian[:, 2, 2 + k] = (direction[:, 0] * e[:, 1] - direction[:, 1] * e[:, 0]) / across**2
        along = (direction[:, 0] * e[:, 0] + direction[:, 1] * e[:, 1]) / across**2
        jacobian[:, 3, 2 + k] = e[:, 2] / across - cot_theta * along
    moved = position + q[:, :1] * axes[:, 0] + q[:, 1:2] * axes[:, 1]
    return Cones(moved, axes, psi, cot_theta, q[:, 4], np.zeros((n, 5, 5))), jacobian


def _from_luminous_region(
    position: Floats,
    axes: Floats,
    disk: npt.NDArray[np.bool_],
    prior: Floats,
    spread: Floats,
    options: ConeOptions,
) -> tuple[Floats, Floats]:
    """Iterated Kalman update with d0 = 0 and z0 = 0, each with its width: q (N, 5) and its covariance (N, 5,
    5).

    On disks it is z0 tan theta instead, which is linear in their slope where z0 is its inverse. The
    first linearisation is at the ray from the origin: a disk's estimate alone may even point backwards.
    """
    n = len(prior)
    ray = np.einsum("nij,nj->ni", axes, position)
    q = prior.copy()
    q[:, 2:4] = ray[:, :2] / _away_from_zero(ray[:, 2:])
    cot = position[:, 2] / np.hypot(position[:, 0], position[:, 1])
    noise = np.zeros((n, 2, 2))
    # With a width of exactly 0 the covariance of the state would be singular.
    noise[:, 0, 0] = max(options.sigma_d0, 1e-6) ** 2
    noise[:, 1, 1] = (options.sigma_z0 / np.where(disk, cot, 1.0)) ** 2
    for _ in range(UPDATES):
        cones, jacobian = _helix(position, axes, q)
        value, h = _beam_line(cones)
        c = np.where(disk, cones.cot_theta, 1.0)
        h[:, 1, 3] -= np.where(disk, value[:, 1] / c, 0.0)
        value[:, 1] /= c
        h[:, 1] /= c[:, None]
        h = h @ jacobian
        s = h @ spread @ np.swapaxes(h, 1, 2) + noise
        gain = spread @ np.swapaxes(h, 1, 2) @ np.linalg.inv(s)
        # The residual is taken at the point of linearisation, seen from the prior.
        q = prior - np.einsum("nij,nj->ni", gain, value + np.einsum("nij,nj->ni", h, prior - q))
    # Joseph's form. The short one, (1 - K H) P, loses its positive sign to rounding where a constraint is far
    # sharper than the estimate, as that of d0 is.
    keep = np.eye(5) - gain @ h
    return q, keep @ spread @ np.swapaxes(keep, 1, 2) + gain @ noise @ np.swapaxes(gain, 1, 2)


def _beam_line(cones: Cones) -> tuple[Floats, Floats]:
    """(N, 2) d0 and z0 at the point of closest approach to the z axis, and their derivatives (N, 2, 5)."""
    x, y, z = cones.position.T
    k, c = cones.curvature, cones.cot_theta
    sin, cos = np.sin(cones.psi), np.cos(cones.psi)
    along, across = x * cos + y * sin, y * cos - x * sin
    r2 = x * x + y * y
    # The centre of the circle lies at sqrt(d) / k from the axis; written so that k = 0 is no special case.
    # Of a circle about the axis itself all points are equally near, and d is 0.
    d = np.maximum(1 + 2 * k * across + k * k * r2, 1e-12)
    root, top = np.sqrt(d), 2 * across + k * r2
    d0 = -top / (1 + root)
    u, w = k * along, 1 + k * across
    straight = np.abs(u) < STRAIGHT
    safe = np.where(straight, 1.0, k)
    path = np.where(straight, along * (1 - k * across), np.arctan2(u, w) / safe)
    # Derivatives by (along, across, r2, k), which depend on psi and on the position.
    d_root = np.stack([np.zeros_like(k), k / root, k * k / (2 * root), (across + k * r2) / root])
    d_top = np.stack([np.zeros_like(k), np.full_like(k, 2.0), k, r2])
    d_d0 = -(d_top * (1 + root) - top * d_root) / (1 + root) ** 2
    d_path = np.stack(
        [
            w / d,
            -u / d,
            np.zeros_like(k),
            np.where(straight, -along * across, ((w * along - u * across) / d - path) / safe),
        ]
    )
    value = np.stack([d0, z - c * path], axis=1)
    h = np.zeros((len(k), 2, 5))
    for row, (part, sign) in enumerate(((d_d0, np.ones_like(c)), (d_path, -c))):
        for column in range(2):
            e = cones.axes[:, column]
            d_along, d_across = e[:, 0] * cos + e[:, 1] * sin, e[:, 1] * cos - e[:, 0] * sin
            h[:, row, column] = sign * (
                part[0] * d_along + part[1] * d_across + part[2] * 2 * (x * e[:, 0] + y * e[:, 1])
            )
        h[:, row, 2] = sign * (part[0] * across - part[1] * along)
        h[:, row, 4] = sign * part[3]
    h[:, 1, :2] += cones.axes[:, :2, 2]
    h[:, 1, 3] -= path
    return value, h


def _scattered(cones: Cones, field: float, options: ConeOptions) -> Cones:
    """With multiple scattering in the hit's layer, by an angle theta0 in either direction across the
    track.
    """
    c = cones.cot_theta
    # Of the softest track looked for, if the curvature itself says nothing.
    # Highland's angle goes as 1 / p, so the mean square of the curvature is what counts.
    k2 = np.minimum(cones.curvature**2 + cones.covariance[:, 4, 4], max_curvature(field, options.min_pt) ** 2)
    theta2 = scattering_constant(field, options.radiation_length) * k2 / (1 + c * c)
    covariance = cones.covariance.copy()
    # A kick across the track by theta0 turns the azimuth by theta0 / sin(theta) and cot theta by theta0 /
    # sin(theta)^2, with 1 / sin(theta)^2 = 1 + cot(theta)^2.
    covariance[:, 2, 2] += theta2 * (1 + c * c)
    covariance[:, 3, 3] += theta2 * (1 + c * c) ** 2
    return Cones(cones.position, cones.axes, cones.psi, c, cones.curvature, covariance)


def _advance(cones: Cones, s: Floats) -> tuple[Floats, Floats, Floats]:
    """Points and tangents (N, 3) after the transverse paths s (N,), and the derivatives (N, 3, 3) by psi, cot
    theta and k.
    """
    k, turn = cones.curvature, cones.curvature * s
    sin, cos = np.sin(cones.psi), np.cos(cones.psi)
    straight = np.abs(turn) < STRAIGHT
    safe = np.where(straight, 1.0, k)
    a = np.where(straight, s * (1 - turn**2 / 6), np.sin(turn) / safe)
    b = np.where(straight, s * turn / 2 * (1 - turn**2 / 12), (1 - np.cos(turn)) / safe)
    da = np.where(straight, -(s**2) * turn / 3, (s * np.cos(turn) - a) / safe)
    db = np.where(straight, s**2 / 2 * (1 - turn**2 / 4), (s * np.sin(turn) - b) / safe)
    dx, dy = cos * a - sin * b, sin * a + cos * b
    point = cones.position + np.stack([dx, dy, cones.cot_theta * s], axis=1)
    tangent = np.stack([np.cos(cones.psi + turn), np.sin(cones.psi + turn), cones.cot_theta], axis=1)
    zero = np.zeros_like(s)
    derivative = np.stack(
        [
            np.stack([-dy, dx, zero], axis=1),
            np.stack([zero, zero, s], axis=1),
            np.stack([cos * da - sin * db, sin * da + cos * db, zero], axis=1),
        ],
        axis=2,
    )
    return point, tangent, derivative


def _predict(
    cones: Cones,
    s: Floats,
    normal: Floats,
    rows: Floats,
    local: Floats,
    reached: npt.NDArray[np.bool_],
    around: Floats,
) -> Prediction:
    """Covariance at the crossing: displacements along the track do not count, since the surface stops it.

    Args:
        normal: (N, 3) of the surface at the crossing; rows: (N, 2, 3) directions of its two coordinates.
    """
    point, tangent, derivative = _advance(cones, s)
    moved = np.concatenate([np.swapaxes(cones.axes[:, :2], 1, 2), derivative], axis=2)
    speed = np.einsum("ni,ni->n", normal, tangent)
    speed = np.where(np.abs(speed) < 1e-9, 1e-9, speed)
    on_surface = (
        moved - tangent[:, :, None] * (np.einsum("ni,nij->nj", normal, moved) / speed[:, None])[:, None, :]
    )
    jacobian = rows @ on_surface
    covariance = jacobian @ cones.covariance @ np.swapaxes(jacobian, 1, 2)
    return Prediction(point, s, local, covariance, jacobian, reached, around)


def to_plane(cones: Cones, center: Floats, axes: Floats) -> Prediction:
    """Carry N cones to N planes: modules of any tilt, or disks.

    Args:
        center: (N, 3) a point on each, mm; axes: (N, 3, 3) its x, y and normal as rows.
    """
    normal = axes[:, 2]
    offset = np.einsum("ni,ni->n", center - cones.position, normal)
    s = offset / _away_from_zero(np.einsum("ni,ni->n", _advance(cones, np.zeros(len(cones)))[1], normal))
    for _ in range(STEPS):
        point, tangent, _ = _advance(cones, s)
        left = np.einsum("ni,ni->n", center - point, normal)
        # Steps of at most 100 mm, about the distance of two layers: from a tangent that hardly points at the
        # plane the next step would lead to another turn of the helix.
        s = s + np.clip(left / _away_from_zero(np.einsum("ni,ni->n", tangent, normal)), -100, 100)
    point, _, _ = _advance(cones, s)
    distance = np.abs(np.einsum("ni,ni->n", point - center, normal))
    local = np.einsum("nij,nj->ni", axes[:, :2], point - center)
    return _predict(cones, s, normal, axes[:, :2], local, (distance < 1e-6) & (s > 0), np.zeros(len(cones)))


def to_cylinder(cones: Cones, radius: npt.ArrayLike) -> Prediction:
    """Carry N cones outwards to cylinders of ``radius`` (mm, one or (N,)) about the z axis."""
    r = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(cones),))
    s = r - np.hypot(cones.position[:, 0], cones.position[:, 1])
    for _ in range(STEPS):
        point, tangent, _ = _advance(cones, s)
        distance = np.hypot(point[:, 0], point[:, 1])
        speed = (point[:, 0] * tangent[:, 0] + point[:, 1] * tangent[:, 1]) / np.maximum(distance, 1e-9)
        s = s + np.clip((r - distance) / _away_from_zero(speed), -100, 100)
    point, _, _ = _advance(cones, s)
    distance = np.maximum(np.hypot(point[:, 0], point[:, 1]), 1e-9)
    zero, one = np.zeros_like(distance), np.ones_like(distance)
    normal = np.stack([point[:, 0] / distance, point[:, 1] / distance, zero], axis=1)
    rows = np.stack(
        [np.stack([-normal[:, 1], normal[:, 0], zero], axis=1), np.stack([zero, zero, one], axis=1)], axis=1
    )
    local = np.stack([r * np.arctan2(point[:, 1], point[:, 0]), point[:, 2]], axis=1)
    return _predict(cones, s, normal, rows, local, (np.abs(distance - r) < 1e-6) & (s > 0), 2 * np.pi * r)


def _away_from_zero(values: Floats) -> Floats:
    return np.where(np.abs(values) < 1e-3, np.where(values < 0, -1e-3, 1e-3), values)


def inside(
    prediction: Prediction, local: Floats, covariance: Floats | None, options: ConeOptions
) -> npt.NDArray[np.bool_]:
    """(N,) whether points on the targets lie in the cones.

    Args:
        local: (N, 2) as :attr:`Prediction.local`; covariance: (N, 2, 2) of their own, mm2.
    """
    delta = local - prediction.local
    period = np.where(prediction.around > 0, prediction.around, np.inf)
    # Azimuth wraps: a hit just beyond the cut at pi is near, not a turn away.
    turns = np.where(prediction.around > 0, np.rint(delta[:, 0] / period), 0.0)
    delta[:, 0] -= turns * prediction.around
    total = prediction.covariance if covariance is None else prediction.covariance + covariance
    distance = np.einsum("ni,ni->n", delta, np.linalg.solve(total, delta[:, :, None])[:, :, 0])
    return np.asarray(prediction.reached & (distance < options.gate() ** 2))
