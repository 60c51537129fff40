"""From DeepCore's seeds to tracks: the nearest hit in the cone on each layer, one layer after the other.

A seed is a hit of the reference layer with wide uncertainties. Its cone is that of any hit
(:mod:`seeding.cones`); what it picks on one layer narrows it for the next, by a Kalman update (R. Fruehwirth,
NIM A 262 (1987) 444). Tracks may share hits: clusters merge in a jet's core.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seeding.cones import Cones, make_cones, to_cylinder, to_plane
from seeding.hits import Hits
from seeding.options import ConeOptions
from seeding.table import scattering_constant
from smartpix.estimate.base import Estimate
from smartpix.geometry import Detector
from smartpix.physics import CURVATURE_PER_TESLA
from tracking.finders.deepcore.options import DeepCoreOptions
from tracking.finders.deepcore.seeds import CoreSeeds
from tracking.finders.deepcore.windows import REFERENCE

__all__ = ["follow_seeds", "seed_cones"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SAFETY = 1.5
"""A seed's curvature may be larger than its pT says by this factor, as one standard deviation."""
MARGIN = 2.0
"""mm around a cone on the layer's mean radius, beyond which no hit of the layer is looked at closely: modules
stand off that radius.
"""


def seed_cones(
    seeds: CoreSeeds, detector: Detector, field: float, options: DeepCoreOptions, cone: ConeOptions
) -> Cones:
    """Helices of seeds, with the fixed uncertainties of position and slopes, from the luminous region.

    Curvatures of either sign are as likely, up to that of the seed's pT. Seeds of an octave of pT have that
    of its lower end.
    """
    n, cuts = len(seeds), options.seeds
    sigma = np.array([cuts.sigma_position] * 2 + [cuts.sigma_angle] * 2)
    mean = np.column_stack([seeds.point, seeds.slopes(detector)])
    hits = Hits(
        np.arange(n, dtype=np.int64), seeds.module.astype(np.int32), detector.layer_index[seeds.module],
        detector.to_global(seeds.module, seeds.point), Estimate(mean, np.tile(np.diag(sigma), (n, 1, 1))),
        np.ascontiguousarray(np.swapaxes(detector.axes[seeds.module], 1, 2)).reshape(n, 9),
    )  # fmt: skip
    octave = np.floor(np.log2(seeds.pt / SAFETY)).astype(np.int64)
    parts, order = [np.zeros(0, dtype=np.int64)], []
    for power in np.unique(octave):
        rows = np.flatnonzero(octave == power)
        parts.append(rows)
        order.append(make_cones(hits.take(rows), field, replace(cone, curvature_pt=float(2.0**power))))
    back = np.argsort(np.concatenate(parts), kind="stable")
    if not order:
        return make_cones(hits, field, cone)
    names = ("position", "axes", "psi", "cot_theta", "curvature", "covariance")
    return Cones(*(np.concatenate([getattr(part, name) for part in order])[back] for name in names))


def follow_seeds(
    seeds: CoreSeeds,
    hits: Hits,
    layers: Ints,
    detector: Detector,
    field: float,
    options: DeepCoreOptions,
    cone: ConeOptions,
) -> Ints:
    """Rows of the hits that each seed picks on each layer.

    Args:
        hits: of the jets, or all; layers: (4,) rows of the detector's layers, the innermost first.

    Returns:
        (S, 4) rows of ``hits``, -1 where the cone has none.
    """
    picked = np.full((len(seeds), len(layers)), -1, dtype=np.int64)
    cones = seed_cones(seeds, detector, field, options, cone)
    gate = replace(cone, quantile=options.quantile).gate() ** 2
    scatter = scattering_constant(field, cone.radiation_length)
    stiffest = CURVATURE_PER_TESLA * abs(field) / seeds.pt
    own = np.array([options.sigma_hit, options.sigma_hit]) ** 2
    # The seed's own layer first: its hit is far better known than the seed.
    for k in (REFERENCE, *(k for k in range(len(layers)) if k != REFERENCE)):
        on_layer = np.flatnonzero(hits.layer == layers[k])
        seed, hit = _near(cones, hits, on_layer, detector.layers.radius[layers[k]])
        if not len(seed):
            continue
        target = hits.axes[hit].reshape(-1, 3, 3)
        at = to_plane(_rows(cones, seed), hits.position[hit], target)
        # Material turned it in the reference layer. Of what is measured since, the cone knows nothing.
        theta2 = scatter * stiffest[seed] ** 2 / (1 + cones.cot_theta[seed] ** 2)
        turned = theta2 * at.path**2 * (1 + cones.cot_theta[seed] ** 2)
        factor = hits.estimate.cholesky[hit][:, :2, :2]
        noise = factor @ np.swapaxes(factor, 1, 2)
        noise[:, 0, 0] += own[0] + turned * (1 + cones.cot_theta[seed] ** 2)
        noise[:, 1, 1] += own[1] + turned
        total = np.linalg.inv(at.covariance + noise)
        # The planes' points are the hits themselves.
        chi2 = np.einsum("ni,nij,nj->n", at.local, total, at.local)
        reached = np.abs(np.einsum("ni,ni->n", at.point - hits.position[hit], target[:, 2])) < 1e-6
        chi2 = np.where(reached & (chi2 < gate), chi2, np.inf)
        order = np.lexsort((chi2, seed))
        which, first = np.unique(seed[order], return_index=True)
        best = order[first]
        good = np.isfinite(chi2[best])
        which, best = which[good], best[good]
        picked[which, k] = hit[best]
        gain = cones.covariance[which] @ np.swapaxes(at.jacobian[best], 1, 2) @ total[best]
        cones = _updated(cones, which, gain, -at.local[best], at.jacobian[best])
    return picked


def _near(cones: Cones, hits: Hits, rows: Ints, radius: float) -> tuple[Ints, Ints]:
    """Pairs of cones and hits (of ``rows``, on one layer) that may belong together: rows of both."""
    at = to_cylinder(cones, radius)
    x, y, z = hits.position[rows].T
    across = (np.arctan2(y, x)[None, :] - at.local[:, :1] / radius + np.pi) % (2 * np.pi) - np.pi
    width = 6 * np.sqrt(np.einsum("nii->ni", at.covariance)) + MARGIN
    near = np.abs(across) * radius < width[:, :1]
    near &= np.abs(z[None, :] - at.local[:, 1:]) < width[:, 1:] + MARGIN * np.abs(cones.cot_theta[:, None])
    seed, hit = np.nonzero(near)
    return seed, rows[hit]


def _rows(cones: Cones, rows: Ints) -> Cones:
    return Cones(
        cones.position[rows], cones.axes[rows], cones.psi[rows], cones.cot_theta[rows], cones.curvature[rows],
        cones.covariance[rows],
    )  # fmt: skip


def _updated(cones: Cones, rows: Ints, gain: Floats, residual: Floats, jacobian: Floats) -> Cones:
    """Cones of which those of ``rows`` know one hit more."""
    step = np.einsum("nij,nj->ni", gain, residual)
    position, psi, cot_theta = cones.position.copy(), cones.psi.copy(), cones.cot_theta.copy()
    curvature, covariance = cones.curvature.copy(), cones.covariance.copy()
    position[rows] += np.einsum("ni,nij->nj", step[:, :2], cones.axes[rows, :2])
    psi[rows] += step[:, 2]
    cot_theta[rows] += step[:, 3]
    curvature[rows] += step[:, 4]
    covariance[rows] -= gain @ jacobian @ covariance[rows]
    covariance[rows] = 0.5 * (covariance[rows] + np.swapaxes(covariance[rows], 1, 2))
    return Cones(position, cones.axes, psi, cot_theta, curvature, covariance)
