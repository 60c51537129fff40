"""Where each hit's particle goes next: estimate and priors to a cone.

The state at a hit is (cot theta, curvature). The beam line ties the transverse direction to the curvature: on a circle
through the beam line with signed curvature k, counter-clockwise positive, the direction at radius r is
``phi + asin(k r / 2)``. Priors are measurements with widths: the luminous region gives cot theta = z / r with
sigma_z0 / r, and the curvature is 0 within that of a track of ``curvature_pt``. The estimate (cot alpha, cot beta) updates
this state as in a Kalman filter (R. Fruehwirth, NIM A 262 (1987) 444), linearised at the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from seeding.hits import Hits
from seeding.kernels import CURVATURE_PER_TESLA, update_cones
from smartpix.schema import check

__all__ = ["ConeOptions", "Cones", "make_cones"]

Floats = npt.NDArray[np.float64]

N_JOINT = 6
"""Degrees of freedom of the joint test: two slopes at each end, z0, curvature."""


@dataclass(frozen=True)
class ConeOptions:
    """How wide the cones are.

    Attributes:
        quantile: share of true next hits a cone should hold.
        sigma_z0: width of the luminous region in z, mm.
        sigma_d0: width of the transverse impact parameter, mm: beam spot and scattering in the beam pipe.
        curvature_pt: width of the curvature prior as the pT (GeV) of a track with that curvature.
        radiation_length: material of a layer in radiation lengths, for multiple scattering.
        sigma_scale: factor on the estimates' covariance factor; 1 trusts them.
        max_edges: an event with more edges is refused.
    """

    quantile: float = 0.997
    sigma_z0: float = 50.0
    sigma_d0: float = 0.05
    curvature_pt: float = 1.0
    radiation_length: float = 0.03
    sigma_scale: float = 1.0
    max_edges: int = 20_000_000

    def __post_init__(self) -> None:
        check("cone", "quantile", self.quantile, 0 < self.quantile < 1, "between 0 and 1")
        for name in ("sigma_z0", "curvature_pt", "sigma_scale"):
            check("cone", name, getattr(self, name), 0 < getattr(self, name) < np.inf, "positive")
        for name in ("sigma_d0", "radiation_length"):
            check("cone", name, getattr(self, name), 0 <= getattr(self, name) < np.inf, "0 or more")
        check("cone", "max_edges", self.max_edges, self.max_edges > 0, "positive")

    def gate(self) -> float:
        """Half width of a cone in standard deviations: both coordinates of the target layer."""
        return float(np.sqrt(chi2.ppf(self.quantile, 2)))

    def joint_cut(self) -> float:
        """Largest chi2 of the joint test."""
        return float(chi2.ppf(self.quantile, N_JOINT))


@dataclass(frozen=True)
class Cones:
    """Predicted states of N hits.

    Attributes:
        cot_theta, curvature: (N,) posterior means; curvature in 1/mm.
        covariance: (N, 3) of the two: cc, ck, kk.
    """

    cot_theta: Floats
    curvature: Floats
    covariance: Floats


def make_cones(hits: Hits, field: float, options: ConeOptions) -> Cones:
    """Cones of all hits.

    Args:
        field: along z in T; its sign does not matter, the prior is symmetric.
    """
    sigma_curvature = max(abs(field), 1e-3) * CURVATURE_PER_TESLA / options.curvature_pt
    state = update_cones(
        hits.position, hits.axes, hits.cot, hits.cot_covariance * options.sigma_scale**2,
        options.sigma_z0, options.sigma_d0, sigma_curvature,
    )  # fmt: skip
    return Cones(state[:, 0].copy(), state[:, 1].copy(), np.ascontiguousarray(state[:, 2:]))
