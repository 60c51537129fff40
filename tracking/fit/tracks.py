"""Track parameters with covariance: a Kalman filter and smoother over the modules, with multiple scattering.

Parameters are those of ACTS and ATLAS at the z axis of the hits, which is the beam line: the point of closest
    approach is d0 * (-sin phi, cos phi).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from seeding.local_field import check_frame
from seeding.threads import in_parts
from smartpix.beam import BeamSpot
from smartpix.field_map import FieldMap
from smartpix.geometry import Detector
from smartpix.io.event_header import Header, placed
from smartpix.material import surfaces
from smartpix.notebook import words_and_table
from smartpix.physics import CURVATURE_PER_TESLA
from tracking.finders.tracks import Parameters, Tracks
from tracking.fit.field_kernels import bent_away, mean_strengths
from tracking.fit.kernels import USED, fit_each, fit_part, gathered
from tracking.fit.losses import PARTICLES
from tracking.fit.options import FitOptions

__all__ = ["FitOptions", "Helices", "fit_tracks"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUNDS = 2
"""Fits that say where a track in a table of the field passes, before the last one."""


@words_and_table
@dataclass(frozen=True)
class Helices(Parameters):
    """Fitted parameters of T tracks with K hits in all, and what the fit says of each hit.

    Attributes:
        outlier: (K,) not in the fit, aligned with the tracks' hits.
    """

    outlier: npt.NDArray[np.bool_]
    _inputs: _Inputs

    @property
    def residual(self) -> Floats:
        """(K, 2) measured less smoothed x and y on the module, mm, aligned with the tracks' hits. Those of
        outliers are against the track of the others.
        """
        return self._smoothed[0]

    @property
    def pull(self) -> Floats:
        """(K, 2) the residuals over their standard deviations, 0 where the fit could not do without the
        hit.
        """
        return self._smoothed[1]

    # On first use: the fit goes back only over tracks that may have an outlier.
    @cached_property
    def _smoothed(self) -> tuple[Floats, Floats]:
        return self._inputs.smoothed()

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Helices:
        """Those of some of the tracks, with their hits."""
        inputs = self._inputs.take(rows)
        of_tracks = super().take(rows)
        return replace(of_tracks, outlier=inputs.status != USED, _inputs=inputs)


def fit_tracks(
    hits: Hits, tracks: Tracks, detector: Detector | Header, field: float | None = None,
    options: FitOptions | None = None, threads: int = 1, field_map: FieldMap | None = None,
) -> Helices:  # fmt: skip
    """Fit all tracks of an event.

    The start is V. Karimaki's circle and a line (NIM A 305 (1991) 187), about which the filter (R.
    Fruehwirth, NIM A 262 (1987) 444) is linear; scattering is Highland's, for particles
    (``options.particle``) of the start's momentum. With ``options.energy_loss`` they lose energy
    (:mod:`tracking.fit.losses`). Hits are taken in their order along the start, in whatever order they come.

    Where the scattering angles are Gaussian, so are the pulls. Fatras draws a Gaussian polar angle in a
    random plane: its projections have the same variance, but a narrower core and longer tails, and so have
        the pulls of soft tracks.

    All results are finite. A track of fewer than three different positions does not fix a helix. It starts
    from the line through them, and what they do not fix stays as wide as it started: 0.3 rad, 10 / GeV. A
    hit that is not finite, or whose module the track does not reach, is an outlier with residual 0. A
    track without any other hit gets the parameters 0, theta pi / 2, and wide errors. Of a curling track half
    a turn either way from the closest approach is looked at.

    Args:
        detector: that the hits were made with, or the header of the file, which has the field too.
        field: along z in T, signed; at 0 there is no qop: it is 0 with variance 0, and ndf counts four
            parameters.
        threads: that share the tracks; results do not depend on it.
        field_map: table of the field; None: it is uniform. Each track is then fitted as a helix in the
            mean field on its way, with hits that are put where that helix would pass: they are moved by
            what a track with the same parameters in the table is off from it. What the moves are made
            with are the parameters of the round before, and there are :data:`ROUNDS`. The parameters are
            those in the table.

    Raises:
        InputError: a table of the field, and the frame is that of a beam of particles.
    """
    modules, field, field_map = placed(detector, field, "fit", field_map)
    options = options or FitOptions()
    n, k = len(tracks), len(tracks.hits)
    straight, status = np.zeros(n, dtype=np.bool_), np.empty(k, dtype=np.int8)
    strength = field * CURVATURE_PER_TESLA
    inputs = _Inputs(hits, tracks, surfaces(modules, options), strength, options, threads, straight, status)
    none = np.empty((0, 2))
    if field_map is not None:
        check_frame(modules.frame, "fit")
        inputs = _straightened(inputs, field_map, modules.frame)
    parameters, covariance, chi2, n_used = inputs.fitted(
        inputs.gathered(status), straight, status, options.outlier_chi2, none, none
    )
    d0, z0, phi, theta, qop = (np.ascontiguousarray(column) for column in parameters.T)
    ndf = np.maximum((4 if options.angles else 2) * n_used - (5 if field != 0 else 4), 0)
    return Helices(d0, z0, phi, theta, qop, covariance, chi2, ndf, status != USED, inputs)


def _straightened(inputs: _Inputs, table: FieldMap, frame: BeamSpot) -> _Inputs:
    """The same with the mean fields of the tracks, and with hits moved onto helices in these."""
    n = len(inputs.tracks)
    status, none = np.empty_like(inputs.status), np.empty((0, 2))
    arrays, axes = table.arrays, np.vstack([frame.rotation, frame.centre])
    where, start = inputs.gathered(status)[0], inputs.tracks.start
    strengths, shift = np.empty(n), np.zeros((len(status), 4))
    mean_strengths(start, where, status, arrays, axes, strengths)
    inputs = replace(inputs, strength=strengths, shift=shift)
    for _ in range(ROUNDS):
        # All hits stay: which are outliers is decided when all are where they belong.
        of_tracks = inputs.gathered(status)
        straight = np.zeros(n, dtype=np.bool_)
        parameters = inputs.fitted(of_tracks, straight, status.copy(), np.inf, none, none)[0]
        moved = np.empty_like(shift)

        def part(first: int, last: int, parameters: Floats = parameters, moved: Floats = moved) -> None:
            bent_away(first, last, start, where, status, parameters, strengths, arrays, axes, moved)

        in_parts(part, n, inputs.threads)
        inputs = replace(inputs, shift=moved)
    return inputs


@dataclass(frozen=True)
class _Inputs:
    """What a fit was made of.

    Attributes:
        surfaces: cylinders and disks, see :func:`tracking.fit.material.scattering`.
        strength: curvature of 1 GeV in the field, 1/mm, signed; (T,) where each track has its own.
        straight: (T,) tracks that start from a line; status: (K,) of their hits: both of the fit that was
            made.
        shift: (K, 4) that hits are moved back by, see :func:`tracking.fit.field_kernels.bent_away`;
            None: by nothing.
    """

    hits: Hits
    tracks: Tracks
    surfaces: tuple[Floats, Floats]
    strength: float | Floats
    options: FitOptions
    threads: int
    straight: npt.NDArray[np.bool_]
    status: npt.NDArray[np.int8]
    shift: Floats | None = None

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> _Inputs:
        """Those of some of the tracks."""
        number = Tracks.from_rows([np.arange(a, b) for a, b in pairwise(self.tracks.start)]).take(rows)
        strength = self.strength if isinstance(self.strength, float) else self.strength[rows]
        return replace(
            self,
            tracks=self.tracks.take(rows),
            strength=strength,
            straight=self.straight[rows],
            status=self.status[number.hits],
            shift=None if self.shift is None else self.shift[number.hits],
        )

    def gathered(self, status: npt.NDArray[np.int8]) -> tuple[Floats, Floats]:
        """The tracks' hits and slopes as the kernels read them; ``status`` is filled with which can be
        used.
        """
        hits, rows = self.hits, self.tracks.hits
        of_tracks, angles = np.empty((len(rows), 15)), np.empty((len(rows) * self.options.angles, 9))
        gathered(hits.position, hits.axes, hits.estimate.cholesky, hits.cot, rows, of_tracks, angles, status)
        if self.shift is not None:
            of_tracks[:, :3] -= self.shift[:, :1] * of_tracks[:, 3:6] + self.shift[:, 1:2] * of_tracks[:, 6:9]
            if self.options.angles:
                angles[:, :2] -= self.shift[:, 2:]
        return of_tracks, angles

    def fitted(
        self, of_tracks: tuple[Floats, Floats], straight: npt.NDArray[np.bool_], status: npt.NDArray[np.int8],
        cut: float, residual: Floats, pull: Floats,
    ) -> tuple[Floats, Floats, Floats, Ints]:  # fmt: skip
        """Parameters, covariance, chi2 and used hits of the tracks, see
        :func:`tracking.fit.kernels.fit_part`.
        """
        n, options, strength = len(self.tracks), self.options, self.strength
        fit = fit_part if isinstance(strength, float) else fit_each
        parameters, covariance = np.empty((n, 5)), np.empty((n, 5, 5))
        chi2, n_used = np.empty(n), np.empty(n, dtype=np.int64)

        def part(first: int, last: int) -> None:
            fit(
                first, last, self.tracks.start, *of_tracks, *self.surfaces, options.sensor,
                strength, options.straight_momentum, PARTICLES[options.particle], options.energy_loss, cut,
                parameters, covariance, chi2,
                n_used, straight, status, residual, pull,
            )  # fmt: skip

        in_parts(part, n, self.threads)
        return parameters, covariance, chi2, n_used

    def smoothed(self) -> tuple[Floats, Floats]:
        """Residuals and pulls of the hits in the same fit, made again."""
        status = np.empty_like(self.status)
        of_tracks = self.gathered(status)
        residual, pull = np.zeros((len(status), 2)), np.zeros((len(status), 2))
        self.fitted(of_tracks, self.straight.copy(), self.status.copy(), np.inf, residual, pull)
        return residual, pull
