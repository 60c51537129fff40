"""Gates of cones: how wide a cone must be drawn to hold the share of crossings that it is asked for.

Residuals have longer tails than a Gaussian: scattering in Fatras, merged clusters, delta rays. The network
    and the filter
give covariances; a table gives by how much chi2 must exceed a Gaussian's quantile, by hits of the path, pT of
the path, and kind of the target: on a disk or a cylinder, and on a further layer or, where modules overlap,
    on that
of the path's last hit. It is measured on events that nothing was trained on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

__all__ = ["GATES_SHAPE", "SHARES", "cells", "gate_table", "gate_values", "levelled"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Cells = tuple[Ints, Ints, Ints, Ints]

SHARES = (0.68, 0.95, 0.997)
"""Asked of the cones."""
COUNTS = (1, 2, 3, 4, 6)
"""Fewest hits of each class of paths."""
PT_EDGES = (0.45, 0.9, 1.4, 2.0, 3.2, 5.0)
"""GeV, of the path's own curvature."""
GATES_SHAPE = (2, len(SHARES), len(COUNTS), len(PT_EDGES) + 1, 2, 2)
"""The network's and the filter's; shares; classes of hits, of pT; disks, cylinders; next layers, overlaps."""
ENOUGH = 30
"""Crossings that a cell must have outside of a gate, or its neighbours in pT count too."""
PT_CLASSES = (0.0, 0.9, 2.0, 5.0, np.inf)
"""GeV, of the particles: the share is right in each of these. Its limits are among :data:`PT_EDGES`."""
ROUNDS, MOST = 12, 2.0
"""Of the scaling, and its largest factor: particles lost for good widen no gates without end."""


def cells(count: Ints, pt: Floats, upright: Bools, overlap: Bools) -> Cells:
    """Cells of the table, (K,) each.

    Args:
        count: hits of the path; pt: of its curvature in GeV; upright: of the target, as
            :attr:`seeding.hits.Hits.upright`; overlap: the target is on the layer of the path's last hit.
    """
    return (
        np.searchsorted(COUNTS, count, side="right") - 1,
        np.searchsorted(PT_EDGES, pt, side="right"),
        upright.astype(np.int64),
        overlap.astype(np.int64),
    )


def gate_table(chi2: Floats, of: Cells) -> Floats:
    """(shares, counts, pT, kinds, overlaps) factors on a Gaussian's chi2, of measured ones (K,) and their
    cells.

    A cell with too few crossings takes those of its neighbours in pT along, then those of the other kind,
    then all. Overlaps and next layers are never taken together.
    """
    n_counts, n_pt, n_kinds, n_overlaps = GATES_SHAPE[2:]
    table = np.ones(GATES_SHAPE[1:])
    for c, o in np.ndindex(n_counts, n_overlaps):
        rows = np.flatnonzero((of[0] == c) & (of[3] == o))
        values, pt, kind = chi2[rows], of[1][rows], of[2][rows]
        for s, share in enumerate(SHARES):
            least = ENOUGH / (1 - share)
            gaussian = float(chdtri(2, 1 - share))
            for p, k in np.ndindex(n_pt, n_kinds):
                chosen = values[(pt == p) & (kind == k)]
                for both in (False, True):
                    for reach in range(1, n_pt):
                        if len(chosen) >= least:
                            break
                        near = np.abs(pt - p) <= reach
                        chosen = values[near if both else near & (kind == k)]
                if len(chosen):
                    table[s, c, p, k, o] = np.quantile(chosen, share) / gaussian
    return table


def levelled(table: Floats, chi2: Floats, of: Cells, pt: Floats) -> Floats:
    """The table with the share right for particles of each class of true pT.

    A path's pT may be far off its particle's. Of the many soft particles some are in cells of stiff paths,
    and widen the gates there. The cells of each class are scaled, over and over, until the class has its
    share, that of overlaps apart. Paths of one hit stay as they are: nobody knows their pT.

    Args:
        chi2, of: as :func:`gate_table`; pt: (K,) of the particles, GeV.
    """
    made = table.copy()
    several = of[0] > 0
    which = np.searchsorted(PT_CLASSES, pt, side="right") - 1
    cell_class = np.searchsorted(PT_CLASSES, (0.0, *PT_EDGES), side="right") - 1
    for s, share in enumerate(SHARES):
        for _ in range(ROUNDS):
            over = chi2 / gate_values(made, s, of)
            for c, o in np.ndindex(len(PT_CLASSES) - 1, GATES_SHAPE[-1]):
                chosen = over[several & (which == c) & (of[3] == o)]
                if len(chosen) >= ENOUGH / (1 - share):
                    made[s, 1:, cell_class == c, :, o] *= np.quantile(chosen, share)
            made[s] = np.minimum(made[s], table[s] * MOST)
    return made


def gate_values(table: Floats, share: int, of: Cells) -> Floats:
    """(K,) largest chi2 inside of cones that hold ``SHARES[share]``."""
    return np.asarray(table[share][of] * float(chdtri(2, 1 - SHARES[share])))
