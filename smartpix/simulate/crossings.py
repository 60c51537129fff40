"""Crossings with broad angles, single or in groups, to train estimates on.

An estimator trained on the angles that occur answers with a posterior: where a cluster says little, the mean
is that of the sample. The cone adds its own prior (beam spot, curvature), so the estimate must carry the
cluster's information
alone: the sample's angles are spread far wider than the resolution and do not depend on where the module is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.geometry import Detector
from smartpix.physics import PION_MASS, SPEED_OF_LIGHT
from smartpix.schema import InputError
from smartpix.simulate.generate import collision_times, vertices
from smartpix.simulate.groups import Groups, draw_groups
from smartpix.simulate.options import AngleOptions, GroupOptions
from smartpix.simulate.particles import Particles
from smartpix.simulate.transport import Crossings

__all__ = ["broad_crossings"]

Floats = npt.NDArray[np.float64]

NOMINAL = BeamSpot()
ALONE = GroupOptions()
BROAD = AngleOptions()
# At 172 mm a track of 0.48 GeV in 3.8 T crosses at 0.2 rad from the radius; tracks from the origin reach the
# disks with tan(theta) up to 0.29. The sample goes well beyond both.
AZIMUTH_WIDTH = 0.25
ENDCAP_WIDTH = 0.3
DEGREES_OF_FREEDOM = 4


def broad_crossings(
    detector: Detector,
    n: int,
    rng: np.random.Generator,
    beam_spot: BeamSpot = NOMINAL,
    groups: GroupOptions = ALONE,
    angles: AngleOptions = BROAD,
) -> Crossings:
    """``n`` pions, each crossing one module at a random point.

    Barrel: flat in the pseudorapidity of the direction up to that of the options, and around the radial
        direction a Student t
    with 4 degrees of freedom of width 0.25 rad. End-caps: cot alpha and cot beta Student t of width 0.3 about
    0. Momenta are log-normal about 0.8 GeV. Each comes at the time at which a particle of its speed would,
    straight from a point of the luminous region. Slopes whose ranges are given are uniform in them instead.

    With groups several pions cross a module close together. Half of the groups fly alike and come from one
    collision, as in the core of a jet; each particle of the others has a direction and a collision of its
    own.

    Raises:
        InputError: the detector has no module in the region that is asked for.
    """
    module = _modules(detector, angles.region, n, rng)
    half = np.stack([detector.half_x, detector.half_y], axis=1)[module]
    local = rng.uniform(-1, 1, (n, 2)) * half
    together = draw_groups(groups, n, rng)
    module, local = module[together.first], local[together.first]
    direction = _directions(detector, module, detector.to_global(module, local), together, angles, rng)
    if groups != ALONE:
        local = _placed(detector, module, local, direction, together, rng)
    point = detector.to_global(module, local)
    # Slow particles ionise more, so that the momenta must vary, too.
    p = np.exp(rng.normal(np.log(0.8), 0.8, n))
    momentum, beta = direction * p[:, None], p / np.hypot(p, PION_MASS)
    return Crossings(
        module=module,
        particle=np.arange(n, dtype=np.int32),
        order=np.zeros(n, dtype=np.int32),
        point=point,
        momentum=momentum,
        beta=beta,
        time=_times(point, beta, beam_spot, together, rng),
        particles=Particles(
            vertex_id=np.arange(1, n + 1, dtype=np.int32),
            pdg_id=np.full(n, 211, dtype=np.int32),
            charge=np.ones(n),
            vertex=point,
            momentum=momentum,
            time=np.zeros(n),
        ),
    )


def _modules(detector: Detector, region: str, n: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """(N,) rows of modules, each as likely."""
    if region == "all":
        return rng.integers(0, len(detector), n).astype(np.int32)
    rows = np.flatnonzero(detector.barrel == (region == "barrel"))
    if not len(rows):
        other = "endcap" if region == "barrel" else "barrel"
        raise InputError(
            f"angles: region is {region} and all {len(detector)} modules are of the {other}; ask for that, or for all"
        )
    return np.asarray(rows[rng.integers(0, len(rows), n)], dtype=np.int32)


def _directions(
    detector: Detector,
    module: npt.NDArray[np.int32],
    point: Floats,
    groups: Groups,
    angles: AngleOptions,
    rng: np.random.Generator,
) -> Floats:
    """(N, 3) unit vectors."""
    n = len(module)
    azimuth = np.clip(AZIMUTH_WIDTH * rng.standard_t(DEGREES_OF_FREEDOM, n), -1.3, 1.3)
    eta = rng.uniform(-angles.max_eta, angles.max_eta, n)
    cots = np.clip(ENDCAP_WIDTH * rng.standard_t(DEGREES_OF_FREEDOM, (n, 2)), -8, 8)
    if groups.options != ALONE:
        (azimuth, eta), cots = (
            groups.directed(np.stack([azimuth, eta], axis=1), rng).T,
            groups.directed(cots, rng),
        )
    azimuth = np.arctan2(point[:, 1], point[:, 0]) + azimuth
    barrel = np.stack([np.cos(azimuth), np.sin(azimuth), np.sinh(eta)], axis=1)
    endcap = detector.direction_to_global(module, np.column_stack([cots, np.ones(n)]))
    direction = np.where(detector.barrel[module][:, None], barrel, endcap)
    if angles.cot_alpha:
        ends = np.array([angles.cot_alpha, angles.cot_beta])
        slopes = groups.directed(rng.uniform(ends[:, 0], ends[:, 1], (n, 2)), rng)
        side = np.sign(detector.direction_to_local(module, direction)[:, 2:])
        direction = detector.direction_to_global(module, side * np.column_stack([slopes, np.ones(n)]))
    return np.asarray(direction / np.linalg.norm(direction, axis=1)[:, None])


def _placed(
    detector: Detector,
    module: npt.NDArray[np.int32],
    local: Floats,
    direction: Floats,
    groups: Groups,
    rng: np.random.Generator,
) -> Floats:
    """(N, 2) local points with the distances within groups, all on the module."""
    flight = detector.direction_to_local(module, direction)
    cots = flight[:, :2] / flight[:, 2:]
    pitch = np.stack([detector.pitch_x, detector.pitch_y], axis=1)[module]
    half = np.stack([detector.half_x, detector.half_y], axis=1)[module]
    away = groups.offsets(cots, pitch, detector.thickness[module], rng)
    # What would lie beyond an edge lies on the other side of the first particle.
    placed = np.where(np.abs(local + away) > half, local - away, local + away)
    return np.clip(placed, -half, half)


def _times(
    point: Floats, beta: Floats, beam_spot: BeamSpot, groups: Groups, rng: np.random.Generator
) -> Floats:
    """(N,) ns of crossings at points."""
    if beam_spot.sigma_t == 0:
        # Nothing is drawn, so that all else is as it was before there were times.
        return np.asarray(np.linalg.norm(point, axis=1) / beta / SPEED_OF_LIGHT)
    collision = np.where(groups.alike, groups.first, np.arange(len(beta)))
    vertex = vertices(beam_spot, len(beta), rng)[collision]
    flight = np.linalg.norm(point - vertex, axis=1) / beta / SPEED_OF_LIGHT
    return np.asarray(collision_times(beam_spot, len(beta), rng)[collision] + flight)
