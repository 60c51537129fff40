"""The fit of a track as one Gaussian, in extended precision: no filter, no smoother, no closed derivatives.

All numbers of the hits have one covariance: that of a prior on the outermost module, carried in from module to
module by derivatives from differences, with scattering added on the way. What the used hits say of anything else
follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.tracking.scattering import MASS, moved
from tracking.fit.kalman import POSITION_PRIOR, Q_PRIOR, SLOPE_PRIOR
from tracking.fit.kernels import gathered
from tracking.fit.start import start_circle

Real = np.longdouble
STEPS = np.array([1e-4, 1e-4, 1e-6, 1e-6, 1e-5], dtype=Real)


@dataclass(frozen=True)
class Plain:
    """Parameters (5,) d0, z0, phi, theta, qop with covariance, chi2, and residuals and pulls (H, 2)."""

    parameters: np.ndarray
    covariance: np.ndarray
    chi2: float
    residual: np.ndarray
    pull: np.ndarray


def after(point, direction, turn, s):
    there, heading = moved(point[None], direction[None], np.array([turn]), np.array([s], dtype=Real))
    return there[0], heading[0]


def onto(point, direction, turn, plane, s):
    """Local state (4,) where a helix crosses a plane (center, axes): Newton's method from the path s."""
    center, axes = plane
    for _ in range(12):
        there, heading = after(point, direction, turn, s)
        s = s + (center - there) @ axes[2] / (heading @ axes[2])
    there, heading = after(point, direction, turn, s)
    inside, seen = axes @ (there - center), axes @ heading
    return np.concatenate([inside[:2], seen[:2] / seen[2]]), np.sign(seen[2]), s


def from_local(state, plane, sign):
    center, axes = plane
    heading = sign * (axes.T @ np.array([state[2], state[3], Real(1)]))
    return center + state[0] * axes[0] + state[1] * axes[1], heading / np.sqrt(heading @ heading)


def differences(function, state):
    columns = []
    for k in range(5):
        change = np.zeros(5, dtype=Real)
        change[k] = STEPS[k]
        columns.append((function(state + change) - function(state - change)) / (2 * STEPS[k]))
    return np.array(columns).T


def closest(point, direction, turn):
    """d0, z0, phi, theta where a helix comes closest to the z axis: Newton's method on the distance's slope."""
    across = np.hypot(direction[0], direction[1])
    s = -(point[0] * direction[0] + point[1] * direction[1]) / across**2
    for _ in range(60):
        there, heading = after(point, direction, turn, s)
        slope = there[0] * heading[0] + there[1] * heading[1]
        bend = across**2 + turn * (there[1] * heading[0] - there[0] * heading[1])
        s = s - slope / bend
    phi = np.arctan2(heading[1], heading[0])
    return np.array(
        [there[1] * np.cos(phi) - there[0] * np.sin(phi), there[2], phi, np.arctan2(across, heading[2])]
    )


def theta2(thickness, p):
    """Highland's variance of the projected angle, of pions."""
    beta2 = p * p / (p * p + Real(MASS) ** 2)
    factor = max(1 + 0.038 * np.log(thickness / beta2), 0)
    return (0.0136 * factor / p) ** 2 * thickness / beta2


def kicks(state, plane, sign, height):
    """(5, 2) changes of a local state by two small kicks across the track, at a height above the plane."""
    _, heading = from_local(state, plane, sign)
    first = np.cross(heading, np.array([0.6, -0.48, 0.64], dtype=Real))
    first /= np.sqrt(first @ first)
    columns = []
    for kick in (first, np.cross(heading, first)):
        seen, changed = plane[1] @ heading, plane[1] @ kick
        slopes = (changed[:2] - state[2:4] * changed[2]) / seen[2]
        columns.append([*(-height * slopes), *slopes, Real(0)])
    return np.array(columns).T


def between(near, far, state, plane, sign, detector, options, p):
    """(5, 5) of all scattering between a point on a plane, where the state is, and another point."""
    layers, gap = detector.layers, options.support_gap
    surfaces = [
        (True, layers.r_max[i] + gap, layers.z_min[i] - gap, layers.z_max[i] + gap, options.support)
        if layers.barrel[i]
        else (False, layers.z[i], layers.r_min[i] - gap, layers.r_max[i] + gap, options.support)
        for i in range(len(layers))
    ]
    surfaces.append((True, options.pipe_radius, -np.inf, np.inf, options.pipe))
    radii, places = [np.hypot(x[0], x[1]) for x in (near, far)], [near[2], far[2]]
    total = np.zeros((5, 5), dtype=Real)
    for cylinder, at, low, high, thickness in surfaces:
        (a, b), (c, d) = (radii, places) if cylinder else (places, radii)
        if thickness == 0 or (a < at) == (b < at):
            continue
        share = (at - a) / (b - a)
        if low <= c + share * (d - c) <= high:
            path = np.sqrt((far - near) @ (far - near)) / abs(b - a)
            by_kick = kicks(state, plane, sign, share * (plane[1][2] @ (far - near)))
            total += theta2(thickness * path, p) * by_kick @ by_kick.T
    return total


def inverse(matrix):
    """By Gauss and Jordan: NumPy's is of doubles."""
    n = len(matrix)
    rows = np.concatenate([matrix.astype(Real), np.eye(n, dtype=Real)], axis=1)
    for k in range(n):
        pivot = k + np.argmax(np.abs(rows[k:, k]))
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k] /= rows[k, k]
        others = np.arange(n) != k
        rows[others] -= rows[others, k, None] * rows[k]
    return rows[:, n:]


@dataclass(frozen=True)
class Track:
    """What one track's fit is made of.

    Attributes:
        planes: center and axes of each module, outermost first; path: to each; start: point, direction, turn.
        noise: (H, 2 or 4, 2 or 4) covariance of each hit; p: momentum that scatters.
    """

    planes: list
    path: np.ndarray
    start: tuple
    noise: np.ndarray
    strength: Real
    p: Real
    order: np.ndarray

    @property
    def q(self):
        return -self.start[2] / self.strength if self.strength != 0 else Real(0)


def track_of(hits, rows, outlier, field, options):
    """The start is the fit's own: that all is linear about it is the same approximation."""
    strength = Real(field) * Real(0.299792458e-3)
    of_track, status = np.empty((len(rows), 15)), np.empty(len(rows), dtype=np.int8)
    gathered(
        hits.position, hits.axes, hits.estimate.cholesky, hits.cot, rows, of_track, np.empty((0, 9)), status
    )
    memory, path = np.empty((2, len(rows)))
    helix, _ = start_circle(of_track, 0, len(rows), outlier.astype(np.int8), memory, path)
    (point, (cos, sin), sine, cosine, turn) = helix
    direction = np.array([sine * cos, sine * sin, cosine], dtype=Real)
    turn = Real(turn if field != 0 else 0.0)
    start = np.array(point, dtype=Real), direction / np.sqrt(direction @ direction), turn
    p = abs(strength / turn) if field != 0 else Real(options.straight_momentum)
    order = np.argsort(-path, kind="stable")
    rows = rows[order]
    size = 4 if options.angles else 2
    factors = hits.estimate.cholesky[rows][:, :size, :size].astype(Real)
    planes = [(hits.position[r].astype(Real), hits.axes[r].reshape(3, 3).astype(Real)) for r in rows]
    noise = np.einsum("kij,klj->kil", factors, factors)
    return Track(planes, path[order].astype(Real), start, noise, strength, p, order)


def module_spread(state, plane, sign, p, options):
    if options.sensor == 0:
        return np.zeros((5, 5), dtype=Real)
    by_kick = kicks(state, plane, sign, Real(0))
    return theta2(options.sensor * np.sqrt(1 + state[2] ** 2 + state[3] ** 2), p) * by_kick @ by_kick.T


def carried(state, spread, plane, sign, to, s, track, detector, options):
    """Spread of a state on another plane, the derivatives of the step, and the state and its sign there."""

    def step(x):
        point, direction = from_local(x, plane, sign)
        return np.append(onto(point, direction, -track.strength * x[4], to, s)[0], x[4])

    point, direction = from_local(state, plane, sign)
    local, sign_there, _ = onto(point, direction, -track.strength * state[4], to, s)
    there = np.append(local, state[4])
    derivative = differences(step, state)
    spread = derivative @ (spread + module_spread(state, plane, sign, track.p, options)) @ derivative.T
    near, _ = from_local(there, to, sign_there)
    spread += between(near, point, there, to, sign_there, detector, options, track.p)
    return spread, derivative, there, sign_there


def plain_fit(hits, rows, outlier, field, detector, options):
    """Fit one track, without some of its hits, whose modules' material stays.

    Args:
        rows: (H,) hits; outlier: (H,) bool.
    """
    track = track_of(hits, rows, outlier, field, options)
    size, n = len(track.noise[0]), len(rows)
    local, sign, _ = onto(*track.start, track.planes[0], track.path[0])
    state = np.append(local, track.q)
    widths = (1 + local[2] ** 2 + local[3] ** 2) * SLOPE_PRIOR**2 * (1 + local[2:] ** 2)
    places = POSITION_PRIOR**2 * np.diag(track.noise[0])[:2]
    spread = np.diag([*places, *widths, Real(Q_PRIOR**2 if field != 0 else 0)])
    states, spreads, chains, signs = [state], [spread], [[]], [sign]
    for i in range(1, n):
        spread, derivative, state, sign = carried(
            states[-1], spreads[-1], track.planes[i - 1], signs[-1], track.planes[i],
            track.path[i] - track.path[i - 1], track, detector, options,
        )  # fmt: skip
        chains.append([derivative @ chain for chain in chains[-1]] + [derivative])
        states.append(state)
        spreads.append(spread)
        signs.append(sign)
    joint = np.zeros((5 * n, 5 * n), dtype=Real)
    for i in range(n):
        for j in range(i + 1):
            block = chains[i][j] @ spreads[j] if j < i else spreads[i]
            joint[5 * i :, 5 * j :][:5, :5] = block
            joint[5 * j :, 5 * i :][:5, :5] = block.T
    seen = np.concatenate([5 * i + np.arange(size) for i in range(n)])
    cot = hits.cot[rows[track.order]]
    measured = np.concatenate(
        [np.concatenate([-x[:2], c - x[2:4]])[:size] for x, c in zip(states, cot, strict=True)]
    )
    noise = np.zeros((size * n, size * n), dtype=Real)
    for i in range(n):
        noise[size * i :, size * i :][:size, :size] = track.noise[i]
    used = np.repeat(~outlier[track.order], size)
    weight = inverse((joint[np.ix_(seen, seen)] + noise)[np.ix_(used, used)])
    by_used = joint[:, seen[used]] @ weight
    fitted = by_used @ measured[used]
    # Joseph's form, since the prior is as wide as it is: errors of the gain enter squared.
    rest = np.eye(5 * n, dtype=Real)
    rest[:, seen[used]] -= by_used
    left = rest @ joint @ rest.T + by_used @ noise[np.ix_(used, used)] @ by_used.T
    residual, pull = np.empty((2, n, 2))
    for i, k in enumerate(track.order):
        at = size * i + np.arange(2)
        off = measured[at] - fitted[seen[at]]
        here = left[np.ix_(seen[at], seen[at])]
        # A used hit pulls the track towards itself.
        variance = np.diag(track.noise[i])[:2] + np.diag(here) * (1 if outlier[k] else -1)
        residual[k], pull[k] = off, off / np.sqrt(variance)
    parameters, covariance = _at_axis(
        states[-1] + fitted[-5:], left[-5:, -5:], signs[-1], track, detector, options
    )
    chi2 = measured[used] @ weight @ measured[used]
    return Plain(parameters.astype(float), covariance.astype(float), float(chi2), residual, pull)


def _at_axis(state, spread, sign, track, detector, options):
    """Carried along the fitted helix."""
    point, direction = from_local(state, track.planes[-1], sign)
    turn = -track.strength * state[4]
    phi = closest(point, direction, turn)[2]
    cos, sin, zero, one = np.cos(phi), np.sin(phi), Real(0), Real(1)
    plane = np.zeros(3, dtype=Real), np.array([[-sin, cos, zero], [zero, zero, one], [cos, sin, zero]])
    s = -point[:2] @ direction[:2] / (direction[:2] @ direction[:2])
    spread, _, there, sign = carried(
        state, spread, track.planes[-1], sign, plane, s, track, detector, options
    )  # fmt: skip

    def parameters(x):
        return np.append(closest(*from_local(x, plane, sign), -track.strength * x[4]), x[4])

    derivative = differences(parameters, there)
    return parameters(there), derivative @ spread @ derivative.T
