"""Single crossings with broad angles, to train estimates on.

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
from smartpix.simulate.generate import collision_times, vertices
from smartpix.simulate.particles import Particles
from smartpix.simulate.transport import Crossings

__all__ = ["broad_crossings"]

Floats = npt.NDArray[np.float64]

NOMINAL = BeamSpot()
MAX_ETA = 3.3
# At 172 mm a track of 0.48 GeV in 3.8 T crosses at 0.2 rad from the radius; tracks from the origin reach the
# disks with tan(theta) up to 0.29. The sample goes well beyond both.
AZIMUTH_WIDTH = 0.25
ENDCAP_WIDTH = 0.3
DEGREES_OF_FREEDOM = 4


def broad_crossings(
    detector: Detector, n: int, rng: np.random.Generator, beam_spot: BeamSpot = NOMINAL
) -> Crossings:
    """``n`` pions, each crossing one module at a random point.

    Barrel: flat in the pseudorapidity of the direction up to 3.3, and around the radial direction a Student t
    with 4 degrees of freedom of width 0.25 rad. End-caps: cot alpha and cot beta Student t of width 0.3 about
    0. Momenta are log-normal about 0.8 GeV. Each comes at the time at which a particle of its speed would,
    straight from a point of the luminous region.
    """
    module = rng.integers(0, len(detector), n).astype(np.int32)
    half = np.stack([detector.half_x, detector.half_y], axis=1)[module]
    local = rng.uniform(-1, 1, (n, 2)) * half
    point = detector.to_global(module, local)
    phi = np.arctan2(point[:, 1], point[:, 0])
    azimuth = phi + np.clip(AZIMUTH_WIDTH * rng.standard_t(DEGREES_OF_FREEDOM, n), -1.3, 1.3)
    eta = rng.uniform(-MAX_ETA, MAX_ETA, n)
    barrel = np.stack([np.cos(azimuth), np.sin(azimuth), np.sinh(eta)], axis=1)
    cots = np.clip(ENDCAP_WIDTH * rng.standard_t(DEGREES_OF_FREEDOM, (n, 2)), -8, 8)
    endcap = detector.direction_to_global(module, np.column_stack([cots, np.ones(n)]))
    direction = np.where(detector.barrel[module][:, None], barrel, endcap)
    direction /= np.linalg.norm(direction, axis=1)[:, None]
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
        time=_times(point, beta, beam_spot, rng),
        particles=Particles(
            vertex_id=np.arange(1, n + 1, dtype=np.int32),
            pdg_id=np.full(n, 211, dtype=np.int32),
            charge=np.ones(n),
            vertex=point,
            momentum=momentum,
            time=np.zeros(n),
        ),
    )


def _times(point: Floats, beta: Floats, beam_spot: BeamSpot, rng: np.random.Generator) -> Floats:
    """(N,) ns of crossings at points."""
    if beam_spot.sigma_t == 0:
        # Nothing is drawn, so that all else is as it was before there were times.
        return np.asarray(np.linalg.norm(point, axis=1) / beta / SPEED_OF_LIGHT)
    vertex = vertices(beam_spot, len(beta), rng)
    flight = np.linalg.norm(point - vertex, axis=1) / beta / SPEED_OF_LIGHT
    return np.asarray(collision_times(beam_spot, len(beta), rng) + flight)
