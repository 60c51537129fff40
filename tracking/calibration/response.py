"""How the chi2 of fitted tracks answers to motions of modules: all tracks' parameters and kinks eliminated.

Of a track with measurements m, chi2 is m^T M m with M = V^-1 - V^-1 A (A^T V^-1 A)^-1 A^T V^-1. V holds the hits'
errors and multiple scattering, and A what its parameters do to the hits (V. Blobel's Millepede eliminates them
likewise, NIM A 566 (2006) 5). M = F^T F, and F times the derivatives by the motions of the modules are the rows of a
sparse matrix B: B^T B is the matrix of second derivatives of half of all tracks' chi2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from smartpix.compiled import FAST, njit
from smartpix.geometry import Detector
from smartpix.material import surfaces
from smartpix.physics import PION_MASS
from smartpix.scattering import theta2_behind
from tracking.calibration.moves import N_FREE, derivatives
from tracking.calibration.sample import EventTracks, placed, slopes_on_modules
from tracking.fit.material import FLATTEST
from tracking.fit.options import FitOptions
from tracking.fit.tracks import Helices, fit_tracks

__all__ = ["response", "response_of_event"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def response(
    events: Sequence[EventTracks], detector: Detector, field: float, options: FitOptions, threads: int = 1
) -> sparse.csr_array:
    """(R, 6 M) the matrix B of all events' tracks, which are fitted with their modules where a detector has them."""
    parts = [response_of_event(event, detector, field, options, threads) for event in events]
    return sparse.csr_array(sparse.vstack(parts, format="csr"))


def response_of_event(
    event: EventTracks, detector: Detector, field: float, options: FitOptions, threads: int = 1
) -> sparse.csr_array:
    """The rows of B that an event's tracks make: twice as many as hits, less the parameters of each track."""
    hits, tracks = placed(event.hits, detector), event.tracks
    helices = fit_tracks(
        hits, tracks, detector, field, replace(options, outlier_chi2=np.inf, angles=False), threads
    )
    cot = slopes_on_modules(helices, tracks, hits, field)
    scattered = _theta2(hits.position, hits.axes, cot, helices, tracks.start, detector, field, options)
    moves = derivatives(cot, hits.estimate.mean[:, :2])
    size = np.diff(tracks.start)
    n_free = 5 if field != 0 else 4
    values, columns, lengths = [], [], []
    # Tracks of as many hits at once.
    for n in np.unique(size):
        if 2 * n <= n_free:
            continue
        of = np.flatnonzero(size == n)
        rows = tracks.start[of][:, None] + np.arange(n)
        factor = _left(
            hits.position[rows], hits.axes[rows].reshape(len(of), n, 3, 3), cot[rows],
            hits.estimate.cholesky[rows][:, :, :2, :2], scattered[rows], helices, of, n_free,
        )  # fmt: skip
        made = np.einsum("trhi,thiq->trhq", factor.reshape(len(of), -1, n, 2), moves[rows])
        at = hits.module[rows][:, :, None] * N_FREE + np.arange(N_FREE)
        values.append(made.ravel())
        columns.append(np.broadcast_to(at[:, None], made.shape).ravel())
        lengths.append(np.full(len(of) * factor.shape[1], n * N_FREE))
    start = np.concatenate([[0], np.cumsum(np.concatenate([*lengths, np.zeros(0, dtype=np.int64)]))])
    flat = (np.concatenate([*values, np.zeros(0)]), np.concatenate([*columns, np.zeros(0, dtype=np.int64)]))
    return sparse.csr_array((*flat, start), shape=(len(start) - 1, N_FREE * len(detector)))


def _left(
    position: Floats, axes: Floats, cot: Floats, cholesky: Floats, scattered: Floats, helices: Helices, of: Ints,
    n_free: int,
) -> Floats:  # fmt: skip
    """(T, 2 N - n_free, 2 N) the matrices F of tracks of N hits.

    Args:
        position, axes, cot, cholesky: (T, N, ...) of the hits; scattered: (T, N, 3) of :func:`_theta2`.
        of: (T,) rows of the helices.
    """
    t, n = position.shape[:2]
    phi, sine = helices.phi[of], np.sin(helices.theta[of])
    normal = np.stack([-np.sin(phi), np.cos(phi), 0 * phi], axis=1)
    up = np.array([0.0, 0.0, 1.0])

    def local(shift: Floats) -> Floats:
        """(T, 2 N) what a hit's x and y change by where the track moves by (T, N, 3)."""
        there = np.einsum("tnij,tnj->tni", axes, shift)
        return (there[..., :2] - cot * there[..., 2:]).reshape(t, -1)

    radius = np.hypot(position[..., 0], position[..., 1])
    ahead = np.einsum("tnij,tni->tnj", axes, np.concatenate([cot, np.ones((t, n, 1))], axis=2))[..., :2]
    ahead = ahead / np.linalg.norm(ahead, axis=2, keepdims=True)
    ahead = ahead * np.sign(np.einsum("tni,tni->tn", ahead, position[..., :2]))[..., None]
    bent = np.stack([-ahead[..., 1], ahead[..., 0], 0 * radius], axis=2) * (radius**2 / 2)[..., None]
    every = np.ones((t, n, 1))
    free = [
        normal[:, None] * every, up * every, np.cross(up, position), up * radius[..., None], bent,
    ]  # fmt: skip
    a = np.stack([local(shift) for shift in free[:n_free]], axis=2)
    variance = np.zeros((t, n, 2, n, 2))
    which = np.arange(n)
    variance[:, which, :, which, :] = (cholesky @ cholesky.swapaxes(2, 3)).swapaxes(0, 1)
    variance = variance.reshape(t, 2 * n, 2 * n)
    behind = which[None, :, None] * np.ones((t, 1, 1))
    for g in range(n - 1):
        w0, w1, w2 = scattered[:, g].T
        off = (position - position[:, g + 1 : g + 2]) * (behind > g)
        gap = (position[:, g + 1 : g + 2] - position[:, g : g + 1]) * (behind > g)
        # A kink turns what is behind it about the beam's axis, and about the track's normal.
        for turn, about in ((1 / sine**2, up[None, None] * every), (np.ones(t), normal[:, None] * every)):
            far, near = local(np.cross(about, off)), local(np.cross(about, gap))
            cross = far[:, :, None] * near[:, None]
            variance += turn[:, None, None] * (
                w0[:, None, None] * far[:, :, None] * far[:, None]
                + w1[:, None, None] * (cross + cross.swapaxes(1, 2))
                + w2[:, None, None] * near[:, :, None] * near[:, None]
            )
    inverse = np.linalg.inv(np.linalg.cholesky(variance))
    # Rows that no parameter of the track reaches.
    basis = np.linalg.qr(inverse @ a, mode="complete")[0][:, :, n_free:]
    return np.asarray(basis.swapaxes(1, 2) @ inverse, dtype=np.float64)


def _theta2(
    position: Floats, axes: Floats, cot: Floats, helices: Helices, start: Ints, detector: Detector, field: float,
    options: FitOptions,
) -> Floats:  # fmt: skip
    """(K, 3) of the way from each hit to the next one of its track: sums of the variance of the projected scattering
    angle times 1, h and h^2, with h the share of the way that is left. A module scatters at its hit.
    """
    result = np.zeros((len(position), 3))
    q = helices.qop if field != 0 else np.full(len(start) - 1, 1 / options.straight_momentum)
    _fill_theta2(position, cot, q, start, *surfaces(detector, options), options.sensor, result)
    return result


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _fill_theta2(
    position: Floats, cot: Floats, q: Floats, start: Ints, cylinders: Floats, disks: Floats, sensor: float,
    result: Floats,
) -> None:  # fmt: skip
    for t in range(len(start) - 1):
        inverse = 1 + (q[t] * PION_MASS) ** 2
        momentum2, beta2 = q[t] * q[t] * inverse, 1 / inverse
        for k in range(start[t], start[t + 1] - 1):
            path = sensor * np.sqrt(1 + cot[k, 0] ** 2 + cot[k, 1] ** 2)
            theta2 = theta2_behind(path, momentum2, beta2)
            result[k, 0] += theta2
            result[k, 1] += theta2
            result[k, 2] += theta2
            a, b = position[k], position[k + 1]
            chord = np.sqrt((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2 + (b[2] - a[2]) ** 2)
            ends = np.hypot(a[0], a[1]), np.hypot(b[0], b[1])
            for kind in range(2):
                table = cylinders if kind == 0 else disks
                c, d = ends if kind == 0 else (a[2], b[2])
                e, f = (a[2], b[2]) if kind == 0 else ends
                for i in range(len(table)):
                    if c == d or (table[i, 0] - c) * (table[i, 0] - d) > 0:
                        continue
                    h = (table[i, 0] - c) / (d - c)
                    if table[i, 1] <= e + h * (f - e) <= table[i, 2]:
                        thickness = table[i, 3] * min(chord / abs(d - c), FLATTEST)
                        theta2 = theta2_behind(thickness, momentum2, beta2)
                        result[k, 0] += theta2
                        result[k, 1] += theta2 * (1 - h)
                        result[k, 2] += theta2 * (1 - h) ** 2
