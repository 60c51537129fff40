"""Toy tracks with multiple scattering, by straight loops over surfaces: what the fit is tested against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seeding.hits import Hits
from smartpix.estimate.base import Estimate
from tests.seeding import toys
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import FitOptions

MASS = 0.13957


def moved(point, direction, turn, s):
    """Positions and directions after the paths s (N,), the directions turning by ``turn`` (N,) for each
    mm.
    """
    angle = turn * s
    cos, sin = np.cos(angle), np.sin(angle)
    half = 0.5 * angle
    # The chord of the arc, along the direction half way.
    chord = s * np.sinc(half / np.pi)
    x, y = direction[:, 0], direction[:, 1]
    step = np.stack(
        [chord * (np.cos(half) * x - np.sin(half) * y), chord * (np.sin(half) * x + np.cos(half) * y)], axis=1
    )
    there = np.column_stack([point[:, :2] + step, point[:, 2] + direction[:, 2] * s])
    return there, np.column_stack([cos * x - sin * y, sin * x + cos * y, direction[:, 2]])


def path_to(distance, point, direction, turn, first):
    """Paths at which ``distance(point) -> (N,)`` is zero: secants from near ``first`` (N,)."""
    a, b = first, first + 0.01
    da, db = (distance(moved(point, direction, turn, s)[0]) for s in (a, b))
    for _ in range(12):
        change = np.where(db == da, 1.0, db - da)
        a, b, da = b, b - db * (b - a) / change, db
        db = distance(moved(point, direction, turn, b)[0])
    return b


def kicked(direction, kicks):
    """Directions turned by two small angles (N, 2) across them."""
    first = np.cross(direction, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first, axis=1)[:, None]
    second = np.cross(first, direction)
    size = np.linalg.norm(kicks, axis=1)[:, None]
    across = (kicks[:, :1] * first + kicks[:, 1:] * second) / np.where(size > 0, size, 1.0)
    return np.cos(size) * direction + np.sin(size) * across


@dataclass(frozen=True)
class Course:
    """What N tracks cross, in the order of S surfaces: center and axes (rows x, y, z) of planes, or the
    radius of cylinders.

    Attributes:
        radius: (S,) 0 for planes; center (S, N, 3), axes (S, N, 3, 3); material: (S,) radiation lengths;
            measured: (S,).
    """

    radius: np.ndarray
    center: np.ndarray
    axes: np.ndarray
    material: np.ndarray
    measured: np.ndarray


def course_of(parameters, field, options, region, rng):
    """A course around the undisturbed tracks with the supports of the embedded detector."""
    layers = toys.detector().layers
    n = len(parameters)
    rows = [(options.pipe_radius, None, options.pipe, False)]
    for k in np.flatnonzero(layers.barrel)[: 4 if region == "barrel" else 2]:
        rows.append((0.0, ("barrel", layers.radius[k]), options.sensor, True))
        rows.append((layers.r_max[k] + options.support_gap, None, options.support, False))
    if region == "endcap":
        for number, z in enumerate(layers.z[~layers.barrel & (layers.z > 0)][:3]):
            module, support = (
                (0.0, ("disk", z + 2.0 * (-1) ** number), options.sensor, True),
                (0.0, ("support", z), options.support, False),
            )
            rows += [support, module] if number % 2 == 0 else [module, support]
    center, axes = np.zeros((len(rows), n, 3)), np.tile(np.eye(3), (len(rows), n, 1, 1))
    point, direction, turn = from_axis(parameters, field)
    for s, (_, plane, _, _) in enumerate(rows):
        if plane is None:
            continue
        kind, at = plane
        if kind == "barrel":
            along = path_to(
                lambda x, at=at: np.hypot(x[:, 0], x[:, 1]) - at,
                point,
                direction,
                turn,
                at / direction_across(direction),
            )
        else:
            along = path_to(
                lambda x, at=at: x[:, 2] - at, point, direction, turn, (at - point[:, 2]) / direction[:, 2]
            )
        center[s] = moved(point, direction, turn, along)[0]
        if kind == "support":
            continue
        phi = np.arctan2(center[s, :, 1], center[s, :, 0]) + rng.uniform(-0.1, 0.1, n)
        zero, one = np.zeros(n), np.ones(n)
        outwards = np.stack([np.cos(phi), np.sin(phi), zero], axis=1)
        if kind == "barrel":
            tilt = phi + 0.14
            x, z = np.stack([zero, zero, one], axis=1), np.stack([np.cos(tilt), np.sin(tilt), zero], axis=1)
        else:
            x, z = outwards, np.stack([zero, zero, one], axis=1)
        axes[s] = np.stack([x, np.cross(z, x), z], axis=1)
    columns = list(zip(*rows, strict=True))
    return Course(np.array(columns[0]), center, axes, np.array(columns[2]), np.array(columns[3]))


def direction_across(direction):
    return np.hypot(direction[:, 0], direction[:, 1])


def from_axis(parameters, field):
    """Positions, directions and turns of parameters (N, 5): d0, z0, phi, theta, qop."""
    d0, z0, phi, theta, qop = parameters.T
    point = np.stack([-d0 * np.sin(phi), d0 * np.cos(phi), z0], axis=1)
    direction = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1)
    return point, direction, -qop * field * 0.299792458e-3


def highland(material, path, p):
    """Projected angle of multiple scattering, of pions."""
    beta2 = p * p / (p * p + MASS * MASS)
    thickness = material * path
    return 0.0136 / (p * np.sqrt(beta2)) * np.sqrt(thickness) * (1 + 0.038 * np.log(thickness / beta2))


def carry(parameters, course, field, kicks):
    """Through a course, turned by kicks (S, N, 2) at its surfaces.

    Returns:
        Positions on the measured planes (H, N, 2) from their centres, slopes (H, N, 2) there, and 1 / cos of
        incidence (S, N).
    """
    point, direction, turn = from_axis(parameters, field)
    local, slopes, incidence = [], [], []
    for s in range(len(course.radius)):
        if course.radius[s] > 0:
            r = course.radius[s]
            first = (r - np.hypot(point[:, 0], point[:, 1])) / direction_across(direction)
            along = path_to(lambda x, r=r: np.hypot(x[:, 0], x[:, 1]) - r, point, direction, turn, first)
            point, direction = moved(point, direction, turn, along)
            normal = np.column_stack([point[:, :2] / r, np.zeros(len(point))])
        else:
            center, normal = course.center[s], course.axes[s, :, 2]
            speed = np.sum(direction * normal, axis=1)
            first = np.sum((center - point) * normal, axis=1) / speed
            along = path_to(
                lambda x, c=center, n=normal: np.sum((x - c) * n, axis=1), point, direction, turn, first
            )
            point, direction = moved(point, direction, turn, along)
            if course.measured[s]:
                local.append(np.einsum("nij,nj->ni", course.axes[s, :, :2], point - center))
                seen = np.einsum("nij,nj->ni", course.axes[s], direction)
                slopes.append(seen[:, :2] / seen[:, 2:])
        incidence.append(1 / np.abs(np.sum(direction * normal, axis=1)))
        direction = kicked(direction, kicks[s])
    return np.array(local), np.array(slopes), np.array(incidence)


def gaussian(theta, rng):
    """Two independent projected angles, (..., 2)."""
    return theta[..., None] * rng.normal(size=(*theta.shape, 2))


def fatras(theta, rng):
    """As Fatras draws them: a Gaussian polar angle in a random plane; of the same variance, but peaked and
    with longer tails.
    """
    polar, plane = np.sqrt(2) * theta * rng.normal(size=theta.shape), rng.uniform(-np.pi, np.pi, theta.shape)
    return np.stack([polar * np.cos(plane), polar * np.sin(plane)], axis=-1)


def random_parameters(n, rng, region, pt=(0.9, 3.0)):
    """Through all barrel layers, or through two of them and three disks."""
    eta = rng.uniform(-1.4, 1.4, n) if region == "barrel" else rng.uniform(2.3, 2.4, n)
    theta = 2 * np.arctan(np.exp(-eta))
    qop = rng.choice([-1, 1], n) / np.exp(rng.uniform(*np.log(pt), n)) * np.sin(theta)
    return np.stack(
        [rng.normal(0, 0.02, n), rng.normal(0, 10, n), rng.uniform(-np.pi, np.pi, n), theta, qop], axis=1
    )


def simulate(
    n,
    seed,
    region="barrel",
    law=gaussian,
    field=3.8,
    options=None,
    sigma=(0.006, 0.002),
    pt=(0.9, 3.0),
    error=1.0,
):
    """Toy tracks (N) of H hits: true parameters, course, hits (track after track) and tracks."""
    options = options or FitOptions()
    rng = np.random.default_rng(seed)
    parameters = random_parameters(n, rng, region, pt)
    course = course_of(parameters, field, options, region, rng)
    p = 1 / np.abs(parameters[:, 4])
    _, _, incidence = carry(parameters, course, field, np.zeros((len(course.radius), n, 2)))
    theta = np.array(
        [highland(m, i, p) if m > 0 else np.zeros(n) for m, i in zip(course.material, incidence, strict=True)]
    )
    local, slopes, _ = carry(parameters, course, field, error * law(theta, rng))
    hits, tracks = hits_of(course, local, slopes, rng, sigma, error)
    return parameters, course, hits, tracks


def hits_of(course, local, slopes, rng, sigma, error):
    """Hits with correlated Gaussian errors of (x, y, cot alpha, cot beta), ``error`` times as large as their
    covariance says.
    """
    n_hits, n = local.shape[:2]
    size = n_hits * n
    cholesky = np.tile(np.diag([*sigma, 0.15, 0.05]), (size, 1, 1)) * rng.uniform(0.7, 1.4, (size, 1, 1))
    cholesky[:, 1, 0] = 0.4 * cholesky[:, 1, 1]
    cholesky[:, 3, 1] = 0.3 * cholesky[:, 3, 3]
    noise = error * np.einsum("kij,kj->ki", cholesky, rng.normal(size=(size, 4)))
    which = np.flatnonzero(course.measured)
    axes = np.swapaxes(course.axes[which], 0, 1).reshape(size, 3, 3)
    center = np.swapaxes(course.center[which], 0, 1).reshape(size, 3)
    mean = (
        np.concatenate(
            [np.swapaxes(local, 0, 1).reshape(size, 2), np.swapaxes(slopes, 0, 1).reshape(size, 2)], axis=1
        )
        + noise
    )
    hits = Hits(
        hit_id=np.arange(size), module=np.zeros(size, dtype=np.int32), layer=np.tile(np.arange(n_hits,
        dtype=np.int32), n),
        position=center + np.einsum("ki,kij->kj", mean[:, :2], axes[:, :2]), estimate=Estimate(mean,
        cholesky),
        axes=np.ascontiguousarray(axes.reshape(size, 9)),
    )  # fmt: skip
    return hits, Tracks(np.arange(size), n_hits * np.arange(n + 1), np.ones(n, dtype=np.float32))


def half_width(values):
    low, high = np.percentile(values, [15.865, 84.135])
    return (high - low) / 2


def core_sigma(values):
    """Of a Gaussian cut at two of its sigmas, whose own spread is 0.8796 of them."""
    mean, sigma = np.median(values), half_width(values)
    for _ in range(30):
        inside = values[np.abs(values - mean) < 2 * sigma]
        mean, sigma = inside.mean(), inside.std() / 0.8796
    return sigma


def pulls(fit, parameters):
    """(T, 5)."""
    off = np.stack([fit.d0, fit.z0, fit.phi, fit.theta, fit.qop], axis=1) - parameters
    off[:, 2] = np.angle(np.exp(1j * off[:, 2]))
    return off / fit.sigma()
