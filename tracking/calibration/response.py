"""How the chi2 of fitted tracks answers to motions of modules: all tracks' parameters and kinks eliminated.

Of a track with measurements m, chi2 is m^T M m with M = V^-1 - V^-1 A (A^T V^-1 A)^-1 A^T V^-1. V holds
the hits' errors and multiple scattering, and A what its parameters do to the hits (V. Blobel's Millepede
eliminates them likewise, NIM A 566 (2006) 5). M = F^T F, and F times the derivatives by the motions of
the modules are the rows of a matrix B: B^T B is the matrix of second derivatives of half of all tracks' chi2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import FAST, njit
from smartpix.geometry import Detector
from smartpix.material import surfaces
from smartpix.physics import PION_MASS
from smartpix.scattering import theta2_behind
from tracking.calibration.moves import N_FREE, derivatives, sums
from tracking.calibration.sample import EventTracks, placed, slopes_on_modules
from tracking.fit.material import FLATTEST
from tracking.fit.options import FitOptions
from tracking.fit.tracks import Helices, fit_tracks

__all__ = ["Response", "response"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Response:
    """The matrix B of T tracks with K hits, track after track: the factors F, and the derivatives that
    follow them.

    Attributes:
        start: (T + 1,) of the tracks' hits; module: (K,) of these; moves: (K, 2, 6) derivatives of their
            residuals.
        factor: the matrices F, (2 N - free, 2 N) of a track of N hits, one after the other; at: (T + 1,)
            where.
        n_modules: of the detector.
    """

    start: Ints
    module: npt.NDArray[np.int32]
    moves: Floats
    factor: Floats
    at: Ints
    n_modules: int

    @cached_property
    def rows(self) -> Ints:
        """(T + 1,) first rows of the tracks in B; the last one is their number."""
        size = np.maximum(2 * np.diff(self.start), 1)
        return np.concatenate([[0], np.cumsum(np.diff(self.at) // size)])

    def forward(self, motion: Floats) -> Floats:
        """(R, S) B times motions (M, 6, S) of the modules: changes of independent residuals in their
        sigmas."""
        result = np.zeros((int(self.rows[-1]), motion.shape[2]))
        _forward(self.start, self.module, self.moves, self.factor, self.at, self.rows, motion, result)
        return result

    def back(self, residual: Floats) -> Floats:
        """(M, 6, S) the transposed B times residuals (R, S): half of the gradient of their squares' sum."""
        result = np.zeros((self.n_modules, N_FREE, residual.shape[1]))
        _back(self.start, self.module, self.moves, self.factor, self.at, self.rows, residual, result)
        return result

    def curvature(self) -> Floats:
        """(M, 6, 6) second derivatives of half of chi2 by each module's motion alone."""
        of_hits = np.empty((len(self.module), N_FREE, N_FREE))
        _of_hits(self.start, self.moves, self.factor, self.at, self.rows, of_hits)
        return sums(of_hits, self.module, self.n_modules)


def response(
    events: Sequence[EventTracks], detector: Detector, field: float, options: FitOptions, threads: int = 1
) -> Response:
    """How all events' tracks answer, which are fitted with their modules where a detector has them."""
    parts = [_of_event(event, detector, field, options, threads) for event in events]
    joined = {
        name: np.concatenate([getattr(p, name) for p in parts]) for name in ("module", "moves", "factor")
    }
    ends = {
        name: np.concatenate([[0], np.cumsum(np.concatenate([np.diff(getattr(p, name)) for p in parts]))])
        for name in ("start", "at")
    }
    return Response(**joined, **ends, n_modules=len(detector))


def _of_event(
    event: EventTracks, detector: Detector, field: float, options: FitOptions, threads: int
) -> Response:
    hits, tracks = placed(event.hits, detector), event.tracks
    helices = fit_tracks(
        hits, tracks, detector, field, replace(options, outlier_chi2=np.inf, angles=False), threads
    )
    cot = slopes_on_modules(helices, tracks, hits, field)
    scattered = _theta2(hits.position, cot, helices, tracks.start, detector, field, options)
    moves = derivatives(cot, hits.estimate.mean[:, :2])
    size = np.diff(tracks.start)
    n_free = 5 if field != 0 else 4
    at = np.concatenate([[0], np.cumsum(np.maximum(2 * size - n_free, 0) * 2 * size)])
    factor = np.empty(at[-1])
    # Tracks of as many hits at once.
    for n in np.unique(size[2 * size > n_free]):
        of = np.flatnonzero(size == n)
        rows = tracks.start[of][:, None] + np.arange(n)
        made = _left(
            hits.position[rows], hits.axes[rows].reshape(len(of), n, 3, 3), cot[rows],
            hits.estimate.cholesky[rows][:, :, :2, :2], scattered[rows], helices, of, n_free,
        ).reshape(len(of), -1)  # fmt: skip
        factor[at[of][:, None] + np.arange(made.shape[1])] = made
    return Response(tracks.start, hits.module, moves, factor, at, len(detector))


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

    def local(shift: Floats) -> Floats:
        """(T, 2 N) what a hit's x and y change by where the track moves by (T, N, 3)."""
        there = np.einsum("tnij,tnj->tni", axes, shift)
        return np.asarray((there[..., :2] - cot * there[..., 2:]).reshape(t, -1))

    every = np.ones((t, n, 1))
    if n_free == 5:
        # About the field's axis a helix turns into another one.
        axis, per_angle = np.tile([0.0, 0.0, 1.0], (t, 1)), 1 / sine**2
    else:
        axis = np.cross(
            normal, np.stack([sine * np.cos(phi), sine * np.sin(phi), np.cos(helices.theta[of])], axis=1)
        )
        per_angle = np.ones(t)
    about = axis[:, None] * every, normal[:, None] * every
    radius = np.hypot(position[..., 0], position[..., 1])
    ahead = np.einsum("tnij,tni->tnj", axes, np.concatenate([cot, every], axis=2))[..., :2]
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=2, keepdims=True), 1e-12)
    ahead = ahead * np.sign(np.einsum("tni,tni->tn", ahead, position[..., :2]))[..., None]
    bent = np.stack([-ahead[..., 1], ahead[..., 0], 0 * radius], axis=2) * (radius**2 / 2)[..., None]
    tilted = about[0] * radius[..., None] if n_free == 5 else np.cross(about[1], position)
    free = [about[1], about[0], np.cross(about[0], position), tilted, bent]
    a = np.stack([local(shift) for shift in free[:n_free]], axis=2)
    blocks, which = np.zeros((t, n, 2, n, 2)), np.arange(n)
    blocks[:, which, :, which, :] = (cholesky @ cholesky.swapaxes(2, 3)).swapaxes(0, 1)
    variance = np.asarray(blocks.reshape(t, 2 * n, 2 * n))
    behind = which[None, :, None] * np.ones((t, 1, 1))
    for g in range(n - 1):
        w0, w1, w2 = scattered[:, g].T
        off = (position - position[:, g + 1 : g + 2]) * (behind > g)
        gap = (position[:, g + 1 : g + 2] - position[:, g : g + 1]) * (behind > g)
        # A kink turns what is behind it about two axes.
        for turn, around in zip((per_angle, np.ones(t)), about, strict=True):
            far, near = local(np.cross(around, off)), local(np.cross(around, gap))
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
    position: Floats, cot: Floats, helices: Helices, start: Ints, detector: Detector, field: float,
    options: FitOptions,
) -> Floats:  # fmt: skip
    """(K, 3) of the way from each hit to the next one of its track: sums of the variance of the projected
    scattering angle times 1, h and h^2, with h the share of the way that is left. A module scatters at
    its hit.
    """
    result = np.zeros((len(position), 3))
    q = helices.qop if field != 0 else np.full(len(start) - 1, 1 / options.straight_momentum)
    _fill_theta2(position, cot, q, start, *surfaces(detector, options), options.sensor, result)
    return result


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _fill_theta2(
    position: Any, cot: Any, q: Any, start: Any, cylinders: Any, disks: Any, sensor: float, result: Any
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _forward(
    start: Any, module: Any, moves: Any, factor: Any, at: Any, rows: Any, motion: Any, result: Any
) -> None:
    for t in range(len(start) - 1):
        position, first = at[t], start[t]
        moved = _moved(first, start[t + 1], module, moves, motion)
        for row in range(rows[t], rows[t + 1]):
            for j in range(len(moved)):
                value = factor[position]
                position += 1
                for s in range(result.shape[1]):
                    result[row, s] += value * moved[j, s]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _moved(first: int, last: int, module: Any, moves: Any, motion: Any) -> Any:
    moved = np.zeros((2 * (last - first), motion.shape[2]))
    for k in range(first, last):
        for i in range(2):
            for q in range(N_FREE):
                value = moves[k, i, q]
                for s in range(motion.shape[2]):
                    moved[2 * (k - first) + i, s] += value * motion[module[k], q, s]
    return moved


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _back(
    start: Any, module: Any, moves: Any, factor: Any, at: Any, rows: Any, residual: Any, result: Any
) -> None:
    n = residual.shape[1]
    for t in range(len(start) - 1):
        position, first = at[t], start[t]
        force = np.zeros((2 * (start[t + 1] - first), n))
        for row in range(rows[t], rows[t + 1]):
            for j in range(len(force)):
                value = factor[position]
                position += 1
                for s in range(n):
                    force[j, s] += value * residual[row, s]
        for k in range(first, start[t + 1]):
            for i in range(2):
                for q in range(N_FREE):
                    value = moves[k, i, q]
                    for s in range(n):
                        result[module[k], q, s] += value * force[2 * (k - first) + i, s]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _of_hits(start: Any, moves: Any, factor: Any, at: Any, rows: Any, result: Any) -> None:
    result[:] = 0.0
    for t in range(len(start) - 1):
        first, width = start[t], 2 * (start[t + 1] - start[t])
        for k in range(first, start[t + 1]):
            for row in range(rows[t + 1] - rows[t]):
                place = at[t] + row * width + 2 * (k - first)
                for p in range(N_FREE):
                    left = factor[place] * moves[k, 0, p] + factor[place + 1] * moves[k, 1, p]
                    for q in range(N_FREE):
                        right = factor[place] * moves[k, 0, q] + factor[place + 1] * moves[k, 1, q]
                        result[k, p, q] += left * right
