"""Helix parameters of tracks: a circle in the transverse plane, a line in path length and z.

The circle is V. Karimaki's non-iterative fit (NIM A 305 (1991) 187). Parameters are those of ACTS and ATLAS at the z axis:
the point of closest approach is d0 * (-sin phi, cos phi).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from seeding.hits import Hits
from seeding.kernels import CURVATURE_PER_TESLA
from smartpix.geometry import Detector
from tracking.build import Tracks

__all__ = ["Helices", "fit_tracks"]


@dataclass(frozen=True)
class Helices:
    """Fitted parameters of T tracks: d0, z0 (mm), phi, theta (rad), qop (1/GeV), chi2, ndf; each (T,)."""

    d0: npt.NDArray[np.float64]
    z0: npt.NDArray[np.float64]
    phi: npt.NDArray[np.float64]
    theta: npt.NDArray[np.float64]
    qop: npt.NDArray[np.float64]
    chi2: npt.NDArray[np.float64]
    ndf: npt.NDArray[np.int64]


def fit_tracks(hits: Hits, tracks: Tracks, detector: Detector, field: float) -> Helices:
    """Fit all tracks of an event.

    Position uncertainties are the estimates'; multiple scattering is not in the fit, so that chi2 is for comparing tracks, not
    for probabilities.

    Args:
        field: along z in T, signed; 0 gives qop = 0.
    """
    sigma = hits.estimate.sigma()
    barrel = detector.barrel[hits.module]
    # x runs along z in the barrel and along r in the end-caps, y across.
    fitted = _fit(
        hits.position, np.ascontiguousarray(sigma[:, 1]), np.ascontiguousarray(sigma[:, 0]), barrel, tracks.hits, tracks.start
    )
    curvature, phi, d0, cot_theta, z0, chi2 = fitted.T
    theta = np.arctan2(1.0, cot_theta)
    strength = field * CURVATURE_PER_TESLA
    # Positive charge turns clockwise in a field along +z. qop = q / (pT / sin theta).
    qop = -curvature / strength * np.sin(theta) if strength != 0 else np.zeros_like(curvature)
    return Helices(d0, z0, phi, theta, qop, chi2, 2 * np.diff(tracks.start) - 5)


@njit(cache=True, nogil=True)
def _fit(position: Any, sigma_across: Any, sigma_along: Any, barrel: Any, rows: Any, start: Any) -> Any:
    n_tracks = len(start) - 1
    out = np.empty((n_tracks, 6))
    for t in range(n_tracks):
        first, last = start[t], start[t + 1]
        # Weighted moments about the weighted mean; r^2 from the beam line.
        w = mx = my = mr = 0.0
        for k in range(first, last):
            h = rows[k]
            wk = 1.0 / sigma_across[h] ** 2
            x, y = position[h, 0], position[h, 1]
            w += wk
            mx += wk * x
            my += wk * y
            mr += wk * (x * x + y * y)
        mx, my, mr = mx / w, my / w, mr / w
        cxx = cxy = cyy = cxr = cyr = crr = 0.0
        for k in range(first, last):
            h = rows[k]
            wk = 1.0 / sigma_across[h] ** 2 / w
            x, y = position[h, 0] - mx, position[h, 1] - my
            r2 = position[h, 0] ** 2 + position[h, 1] ** 2 - mr
            cxx += wk * x * x
            cxy += wk * x * y
            cyy += wk * y * y
            cxr += wk * x * r2
            cyr += wk * y * r2
            crr += wk * r2 * r2
        q1 = crr * cxy - cxr * cyr
        q2 = crr * (cxx - cyy) - cxr * cxr + cyr * cyr
        phi = 0.5 * math.atan2(2 * q1, q2)
        s, c = math.sin(phi), math.cos(phi)
        kappa = (s * cxr - c * cyr) / crr if crr > 0 else 0.0
        delta = -kappa * mr + s * mx - c * my
        # The direction must point from the first hit to the last.
        hf, hl = rows[first], rows[last - 1]
        if (position[hl, 0] - position[hf, 0]) * c + (position[hl, 1] - position[hf, 1]) * s < 0:
            s, c, kappa, delta, phi = -s, -c, -kappa, -delta, phi + math.pi
        root = math.sqrt(max(1.0 - 4 * delta * kappa, 1e-9))
        rho = 2 * kappa / root
        d = 2 * delta / (1 + root)
        # Karimaki: rho > 0 turns clockwise, d = x sin(phi) - y cos(phi) at the closest approach.
        curvature, d0 = -rho, -d
        x0, y0 = -d0 * s, d0 * c
        # Line in (path, z): a barrel hit measures z, a disk hit the radius, i.e. z within sigma * |cot theta|.
        slope = (position[hl, 2] - position[hf, 2]) / max(
            math.hypot(position[hl, 0] - position[hf, 0], position[hl, 1] - position[hf, 1]), 1e-3
        )
        sw = ss = sz = sss = ssz = szz = 0.0
        chi2 = 0.0
        for k in range(first, last):
            h = rows[k]
            dx, dy = position[h, 0] - x0, position[h, 1] - y0
            chord = math.hypot(dx, dy)
            if dx * c + dy * s < 0:
                chord = -chord
            half = 0.5 * curvature * chord
            path = chord * (math.asin(min(max(half, -0.999), 0.999)) / half if abs(half) > 1e-6 else 1.0)
            sigma = sigma_along[h] if barrel[h] else max(sigma_along[h] * abs(slope), 1e-4)
            wk = 1.0 / sigma**2
            z = position[h, 2]
            sw += wk
            ss += wk * path
            sz += wk * z
            sss += wk * path * path
            ssz += wk * path * z
            szz += wk * z * z
            # Transverse residual to the circle (signed distance, exact to first order in 1 / R).
            u = dx * s - dy * c
            distance = u + 0.5 * curvature * chord * chord
            chi2 += (distance / sigma_across[h]) ** 2
        det = sw * sss - ss * ss
        cot_theta = (sw * ssz - ss * sz) / det if det > 0 else slope
        z0 = (sz - cot_theta * ss) / sw
        chi2 += max(szz - 2 * z0 * sz - 2 * cot_theta * ssz + z0 * z0 * sw + 2 * z0 * cot_theta * ss + cot_theta**2 * sss, 0.0)
        phi = math.atan2(s, c)
        out[t, 0], out[t, 1], out[t, 2] = curvature, phi, d0
        out[t, 3], out[t, 4], out[t, 5] = cot_theta, z0, chi2
    return out
