"""The search written down once more, in double precision and over all pairs of hits, from the definitions
alone.

Circles come from the circumcentre, directions from tangents, derivatives by the azimuth from finite
differences; nothing here calls the code under test. The search itself keeps positions, radii and weights in
single precision, so an edge may differ only where steps of single precision in what it reads move its chi2
over the cut: :func:`all_edges` gives the least and the largest chi2 within such steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PER_TESLA = 0.299792458e-3
STEP = 2.0**-23
"""One step of single precision, relative."""
GAP_MARGIN, DISK_OVERLAP, OUTWARDS, MOST_BENT = 0.8, 20.0, 1e-3, 0.98


@dataclass(frozen=True)
class Search:
    """What is looked for: widths in mm, momentum in GeV, field in T, largest chi2; material in radiation
    lengths.

    ``slopes`` False leaves the directions out, as the reference window does.
    """

    cut: float
    sigma_z0: float
    sigma_d0: float
    min_pt: float
    field: float
    radiation_length: float = 0.0
    sigma_scale: float = 1.0
    slopes: bool = True
    steepest: float = np.inf

    @property
    def curvature(self):
        return max(abs(self.field), 1e-3) * PER_TESLA / self.min_pt


def circle(a, b):
    """Signed curvature, arcs and directions at two points (E, 2) of the circles through them and the origin.

    The centre lies on the perpendicular bisectors of both chords from the origin.
    """
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    aa, bb = (a**2).sum(axis=1), (b**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.stack([b[:, 1] * aa - a[:, 1] * bb, a[:, 0] * bb - b[:, 0] * aa], axis=1) / (
            2 * cross[:, None]
        )
        curvature = np.sign(cross) / np.linalg.norm(centre, axis=1)
    curvature = np.where(np.isfinite(curvature), curvature, 0.0)
    arcs, directions = [], []
    for p, length2 in ((a, aa), (b, bb)):
        chord = np.sqrt(length2)
        half = np.arcsin(np.clip(np.abs(curvature) * chord / 2, 0, 1))
        arcs.append(np.where(half > 1e-7, 2 * half / np.where(curvature == 0, 1, np.abs(curvature)), chord))
        directions.append(np.arctan2(p[:, 1], p[:, 0]) + np.sign(curvature) * half)
    return curvature, arcs, directions


def covariances(hits, search):
    """(N, 2, 2) of the slopes: the estimates' and scattering of the softest track; (N, 2) what d0 adds in one
    direction.
    """
    # Those on the beam line are no candidates.
    radius = np.maximum(np.hypot(hits.position[:, 0], hits.position[:, 1]), OUTWARDS)
    axes, phi = hits.axes.reshape(-1, 3, 3), np.arctan2(hits.position[:, 1], hits.position[:, 0])
    aa, ab, bb = hits.cot_covariance.T * search.sigma_scale**2
    total = np.stack([np.stack([aa, ab], axis=1), np.stack([ab, bb], axis=1)], axis=1)
    ray = hits.position[:, 2] / radius
    momentum = search.min_pt * np.hypot(1, ray)
    theta2 = (0.0136 / momentum) ** 2 * search.radiation_length
    a, b = hits.cot.T
    plane = np.stack([np.stack([1 + a * a, a * b], axis=1), np.stack([a * b, 1 + b * b], axis=1)], axis=1)
    total = total + (theta2 * (1 + a * a + b * b))[:, None, None] * plane
    spread = np.minimum(search.sigma_d0 / radius, 1.0)
    # d/d(phi) of u / w; where the ray runs along the module within 1e-3, as if it did not.
    direction = np.stack([np.cos(phi), np.sin(phi), ray], axis=1)
    sideways = np.stack([-np.sin(phi), np.cos(phi), np.zeros_like(phi)], axis=1)
    at, moved = (np.einsum("nij,nj->ni", axes, v) for v in (direction, sideways))
    w = np.where(np.abs(at[:, 2]) < 1e-3, 1e-3, at[:, 2])
    turned = (moved[:, :2] / w[:, None] - at[:, :2] * (moved[:, 2] / w**2)[:, None]) * spread[:, None]
    return total, turned


def doubt(condition, margin, good, doubtful):
    """``condition`` > 0 must hold: False where it does not by more than ``margin``, doubtful within."""
    return good & (condition > -margin), doubtful | (np.abs(condition) <= margin)


def candidates(hits, detector, pairs):
    """Rows i, j (E,) and layer pair of all pairs of hits on paired layers that point outwards and pass the
    gap.

    And which of them (E,) do so within rounding only.
    """
    layers, position = detector.layers, hits.position
    radius = np.hypot(position[:, 0], position[:, 1])
    found = [np.zeros((4, 0), dtype=int)]
    for p, (inner, outer, skipped) in enumerate(zip(pairs.inner, pairs.outer, pairs.skipped, strict=True)):
        i, j = (
            m.ravel()
            for m in np.meshgrid(*(np.flatnonzero(hits.layer == k) for k in (inner, outer)), indexing="ij")
        )
        r_i, r_j, z_i, z_j = radius[i], radius[j], position[i, 2], position[j, 2]
        step = 4 * STEP * (r_i + r_j)
        good, doubtful = doubt(
            r_j - r_i - OUTWARDS, step, np.ones(len(i), dtype=bool), np.zeros(len(i), dtype=bool)
        )
        good, doubtful = doubt(r_i - OUTWARDS, step, good, doubtful)
        outwards = ((position[j, :2] - position[i, :2]) * position[i, :2]).sum(axis=1)
        good, doubtful = doubt(outwards, 8 * STEP * r_i * (r_i + r_j), good, doubtful)
        if inner == outer and not layers.barrel[outer]:
            good, doubtful = doubt(DISK_OVERLAP - (r_j - r_i), step, good, doubtful)
        if skipped >= 0:
            ahead, dz = layers.z[skipped] - z_i, z_j - z_i
            high = 4 * STEP * (np.abs(z_i) + np.abs(z_j) + abs(layers.z[skipped]))
            good, doubtful = doubt(ahead * dz, high * (np.abs(ahead) + np.abs(dz)), good, doubtful)
            with np.errstate(divide="ignore", invalid="ignore"):
                lever = (r_j - r_i) * ahead / dz
                step = step + (
                    np.abs(r_j - r_i) * high * (1 + np.abs(ahead / dz)) + step * np.abs(ahead)
                ) / np.abs(dz)
            for condition in (
                r_i + lever - layers.gap_low[skipped] + GAP_MARGIN,
                layers.gap_high[skipped] + GAP_MARGIN - r_i - lever,
            ):
                good, doubtful = doubt(condition, step, good, doubtful)
        found.append(np.stack([i, j, np.full(len(i), p), doubtful])[:, good])
    i, j, pair, doubtful = np.concatenate(found, axis=1)
    return i, j, pair, doubtful.astype(bool)


def joint_chi2(a, b, i, j, hits, total, search, longer=0.0):
    """(E,) chi2 of pairs at points a, b (E, 3), and half the largest turn as a sine squared.

    Args:
        longer: how much longer (mm) the path between them is made.
    """
    curvature, arcs, directions = circle(a[:, :2], b[:, :2])
    r_i, r_j = np.hypot(a[:, 0], a[:, 1]), np.hypot(b[:, 0], b[:, 1])
    slope = (b[:, 2] - a[:, 2]) / (arcs[1] - arcs[0] + longer)
    beyond = np.maximum(np.abs(curvature) - search.curvature, 0) / (
        2 * max(search.sigma_d0, 1e-6) / (r_i * r_j)
    )
    chi2 = beyond**2 + ((a[:, 2] - slope * arcs[0]) / search.sigma_z0) ** 2
    rounding = STEP * (beyond * np.abs(curvature) * r_i * r_j / max(search.sigma_d0, 1e-6) + 8 * chi2)
    for h, azimuth in ((i, directions[0]), (j, directions[1])) if search.slopes else ():
        axes = hits.axes.reshape(-1, 3, 3)[h]
        direction = np.stack([np.cos(azimuth), np.sin(azimuth), slope], axis=1)
        local, sizes = (
            np.einsum("eij,ej->ei", axes, direction),
            np.einsum("eij,ej->ei", np.abs(axes), np.abs(direction)),
        )
        expected = local[:, :2] / local[:, 2:]
        residual, covariance, free = hits.cot[h] - expected, total[0][h], total[1][h]
        # d0 as a free parameter with its own width, which no size of it can make inaccurate.
        solved = np.linalg.solve(covariance, np.stack([residual, free], axis=2))
        part = (free * solved[:, :, 0]).sum(axis=1) / (1 + (free * solved[:, :, 1]).sum(axis=1))
        left = residual - part[:, None] * free
        pull = solved[:, :, 0] - part[:, None] * solved[:, :, 1]
        chi2 = chi2 + (left * pull).sum(axis=1) + part**2
        # What single precision does to the slopes of the edge on the module, and to the difference with the
        # hit's.
        size = np.abs(hits.cot[h]) + (sizes[:, :2] + np.abs(expected) * sizes[:, 2:]) / np.abs(local[:, 2:])
        aa, ab = covariance[:, 0, 0] + free[:, 0] ** 2, covariance[:, 0, 1] + free[:, 0] * free[:, 1]
        size[:, 1] += np.abs(ab / aa) * size[:, 0]
        # 1 / sigma of the one, and of the other at known one.
        weight = np.stack(
            [
                1 / np.sqrt(aa),
                np.sqrt(aa / (np.linalg.det(covariance) * (1 + (free * solved[:, :, 1]).sum(axis=1)))),
            ],
            1,
        )
        rounding = (
            rounding
            + 4 * STEP * ((np.abs(pull) * size).sum(axis=1) + chi2)
            + ((4 * STEP * size * weight) ** 2).sum(axis=1)
        )
    return chi2, rounding, np.square(curvature * r_j / 2)


def steepness(a, b):
    """Absolute slopes (E,) along the beam of pairs at points a, b (E, 3), and what rounding may do to them."""
    _, arcs, _ = circle(a[:, :2], b[:, :2])
    path = np.maximum(arcs[1] - arcs[0], 1e-12)
    slope = np.abs(b[:, 2] - a[:, 2]) / path
    return slope, 8 * STEP * (
        np.abs(a[:, 2]) + np.abs(b[:, 2]) + slope * (arcs[0] + arcs[1])
    ) / path + 1e-5 * slope


def all_edges(hits, detector, pairs, search):
    """Edges by (i, j, layer pair): those that are certain, and those that rounding decides."""
    i, j, pair, doubtful = candidates(hits, detector, pairs)
    total = covariances(hits, search)
    points = [hits.position[i], hits.position[j]]
    with np.errstate(all="ignore"):
        chi2, rounding, bent = joint_chi2(*points, i, j, hits, total, search)
        for end in range(2):
            for axis in range(3):
                moved = [p.copy() for p in points]
                moved[end][:, axis] += STEP * np.abs(moved[end][:, axis])
                rounding += 2 * np.abs(joint_chi2(*moved, i, j, hits, total, search)[0] - chi2)
        # Radii are single, too, and arc sines of large arguments have a series of four terms.
        r = np.hypot(points[0][:, 0], points[0][:, 1]) + np.hypot(points[1][:, 0], points[1][:, 1])
        longer = r * (STEP + np.where(bent > 0.02, 3e-6, 1e-7))
        rounding += 2 * np.abs(joint_chi2(*points, i, j, hits, total, search, longer)[0] - chi2)
    doubtful |= np.abs(bent - MOST_BENT) < 1e-5
    doubtful |= ~np.isfinite(rounding)
    with np.errstate(invalid="ignore"):
        certain = (chi2 + rounding <= search.cut) & (bent <= MOST_BENT) & ~doubtful
        possible = ((chi2 - rounding <= search.cut) | ~np.isfinite(rounding)) & (bent <= MOST_BENT + 1e-5)
    slope, margin = steepness(*points)
    certain &= slope < search.steepest - margin
    possible &= slope < search.steepest + margin
    keys = list(zip(i.tolist(), j.tolist(), pair.tolist(), strict=True))
    return {k for k, c in zip(keys, certain, strict=True) if c}, {
        k for k, c in zip(keys, possible, strict=True) if c
    }


@dataclass(frozen=True)
class Kinks:
    """Pairs of edges (K,) that share a hit: rows, middle hit, and three numbers with what rounding may do to
    each.

    ``chi2`` is the kink's with the search's impact parameter allowed and ``wide`` with another; ``impact`` in
    mm is the impact parameter, positive to the right of the track.
    """

    before: np.ndarray
    after: np.ndarray
    middle: np.ndarray
    chi2: np.ndarray
    rounding: np.ndarray
    wide: np.ndarray
    wide_rounding: np.ndarray
    impact: np.ndarray
    impact_rounding: np.ndarray


def kinks_of(hits, edges, search, wide_d0):
    """Kinks of all pairs of edges, by moving the three hits as scattering, impact parameter and errors do."""
    before, after = np.nonzero(edges.target[:, None] == edges.source[None, :])
    radius = np.maximum(np.hypot(hits.position[:, 0], hits.position[:, 1]), 1.0)
    rows = [edges.source[before], edges.target[before], edges.target[after]]
    at = np.array([radius[r] for r in rows]).reshape(3, -1)

    def numbers(r):
        """(3, K): chi2 with the search's impact parameter and with the wide one, and the impact parameter."""

        def bend(moved):
            """Change of the difference of both curvatures: a circle through the beam line has phi = phi_0 + k
            r / 2.
            """
            inner, outer = (
                2 * (moved[k + 1] / r[k + 1] - moved[k] / r[k]) / (r[k + 1] - r[k]) for k in range(2)
            )
            return inner - outer

        k = (edges.curvature[before].astype(float) + edges.curvature[after]) / 2
        kink = edges.curvature[before].astype(float) - edges.curvature[after]
        c, c_after = edges.cot_theta[before].astype(float), edges.cot_theta[after].astype(float)
        per_pt = max(abs(search.field), 1e-3) * PER_TESLA
        inverse_momentum = (
            np.full(len(k), 1 / search.min_pt) if search.field == 0 else k / per_pt
        ) / np.hypot(1, c)
        theta = 0.0136 * np.sqrt(search.radiation_length) * inverse_momentum
        turn, rise = theta * np.hypot(1, c), theta * (1 + c * c)
        scattered = (bend([0 * turn, turn * (r[1] - r[0]), turn * (r[2] - r[0])])) ** 2
        scattered += (bend([0 * turn, 0 * turn, turn * (r[2] - r[1])])) ** 2 + 1e-14
        sigma = hits.estimate.cholesky[:, 0, 0]
        upright = np.abs(hits.axes[:, 8]) < np.sqrt(0.5)
        errors = []
        for which, slope, (first, last) in ((0, c, (0, 1)), (1, c_after, (1, 2))):
            lever = np.maximum(r[last] - r[first], 1.0)
            errors.append(
                [
                    np.where(upright[rows[h]], 1, np.abs(slope)) * sigma[rows[h]] / lever
                    for h in (which, which + 1)
                ]
            )
        along = errors[0][0] ** 2 + (errors[0][1] + errors[1][0]) ** 2 + errors[1][1] ** 2 + rise**2
        displaced = [
            (c - c_after) ** 2 / along + kink**2 / (scattered + bend(np.full((3, 1), d0)) ** 2)
            for d0 in (search.sigma_d0, wide_d0)
        ]
        # To the right the azimuths are less.
        per_mm = bend(np.full((3, 1), -1.0))
        return np.stack([*displaced, kink * per_mm / (per_mm**2 + 1e-14)])

    exact = numbers(at)
    rounding = 2e-5 * np.abs(exact)
    for k in range(3):
        moved = at.copy()
        moved[k] *= 1 + STEP
        rounding = rounding + 4 * np.abs(numbers(moved) - exact)
    columns = np.stack([exact, rounding], axis=1).reshape(6, -1)
    return Kinks(before, after, rows[1], *columns)
