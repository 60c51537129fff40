"""Tracks of the embedded sample beside their truth."""

import awkward as ak
import numpy as np

from tracking import metrics

PARAMETERS = ("d0", "z0", "phi", "theta", "qop")


def true_parameters(particles):
    """(P, 5) at the closest approach to the z axis, of particles from near it."""
    x, y, z, px, py, pz, charge = (
        ak.to_numpy(particles[n]).astype(float) for n in ("vx", "vy", "vz", "px", "py", "pz", "charge")
    )
    phi, pt = np.arctan2(py, px), np.hypot(px, py)
    along = x * np.cos(phi) + y * np.sin(phi)
    return np.column_stack([
        y * np.cos(phi) - x * np.sin(phi), z - along * pz / pt, phi, np.arctan2(pt, pz),
        charge / np.hypot(pt, pz),
    ])  # fmt: skip


def pulls(sample, tracks, parameters):
    """Pulls (T, 5) of tracks of findable particles from the beam line."""
    rows = []
    for truth, particles, found, values in zip(*sample[1:3], tracks, parameters, strict=True):
        who, _ = metrics.match_tracks(truth, found.rows())
        near = np.hypot(ak.to_numpy(particles["vx"]), ak.to_numpy(particles["vy"])) < 0.1
        good = (who >= 0) & (truth.findable & near)[who] & (values.ndf > 0)
        difference = (
            np.column_stack([getattr(values, n) for n in PARAMETERS]) - true_parameters(particles)[who]
        )
        difference[:, 2] = (difference[:, 2] + np.pi) % (2 * np.pi) - np.pi
        rows.append((difference / np.sqrt(np.diagonal(values.covariance, axis1=1, axis2=2)))[good])
    return np.concatenate(rows)


def half_widths(values):
    return np.diff(np.quantile(values, [0.16, 0.84], axis=0), axis=0)[0] / 2
