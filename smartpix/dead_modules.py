"""Modules that give no clusters: drawn for simulations, and found in data."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.schema import InputError

__all__ = ["draw_dead_modules", "expected_clusters", "find_dead_modules", "without_modules"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STREAM = 10
"""Of random numbers; those of :mod:`smartpix.simulate` are 1 to 9 and 11."""
SAME_PLACE = 1.0
"""mm: modules of one layer whose centres agree so well in radius and z are turns of one another."""
SMALLEST_GROUP = 4
"""Modules of a ring; of fewer the median says little."""


def draw_dead_modules(n_modules: int, share: float, seed: int) -> tuple[int, ...]:
    """Rows of the modules that are dead, each with the probability ``share``; the same for the same seed."""
    if not share:
        return ()
    dead = np.random.default_rng([seed, STREAM]).random(n_modules) < share
    return tuple(np.flatnonzero(dead).tolist())


def without_modules(clusters: ak.Array, dead: Sequence[int] | Ints) -> ak.Array:
    """One event's cluster records without those of some modules."""
    return clusters[~np.isin(ak.to_numpy(clusters["module_index"]), np.asarray(dead, dtype=np.int64))]


def expected_clusters(counts: npt.ArrayLike, detector: Detector) -> Floats:
    """(M,) clusters that a module should have: the median of its ring, 0 where that is too small.

    Collisions are the same all around the beam, so that modules of one layer at the same radius and z have
    equally many.

    Args:
        counts: (M,) clusters of each module in some events together.
    """
    counts = np.asarray(counts)
    # The ring of a module does not depend on the beam's frame.
    place = np.stack([np.hypot(*(detector.columns[n].astype(np.float64) for n in ("cx", "cy"))),
                      detector.columns["cz"].astype(np.float64)])  # fmt: skip
    keys = np.column_stack([detector.layer_index, np.round(place.T / SAME_PLACE).astype(np.int64)])
    ring = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    expected = np.zeros(len(detector))
    for rows in np.split(np.argsort(ring, kind="stable"), np.cumsum(np.bincount(ring))[:-1]):
        if len(rows) >= SMALLEST_GROUP:
            expected[rows] = np.median(counts[rows])
    return expected


def find_dead_modules(
    counts: npt.ArrayLike, detector: Detector, probability: float = 1e-3
) -> tuple[int, ...]:
    """Rows of the modules without any cluster where chance is no explanation.

    A module of which lambda clusters are expected has none with Poisson's probability exp(-lambda). Dead is
    called what has none although this, times the number of modules, is below ``probability``: so seldom is
        any
    live module of the whole detector called dead.

    Args:
        counts: (M,) clusters of each module in some events together.

    Raises:
        InputError: counts of another number of modules.
    """
    counts = np.asarray(counts)
    if counts.shape != (len(detector),):
        raise InputError(
            f"dead modules: counts have the shape {counts.shape} and the detector {len(detector)} modules; give "
            "one count for each module"
        )
    chance = np.exp(-expected_clusters(counts, detector)) * len(detector)
    return tuple(np.flatnonzero((counts == 0) & (chance < probability)).tolist())
