"""Kalman filter of tracks with multiple scattering: compiled loops, arrays in, arrays out. Callers validate.

The filter (R. Fruehwirth, NIM A 262 (1987) 444) goes from the outermost hit inwards, and ends where the
parameters are wanted. It is linear about one smooth helix, so that two hits near one another may turn
the track far off for a while: its state is the deviation from that helix
(:mod:`tracking.fit.curvilinear`). A hit's position enters in closed form, and its slopes after it, made
independent of it by their Cholesky factor.

Functions that are called for each hit take numbers and not arrays: Numba counts the users of every array that
it hands on, which takes longer than the fit.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit
from smartpix.scattering import theta2_behind
from tracking.fit.curvilinear import (
    at_axis,
    carried,
    derivatives,
    dot5,
    from_module,
    kicked,
    moved,
    on_module,
    other_helix,
    sight,
    slopes,
    updated,
    updated_by_pair,
)
from tracking.fit.helix import advance, axis, closest_approach, crossing, dot
from tracking.fit.losses import TAILS, lost_in, shares_lost
from tracking.fit.material import below, scattering, thickness
from tracking.fit.smoother import USED, keep_pair, keep_place, keep_step

__all__ = ["FAR", "Q_PRIOR", "behind", "factor", "filtered", "prior"]

MAX_Q, MAX_SLOPE, FAR = 100.0, 1e4, 1e5
"""1/GeV, 1, mm: states beyond have left all that can be fitted."""
POSITION_PRIOR, SLOPE_PRIOR, Q_PRIOR = 1e4, 0.3, 10.0
"""Widths of the first state: in sigmas of its hit, in rad, in 1/GeV. Wider ones cost digits."""
MIN_SIGMA = 1e-9
LEAST = 1e-30
"""Probability of a loss where there is no material."""
NOWHERE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Of no module yet."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def prior(cholesky: Any, seen: Any, turn: float, free: float) -> Any:
    """Covariance on the outermost hit's module; free: 1 where there is a field, else 0.

    The hits made the start. Its covariance is a prior that says nothing, or they would count twice.
    """
    a, b = seen[4] / seen[8], seen[5] / seen[8]
    slope = SLOPE_PRIOR * SLOPE_PRIOR * (1 + a * a + b * b)
    x, xy, y = cholesky
    least, wide = MIN_SIGMA * MIN_SIGMA, POSITION_PRIOR * POSITION_PRIOR
    variances = (
        wide * (x * x + least), wide * (xy * xy + y * y + least), slope * (1 + a * a), slope * (1 + b * b)
    )  # fmt: skip
    return from_module(variances, free * Q_PRIOR * Q_PRIOR, seen, turn)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def factor(cholesky: Any, seen: Any) -> Any:
    """A hit's Cholesky factor along N and V: 00, 01, 10, 11."""
    x, xy, y = max(abs(cholesky[0]), MIN_SIGMA), cholesky[1], max(abs(cholesky[2]), MIN_SIGMA)
    xn, yn, xv, yv = seen[0], seen[1], seen[2], seen[3]
    return xn * x + yn * xy, yn * y, xv * x + yv * xy, yv * y


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _second_pair(angles: Any, cholesky: Any, seen: Any, turn: float, off: Any) -> Any:
    """A hit's slopes less what its position says of them: derivatives (2) by a deviation, measured, and the
    Cholesky factor 00, 10, 11.

    Args:
        angles: slopes, and the last two rows of the hit's Cholesky factor; off: x and y measured less those
            of the helix.
    """
    x, xy, y = max(abs(cholesky[0]), MIN_SIGMA), cholesky[1], max(abs(cholesky[2]), MIN_SIGMA)
    cot_a, cot_b, ax, ay, a, bx, by, ba, b = angles
    to_x, to_y = on_module(seen)
    alpha, beta = slopes(seen, turn)
    # The position in units where its noise is one.
    off_x = off[0] / x
    off_y = (off[1] - xy * off_x) / y
    n_x, v_x = to_x[0] / x, to_x[1] / x
    n_y, v_y = (to_y[0] - xy * n_x) / y, (to_y[1] - xy * v_x) / y
    rows = (
        (alpha[0] - ax * n_x - ay * n_y, alpha[1] - ax * v_x - ay * v_y, alpha[2], alpha[3], 0.0),
        (beta[0] - bx * n_x - by * n_y, beta[1] - bx * v_x - by * v_y, beta[2], beta[3], 0.0),
    )
    measured = (
        cot_a - seen[4] / seen[8] - ax * off_x - ay * off_y,
        cot_b - seen[5] / seen[8] - bx * off_x - by * off_y,
    )
    return rows, measured, (max(abs(a), MIN_SIGMA), ba, max(abs(b), MIN_SIGMA))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def behind(p: Any, theta2: float) -> Any:
    """A covariance behind a module, on the way in: the angle that its own material gave comes after its
    position. A module is thin, so that its kick moves no point in it.
    """
    return (
        p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9] + theta2, p[10], p[11], p[12] + theta2, p[13],
        p[14],
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _spread(p: Any, variance: float) -> Any:
    """A covariance with more variance of q."""
    return (
        p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13], p[14] + variance
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _on_fitted(place: Any, x: Any, seen: Any, helix: Any, strength: float) -> Any:
    """The fitted helix through the innermost module: itself, how the module is seen along it, and whether it
    makes sense.

    Args:
        place: module's center, x, y and normal; x: deviation; seen, helix: there, of the start.
    """
    center, ex, ey, normal = place
    r, _, sine, _, w = helix
    to_x, to_y = on_module(seen)
    alpha, beta = slopes(seen, w * sine)
    off = (r[0] - center[0], r[1] - center[1], r[2] - center[2])
    u, v = dot(ex, off) + to_x[0] * x[0] + to_x[1] * x[1], dot(ey, off) + to_y[0] * x[0] + to_y[1] * x[1]
    a, b = seen[4] / seen[8] + dot5(alpha, x), seen[5] / seen[8] + dot5(beta, x)
    w -= strength * x[4]
    near = abs(u) < FAR and abs(v) < FAR and abs(a) < MAX_SLOPE and abs(b) < MAX_SLOPE
    good = near and (abs(w) < MAX_Q * abs(strength) or strength == 0)
    c = math.copysign(1 / math.sqrt(1 + a * a + b * b), seen[8])
    tx, ty, cosine = (
        c * (a * ex[0] + b * ey[0] + normal[0]), c * (a * ex[1] + b * ey[1] + normal[1]),
        c * (a * ex[2] + b * ey[2] + normal[2]),
    )  # fmt: skip
    sine = math.sqrt(tx * tx + ty * ty)
    r = (
        center[0] + u * ex[0] + v * ey[0], center[1] + u * ex[1] + v * ey[1], center[2] + u * ex[2] + v * ey[2]
    )  # fmt: skip
    t = (tx / sine, ty / sine)
    return (r, t, sine, cosine, w), sight(ex, ey, normal, t, sine, cosine), good


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def filtered(
    n: int, order: Any, path: Any, first: int, hits: Any, angles: Any, status: Any, helix: Any, cylinders: Any,
    disks: Any, sensor: float, strength: float, momentum: float, mass: float, losing: bool, radiates: int, tail: int,
    kept: Any, to_keep: bool,
) -> Any:  # fmt: skip
    """Filter a track from its outermost hit to the z axis.

    Args:
        n, order, path: hits along the helix, outermost first, and the path near each, from hit ``first`` on.
        hits, angles, status: of all tracks, see :func:`tracking.fit.kernels.gathered`.
        helix: that all is linear about.
        cylinders, disks: see :func:`tracking.fit.material.scattering`; sensor: radiation lengths of a module.
        strength: curvature of 1 GeV, signed, 1/mm; 0 without field, where momentum (GeV) is what scatters.
        mass: of the particle, GeV; losing: whether it loses energy, see :mod:`tracking.fit.losses`.
        radiates: place in the order just outside of which it radiated, by ``tail`` of
            :data:`tracking.fit.losses.TAILS`; -1: nowhere.
        kept: (M, N_KEPT) filled for the smoother if ``to_keep``.

    Returns:
        chi2; parameters and covariance at the axis; the place at which it failed: -1 if it did not, n at
        the axis; and the logarithm of the hits' probability, but for what all ways to radiate share.
    """
    start, t, sine, cosine, w = helix
    q = w / strength if strength != 0 else 1 / momentum
    # 1 / (beta p)^2 and beta^2, of the start's momentum.
    # Not of the state on its way: after two or three hits that may be anything, since its prior is wide.
    inverse = 1 + (q * mass) ** 2
    momentum2, beta2 = q * q * inverse, 1 / inverse
    turn = w * sine
    chi2 = s = radius = spread = log_prior = 0.0
    in_cylinders = in_disks = 0
    x, p = (0.0, 0.0, 0.0, 0.0, 0.0), from_module((0.0, 0.0, 0.0, 0.0), 0.0, NOWHERE, 0.0)
    r, seen, out = start, NOWHERE, (0.0, 0.0, 0.0, 0.0, 0.0)
    if not abs(q) < MAX_Q and strength != 0:
        return chi2, out, p, 0, 0.0
    losing = losing and strength != 0 and q != 0
    rates = shares_lost(abs(q), mass) if losing else (0.0, 0.0)
    for i in range(n + 1):
        before, far, far_radius, far_cylinders, far_disks = s, r, radius, in_cylinders, in_disks
        if i < n:
            k = order[i]
            center, ex, ey, normal = axis(hits, k, 0), axis(hits, k, 3), axis(hits, k, 6), axis(hits, k, 9)
            cholesky = axis(hits, k, 12)
            s, r, t, reached = crossing(helix, path[k - first], center, normal)
            # After half a turn the track comes back: that crossing is another one.
            if not (reached and abs(w * (s - before)) < math.pi):
                return chi2, out, p, i, 0.0
            seen = sight(ex, ey, normal, t, sine, cosine)
            along = (seen[6], seen[7], seen[8])
        else:
            # All hits are in: what follows is carried along the fitted helix, not along the start.
            helix, then, good = _on_fitted(
                (center, ex, ey, normal), x, seen, (r, t, sine, cosine, w), strength
            )
            if not good:
                return chi2, out, p, n - 1, 0.0
            far, _, sine, cosine, w = helix
            if not sine > 1e-6:
                return chi2, out, p, n, 0.0
            p = other_helix(p, seen, turn, then, w * sine)
            p = behind(p, theta2_behind(sensor / abs(then[8]), momentum2, beta2))
            if losing:
                w -= w * lost_in((sensor / abs(then[8]), 0.0), rates)
                helix = (helix[0], helix[1], sine, cosine, w)
            turn, before, far_radius = w * sine, 0.0, math.sqrt(far[0] * far[0] + far[1] * far[1])
            far_cylinders, far_disks = (
                below(cylinders, far_radius, in_cylinders),
                below(disks, far[2], in_disks),
            )
            s = closest_approach(helix)
            r, t = advance(helix, s)
            normal, along = (t[0], t[1], 0.0), (0.0, -cosine, sine)
        radius = math.sqrt(r[0] * r[0] + r[1] * r[1])
        in_cylinders, in_disks = below(cylinders, radius, far_cylinders), below(disks, r[2], far_disks)
        if i > 0:
            rows = derivatives(helix, s - before, strength)
            x, p = moved(rows, x), carried(rows, p)
            if to_keep and i < n:
                keep_step(kept, i, rows)
            if in_cylinders != far_cylinders or in_disks != far_disks:
                way = (far[0] - r[0], far[1] - r[1], far[2] - r[2])
                chord = math.sqrt(dot(way, way))
                sums = (0.0, 0.0, 0.0)
                sums = scattering(
                    sums, cylinders, in_cylinders, far_cylinders, (radius, far_radius), (r[2], far[2]), chord,
                    momentum2, beta2,
                )  # fmt: skip
                sums = scattering(
                    sums, disks, in_disks, far_disks, (r[2], far[2]), (radius, far_radius), chord, momentum2, beta2
                )  # fmt: skip
                p = kicked(p, sums, dot(normal, way), along, turn)
                if losing:
                    # Supports are just outside of their modules, so that it is lost where the way ends.
                    matter = (0.0, 0.0)
                    matter = thickness(
                        matter, cylinders, in_cylinders, far_cylinders, (radius, far_radius), (r[2], far[2]), chord
                    )  # fmt: skip
                    matter = thickness(
                        matter, disks, in_disks, far_disks, (r[2], far[2]), (radius, far_radius), chord
                    )  # fmt: skip
                    share = lost_in(matter, rates)
                    if i == radiates:
                        probability, mean, variance = TAILS[tail]
                        log_prior = math.log(max(probability * (matter[0] + matter[1]), LEAST))
                        share += mean
                        p = _spread(p, q * q * variance)
                    if i < n:
                        x = (x[0], x[1], x[2], x[3], x[4] + q * share)
                    else:
                        w -= w * share
        else:
            p = prior(cholesky, seen, turn, 1.0 if strength != 0 else 0.0)
        if i == n:
            break
        off = (center[0] - r[0], center[1] - r[1], center[2] - r[2])
        measured = (
            off[1] * t[0] - off[0] * t[1], off[2] * sine - (off[0] * t[0] + off[1] * t[1]) * cosine
        )  # fmt: skip
        if to_keep:
            keep_place(kept, i, x, p, measured, seen)
        if status[k] == USED:
            a, b, c, d = factor(cholesky, seen)
            x, p, gain, u, inverse_noise, more = updated(
                x, p, measured, (a * a + b * b, a * c + b * d, c * c + d * d)
            )
            chi2 += more
            if tail >= 0:
                spread -= math.log(inverse_noise[0] * inverse_noise[2] - inverse_noise[1] ** 2)
            if to_keep:
                of_place = ((1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0))
                keep_pair(kept, i, 0, of_place, gain, u, inverse_noise, (a, b, c, d))
            if len(angles) > 0:
                of_hit = (
                    angles[k, 0], angles[k, 1], angles[k, 2], angles[k, 3], angles[k, 4], angles[k, 5], angles[k, 6],
                    angles[k, 7], angles[k, 8],
                )  # fmt: skip
                pair, two, (a, b, c) = _second_pair(
                    of_hit, cholesky, seen, turn, (dot(ex, off), dot(ey, off))
                )
                x, p, gain, u, inverse_noise, more = updated_by_pair(
                    x, p, pair, two, (a * a, a * b, b * b + c * c)
                )
                chi2 += more
                if to_keep:
                    keep_pair(kept, i, 1, pair, gain, u, inverse_noise, (a, 0.0, b, c))
        if i + 1 < n:
            p = behind(p, theta2_behind(sensor / abs(seen[8]), momentum2, beta2))
            if losing:
                share = lost_in((sensor / abs(seen[8]), 0.0), rates)
                x = (x[0], x[1], x[2], x[3], x[4] + q * share)
    out, p, good = at_axis(p, (r, t, sine, cosine, w), strength)
    return chi2, out, p, -1 if good else n, log_prior - 0.5 * (chi2 + spread)
