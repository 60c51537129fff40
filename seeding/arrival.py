"""Times of hits in the search: a particle needs the time of its flight from one to the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seeding.arrays import EdgeColumns
from seeding.hits import Hits
from seeding.options import ConeOptions
from seeding.table import is_straight
from smartpix.helix import half_turns
from smartpix.physics import CURVATURE_PER_TESLA, PROTON_MASS, SPEED_OF_LIGHT
from smartpix.schema import InputError

__all__ = ["flight", "time_terms"]

Floats = npt.NDArray[np.float64]

NO_TURN = 1e-9
"""Half of the turn (rad) below which an arc is its chord."""


def flight(hits: Hits, edges: EdgeColumns, field: float, softest: float) -> tuple[Floats, Floats]:
    """(E,) shortest and longest flight between the hits of edges in ns: that of light, and that of a
    proton with the edge's momentum, which the curvature gives; no heavier particle lives long enough to
    be common.

    Args:
        field: along z in T; softest: GeV, no transverse momentum is taken for less. Without field it is
            taken for all.
    """
    inner, outer = hits.position[edges.source], hits.position[edges.target]
    chord = np.hypot(outer[:, 0] - inner[:, 0], outer[:, 1] - inner[:, 1])
    curvature = np.abs(edges.curvature.astype(np.float64))
    half = half_turns(curvature, chord)
    arc = chord * np.where(half > NO_TURN, half / np.sin(np.maximum(half, NO_TURN)), 1.0)
    stretch = np.hypot(1.0, edges.cot_theta.astype(np.float64))
    path = np.where(chord > 0, arc * stretch, np.abs(outer[:, 2] - inner[:, 2]))
    bend = 0.0 if is_straight(field) else abs(field) * CURVATURE_PER_TESLA
    # A curvature of 0 is no bend at all.
    pt = np.maximum(bend / np.maximum(curvature, 1e-12), softest) if bend else np.full(len(chord), softest)
    momentum = pt * stretch
    light = path / SPEED_OF_LIGHT
    return light, light * np.hypot(1.0, PROTON_MASS / momentum)


def time_terms(edges: EdgeColumns, hits: Hits, field: float, options: ConeOptions) -> Floats:
    """(E,) what the times of their hits add to the chi2 of edges; 0 without ``options.time_sigma``.

    The term is ((t_j - t_i - flight) / sigma)^2 with sigma^2 = 2 ``options.time_sigma``^2, and 0 where
    the difference lies between the flights of :func:`flight`, or a time is no number.

    Raises:
        InputError: the hits have no times.
    """
    if not options.time_sigma:
        return np.zeros(len(edges.source))
    if hits.time is None:
        raise InputError(
            f"cone.time_sigma is {options.time_sigma:g} ps and the hits have no times; leave it at 0, or give a "
            "file with cluster_time"
        )
    time = hits.time.astype(np.float64)
    with np.errstate(invalid="ignore"):
        taken = time[edges.target] - time[edges.source]
    shortest, longest = flight(hits, edges, field, options.min_pt)
    off = np.maximum(np.maximum(shortest - taken, taken - longest), 0.0)
    term = off**2 / (2 * (1e-3 * options.time_sigma) ** 2)
    return np.where(np.isfinite(taken), term, 0.0)
