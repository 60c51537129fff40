"""Toy events: exact helices through the modules of the embedded detector, with Gaussian estimates around the
truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.spatial import KDTree

from seeding.hits import Hits
from smartpix.estimate.base import Estimate
from smartpix.geometry import read_detector
from smartpix.layers import layer_pairs
from smartpix.shipped import data_path

FIELD = 3.8
UNIT = 0.299792458e-3 * FIELD
"""Curvature (1/mm) of a 1 GeV track."""
SIGMA = (0.005, 0.002, 0.1, 0.03)


@cache
def detector():
    return read_detector(data_path("detector.csv"))


@cache
def pairs():
    return layer_pairs(detector())


@cache
def follows():
    """Layer pairs as {(inner, outer): the layer between, or -1}."""
    p = pairs()
    return {(int(a), int(b)): int(k) for a, b, k in zip(p.inner, p.outer, p.skipped, strict=True)}


def through_gap(hits, i, j):
    """Whether two hits on layers that follow one another do so: past a layer only near the gap between its
    rings.
    """
    skipped = follows()[int(hits.layer[i]), int(hits.layer[j])]
    if skipped < 0:
        return True
    layers = detector().layers
    (ri, rj), (zi, zj) = np.hypot(*hits.position[[i, j], :2].T), hits.position[[i, j], 2]
    at = ri + (rj - ri) * (layers.z[skipped] - zi) / (zj - zi)
    return layers.gap_low[skipped] - 0.8 < at < layers.gap_high[skipped] + 0.8


@cache
def module_tree():
    return KDTree(detector().center)


def helix(start, phi, curvature, cot_theta, arc):
    """Points (N, 3) and directions (N, 3) (transverse part of length 1) after the transverse path lengths
    ``arc`` (N,).
    """
    angle = phi + curvature * arc
    if abs(curvature) > 1e-12:
        x = (np.sin(angle) - np.sin(phi)) / curvature
        y = -(np.cos(angle) - np.cos(phi)) / curvature
    else:
        x, y = arc * np.cos(phi), arc * np.sin(phi)
    point = np.stack([start[0] + x, start[1] + y, start[2] + cot_theta * arc], axis=1)
    return point, np.stack([np.cos(angle), np.sin(angle), np.full_like(angle, cot_theta)], axis=1)


def trace(start, phi, curvature, cot_theta):
    """Modules a helix crosses on its way out, with points and directions, in their order."""
    geometry = detector()
    turn = np.pi / max(abs(curvature), 1e-9)
    arc = np.arange(0.0, min(turn, 260.0), 4.0 / np.hypot(1, cot_theta))
    point, _ = helix(start, phi, curvature, cot_theta, arc)
    point = point[(np.hypot(point[:, 0], point[:, 1]) < 185) & (np.abs(point[:, 2]) < 1520)]
    near = sorted({m for found in module_tree().query_ball_point(point, 42.0) for m in found})
    if not near:
        return np.zeros(0, dtype=int), np.zeros((0, 3)), np.zeros((0, 3))
    center, normal = geometry.center[near], geometry.axes[near][:, :, 2]
    distance = np.einsum("mni,mi->mn", point[None] - center[:, None], normal)
    which, step = np.nonzero(distance[:, :-1] * distance[:, 1:] < 0)
    s = arc[step].copy()
    for _ in range(6):
        p, d = helix(start, phi, curvature, cot_theta, s)
        s -= np.sum((p - center[which]) * normal[which], axis=1) / np.sum(d * normal[which], axis=1)
    p, d = helix(start, phi, curvature, cot_theta, s)
    module = np.array(near)[which]
    local = geometry.to_local(module, p)
    inside = (np.abs(local[:, 0]) < geometry.half_x[module]) & (np.abs(local[:, 1]) < geometry.half_y[module])
    order = np.argsort(s[inside])
    return module[inside][order], p[inside][order], d[inside][order]


@dataclass(frozen=True)
class Toy:
    """Crossings (N,) of P particles; ``curvature``, ``phi``, ``cot_theta`` (P,) and ``start`` (P, 3) of
    those.
    """

    module: np.ndarray
    point: np.ndarray
    direction: np.ndarray
    particle: np.ndarray
    order: np.ndarray
    start: np.ndarray
    phi: np.ndarray
    curvature: np.ndarray
    cot_theta: np.ndarray

    @property
    def layer(self):
        return detector().layer_index[self.module]

    def hit_rows(self):
        return [np.flatnonzero(self.particle == p) for p in range(len(self.phi))]


def toy_event(n, seed, max_eta=2.5, pt=(0.5, 5.0), sigma_z=50.0):
    """``n`` particles from the beam line, log-uniform in pT, flat in eta and phi."""
    rng = np.random.default_rng(seed)
    phi = rng.uniform(-np.pi, np.pi, n)
    curvature = rng.choice([-1, 1], n) * UNIT / np.exp(rng.uniform(*np.log(pt), n))
    cot_theta = np.sinh(rng.uniform(-max_eta, max_eta, n))
    return event_of(np.column_stack([np.zeros((n, 2)), rng.normal(0, sigma_z, n)]), phi, curvature, cot_theta)


def event_of(start, phi, curvature, cot_theta):
    module, point, direction, particle, order = [], [], [], [], []
    for p in range(len(phi)):
        m, x, d = trace(start[p], phi[p], curvature[p], cot_theta[p])
        module.append(m)
        point.append(x)
        direction.append(d)
        particle.append(np.full(len(m), p))
        order.append(np.arange(len(m)))
    columns = (np.concatenate(c) for c in (module, point, direction, particle, order))
    return Toy(*columns, start, phi, curvature, cot_theta)


def empty_event():
    return event_of(np.zeros((1, 3)), np.zeros(1), np.zeros(1), np.array([1e3]))


def toy_hits(toy, seed=0, sigma=SIGMA, correlation=0.4, position=True):
    """Hits with estimates scattered around the truth as their covariance says; every hit has its own
    width.
    """
    rng = np.random.default_rng([seed, 1])
    geometry = detector()
    n = len(toy.module)
    cholesky = np.tile(np.diag(sigma), (n, 1, 1)) * rng.uniform(0.7, 1.4, (n, 1, 1))
    cholesky[:, 3, 2] = correlation * cholesky[:, 3, 3]
    local = geometry.to_local(toy.module, toy.point)[:, :2]
    direction = geometry.direction_to_local(toy.module, toy.direction)
    mean = np.column_stack([local, direction[:, :2] / direction[:, 2:]])
    noise = np.einsum("nij,nj->ni", cholesky, rng.normal(size=(n, 4)))
    if not position:
        noise[:, :2] = 0
    mean = mean + noise
    return Hits(
        hit_id=np.arange(n, dtype=np.int64),
        module=toy.module.astype(np.int32),
        layer=toy.layer,
        position=geometry.to_global(toy.module, mean[:, :2]) if n else np.zeros((0, 3)),
        estimate=Estimate(mean, cholesky),
        axes=np.ascontiguousarray(np.swapaxes(geometry.axes[toy.module], 1, 2).reshape(-1, 9)),
    )


def slope_factor(covariance):
    """(N, 4, 4) factors whose slopes have the covariance (N, 3) aa, ab, bb; positions are exact."""
    aa, ab, bb = np.asarray(covariance).T
    factor = np.zeros((len(aa), 4, 4))
    factor[:, 2, 2], factor[:, 3, 2] = np.sqrt(aa), ab / np.sqrt(aa)
    factor[:, 3, 3] = np.sqrt(bb - ab**2 / aa)
    return factor


def rotated(hits, angle):
    """The same event with everything, the modules' axes too, turned about z."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    axes = (hits.axes.reshape(-1, 3, 3) @ turn.T).reshape(-1, 9)
    return replace(
        hits, position=np.ascontiguousarray(hits.position @ turn.T), axes=np.ascontiguousarray(axes)
    )


def true_edges(toy):
    """Set of (row, row) of a particle's crossings on layers that follow one another, by straight loops."""
    found = set()
    layer = toy.layer
    for rows in toy.hit_rows():
        runs = []
        for h in rows:
            if runs and layer[runs[-1][-1]] == layer[h]:
                runs[-1].append(h)
            else:
                runs.append([h])
        for inner, outer in zip(runs[:-1], runs[1:], strict=True):
            found |= {(int(a), int(b)) for a in inner for b in outer}
    return found


def beam_circle(a, b):
    """Signed curvature, slope dz/ds and z0 of the helix through the z axis and two points: circumcircle, then
    arc angles.
    """
    xa, xb = a[:2], b[:2]
    cross = xa[0] * xb[1] - xa[1] * xb[0]
    # Menger: 4 * area / product of the sides of the triangle (origin, a, b); the sign is that of the turn.
    curvature = 2 * cross / (np.linalg.norm(xa) * np.linalg.norm(xb) * np.linalg.norm(xb - xa))
    arcs = []
    for x in (xa, xb):
        chord = np.linalg.norm(x)
        half = abs(curvature) * chord / 2
        arcs.append(chord if half < 1e-9 else 2 * np.arcsin(half) / abs(curvature))
    slope = (b[2] - a[2]) / (arcs[1] - arcs[0])
    return curvature, slope, a[2] - slope * arcs[0]


def joint_chi2(hits, i, j, sigma_z0, sigma_d0, max_curvature, radiation_length=0.0):
    """Joint test of two hits with NumPy: chi2, curvature, slope, z0, residuals (2, 2), covariances."""
    curvature, slope, z0 = beam_circle(hits.position[i], hits.position[j])
    radius = np.hypot(*hits.position[[i, j], :2].T)
    # The curvature prior is flat up to the softest track's and falls as the impact parameter blurs it.
    beyond = max(abs(curvature) - max_curvature, 0.0) / (2 * sigma_d0 / (radius[0] * radius[1]))
    chi2 = (z0 / sigma_z0) ** 2 + beyond**2
    residuals, covariances = [], []
    for h, r in zip((i, j), radius, strict=True):
        x, y = hits.position[h, :2]
        frame = hits.axes[h].reshape(3, 3)

        def slopes(psi, c, frame=frame):
            local = frame @ np.array([np.cos(psi), np.sin(psi), c])
            return local[:2] / local[2]

        # Direction on a circle through the origin: tangent-chord angle.
        phi = np.arctan2(y, x)
        residual = hits.cot[h] - slopes(phi + np.arcsin(curvature * r / 2), slope)
        aa, ab, bb = hits.cot_covariance[h]
        ray = hits.position[h, 2] / r
        turn = (slopes(phi + 1e-6, ray) - slopes(phi - 1e-6, ray)) / 2e-6 * sigma_d0 / r
        covariance = np.array([[aa, ab], [ab, bb]]) + np.outer(turn, turn)
        # Highland's angle of the softest track, in both planes that hold its direction (a, b, 1), seen in the
        # slopes a and b.
        a, b = hits.cot[h]
        theta0 = 0.0136 / (UNIT / max_curvature * np.hypot(1, ray)) * np.sqrt(radiation_length)
        covariance += theta0**2 * (1 + a * a + b * b) * (np.eye(2) + np.outer([a, b], [a, b]))
        chi2 += residual @ np.linalg.solve(covariance, residual)
        residuals.append(residual)
        covariances.append(covariance)
    return chi2, curvature, slope, z0, np.array(residuals), np.array(covariances)
