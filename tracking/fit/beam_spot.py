"""The luminous region from tracks: its line from their impact parameters, its widths from pairs of tracks.

A track from the point (x, y) has the impact parameter d0 = y cos phi - x sin phi. A beam that is off its
frame shows as a wave of d0 over phi, and a slope as such a wave that grows along z0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.schema import InputError
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import Helices
from tracking.fit.vertices import Vertices

__all__ = ["FOUND", "BeamTracks", "FoundBeam", "fit_beam_spot", "joined_tracks", "tracks_for_beam"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FOUND = ("x", "y", "z", "slope_x", "slope_y", "sigma_x", "sigma_y", "sigma_z")
"""What tracks tell of a :class:`smartpix.beam.BeamSpot`."""
LARGEST_SIGMA_D0, LARGEST_SIGMA_Z0 = 0.1, 0.2
"""mm: tracks that are known less well say little of a beam that is 0.01 mm wide, and nothing of vertices."""
MIN_HITS, MAX_CHI2 = 4, 3.0
"""Hits of a track, and chi2 over the degrees of freedom of its fit: beyond, it may have wrong hits."""
MIN_TRACKS = 20
"""Five times as many as the beam line has parameters, of which some are from decays."""
BIWEIGHT = 4.685
"""Standard deviations beyond which a track does not count: 95 % efficient for Gaussian errors (J. W. Tukey's
biweight, as in P. J. Huber, Robust Statistics)."""
ROUNDS = 30
MAX_ERROR = 0.25
"""Largest relative error of a width that is taken: with a larger one the width before is the better guess."""


@dataclass(frozen=True)
class BeamTracks:
    """Tracks that the beam is fitted to.

    Attributes:
        d0, z0, phi, sigma_d0, sigma_z0: (N,) about the z axis of one frame; mm, rad.
        vertex: (N,) number of the track's vertex, which no other event has; tracks of no vertex have numbers
            of their own.
        n_events: they are of.
    """

    d0: Floats
    z0: Floats
    phi: Floats
    sigma_d0: Floats
    sigma_z0: Floats
    vertex: Ints
    n_events: int

    def __len__(self) -> int:
        return len(self.d0)


@dataclass(frozen=True)
class FoundBeam:
    """A luminous region that was found.

    Attributes:
        spot: in the global frame. A width that the tracks do not tell is that of the frame.
        errors: standard deviations by name of :data:`FOUND`; NaN for a width that the tracks do not tell.
        n_tracks: that count; n_events: they are of.
    """

    spot: BeamSpot
    errors: Mapping[str, float]
    n_tracks: int
    n_events: int

    def summary(self) -> dict[str, float | int | None]:
        """Values and errors by name, None for NaN, and the numbers of tracks and events."""
        values = {name: getattr(self.spot, name) for name in FOUND}
        errors = {
            f"{name}_error": error if np.isfinite(error := self.errors[name]) else None for name in FOUND
        }
        return {**values, **errors, "n_tracks": self.n_tracks, "n_events": self.n_events}


def tracks_for_beam(tracks: Tracks, helices: Helices, vertices: Vertices) -> BeamTracks:
    """The well-fitted tracks of an event."""
    sigma = helices.sigma()
    chosen = (np.diff(tracks.start) >= MIN_HITS) & (helices.chi2 <= MAX_CHI2 * helices.ndf)
    chosen &= (sigma[:, 0] < LARGEST_SIGMA_D0) & (sigma[:, 1] < LARGEST_SIGMA_Z0)
    alone = len(vertices) + np.arange(len(tracks))
    vertex = np.where(vertices.label >= 0, vertices.label, alone)
    d0, z0, phi = (column[chosen] for column in (helices.d0, helices.z0, helices.phi))
    return BeamTracks(d0, z0, phi, sigma[chosen, 0], sigma[chosen, 1], vertex[chosen], 1)


def joined_tracks(events: Sequence[BeamTracks]) -> BeamTracks:
    """Those of several events, at least one, in one frame."""
    offset, vertex = 0, []
    for tracks in events:
        vertex.append(tracks.vertex + offset)
        offset += int(tracks.vertex.max(initial=-1)) + 1
    d0, z0, phi, sigma_d0, sigma_z0 = (
        np.concatenate([getattr(tracks, name) for tracks in events])
        for name in ("d0", "z0", "phi", "sigma_d0", "sigma_z0")
    )
    n_events = sum(tracks.n_events for tracks in events)
    return BeamTracks(d0, z0, phi, sigma_d0, sigma_z0, np.concatenate(vertex), n_events)


def fit_beam_spot(tracks: BeamTracks, frame: BeamSpot) -> FoundBeam:
    """The luminous region that tracks come from.

    The line is a robust least-squares fit. The widths are those of the true vertices: two tracks of one
    vertex have impact parameters that go together as far as the vertex is off the line, whereas their errors
    are independent. So the resolution need not be known.

    Args:
        frame: of the tracks. The line should be within some mm of its axis: terms of second order are left
            out.

    Raises:
        InputError: too few tracks.
    """
    if len(tracks) < MIN_TRACKS:
        raise InputError(
            f"beam spot: {len(tracks)} well-fitted tracks in {tracks.n_events} events and at least {MIN_TRACKS} "
            "are needed; give more events, or start nearer to the beam (beam.source = options)"
        )
    cluster = np.unique(tracks.vertex, return_inverse=True)[1].reshape(-1)
    z, sigma_z, z_error, sigma_z_error = _along(tracks, cluster)
    sin, cos = np.sin(tracks.phi), np.cos(tracks.phi)
    reach = tracks.z0 - z
    terms = np.stack([-sin, cos, -sin * reach, cos * reach], axis=1)
    variance = tracks.sigma_d0**2 + frame.sigma_x * frame.sigma_y
    line, covariance, weight = _robust(terms, tracks.d0, np.sqrt(variance), cluster)
    left = tracks.d0 - terms @ line
    # All that count at all count in full here: less weight for those further away would make the beam narrower.
    inside = (weight > 0) / variance
    widths, width_errors = _across(left, np.stack([sin, cos], axis=1), inside, cluster)
    centre = frame.to_global(np.array([[line[0], line[1], z]]))[0]
    along = frame.direction_to_global(np.array([[line[2], line[3], 1.0]]))[0]
    values = dict(zip(FOUND, [*centre, *(along[:2] / along[2]), *widths, sigma_z], strict=True))
    sigma = np.sqrt(np.diagonal(covariance))
    found_errors = [sigma[0], sigma[1], z_error, sigma[2], sigma[3], *width_errors, sigma_z_error]
    errors = dict(zip(FOUND, map(float, found_errors), strict=True))
    for name in ("sigma_x", "sigma_y", "sigma_z"):
        if not errors[name] < MAX_ERROR * values[name]:
            values[name], errors[name] = getattr(frame, name), float("nan")
    spot = replace(frame, **{name: float(value) for name, value in values.items()})
    return FoundBeam(spot, errors, int(np.sum(weight > 0)), tracks.n_events)


def _along(tracks: BeamTracks, cluster: Ints) -> tuple[float, float, float, float]:
    """Mean and width of z0 and their errors, mm. Tracks count, not vertices: where these lie dense, several
    are found as one."""
    n = len(tracks)
    z = float(np.mean(tracks.z0))
    square = (tracks.z0 - z) ** 2
    variance = float(np.mean(square - tracks.sigma_z0**2))
    z_error = np.sqrt(np.sum(np.bincount(cluster, tracks.z0 - z) ** 2)) / n
    spread = np.sqrt(np.sum(np.bincount(cluster, square - np.mean(square)) ** 2)) / n
    sigma = np.sqrt(max(variance, 0.0))
    # The tracks of one vertex say the same of z.
    few = len(np.unique(cluster)) < MIN_TRACKS
    return z, float(sigma), float(z_error), float("nan") if few else float(spread / max(2 * sigma, 1e-9))


def _robust(terms: Floats, values: Floats, sigma: Floats, cluster: Ints) -> tuple[Floats, Floats, Floats]:
    """Parameters (P,) of a linear model, their covariance (P, P), and the weight (N,) of each value, 0 to 1.

    Args:
        terms: (N, P) derivatives; values: (N,), and their standard deviations ``sigma``, of which the common
            scale is found as well.
        cluster: (N,) values of one cluster may go together; errors are as large as that makes them.
    """
    scaled, target = terms / sigma[:, None], values / sigma
    found: Floats = np.zeros(terms.shape[1])
    weight: Floats = np.ones(len(values))
    u: Floats = np.zeros(len(values))
    for _ in range(ROUNDS):
        before = found
        root = np.sqrt(weight)
        found = np.asarray(
            np.linalg.lstsq(scaled * root[:, None], target * root, rcond=None)[0], dtype=np.float64
        )
        left = target - scaled @ found
        # The median of the distance is 0.6745 of a Gaussian's standard deviation.
        scale = float(np.median(np.abs(left))) / 0.6745
        u = np.asarray(np.minimum(np.abs(left) / (BIWEIGHT * max(scale, 1e-9)), 1.0), dtype=np.float64)
        weight = (1 - u**2) ** 2
        if np.allclose(found, before, rtol=0, atol=1e-9):
            break
    # The sandwich of a clustered M-estimator (P. J. Huber, Robust Statistics).
    bread = np.linalg.pinv(np.einsum("n,ni,nj->ij", (1 - u**2) * (1 - 5 * u**2), scaled, scaled))
    pull = (weight * left)[:, None] * scaled
    sums = np.stack([np.bincount(cluster, column) for column in pull.T], axis=1)
    return found, bread @ (sums.T @ sums) @ bread, weight


def _across(left: Floats, direction: Floats, weight: Floats, cluster: Ints) -> tuple[Floats, Floats]:
    """Widths across the beam (2,) and their errors, from all pairs of tracks of one vertex.

    Of the tracks i and j the product of d0 is sigma_x^2 sin sin + sigma_y^2 cos cos on average. Sums over the
    pairs of a vertex are squares of sums over its tracks, less the sums of squares.

    Args:
        left: (N,) d0 about the beam line; direction: (N, 2) sine and cosine of phi; weight: (N,).
    """

    def pairs(a: Floats) -> Floats:
        return np.asarray(np.bincount(cluster, a) ** 2 - np.bincount(cluster, a**2)) / 2

    matrix = np.stack(
        [[pairs(weight * direction[:, i] * direction[:, j]) for j in range(2)] for i in range(2)]
    )
    products = np.stack([pairs(weight * left * direction[:, i]) for i in range(2)])
    inverse = np.linalg.pinv(matrix.sum(axis=2))
    variance = inverse @ products.sum(axis=1)
    influence = inverse @ (products - np.einsum("ijv,j->iv", matrix, variance))
    error = np.sqrt(np.sum(influence**2, axis=1))
    sigma = np.sqrt(np.maximum(variance, 0.0))
    return sigma, error / np.maximum(2 * sigma, 1e-9)
