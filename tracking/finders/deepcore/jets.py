"""Jets of tracks or of particles, whose cores DeepCore looks at. There is no calorimeter."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.schema import InputError
from tracking.finders.deepcore.options import JetOptions

__all__ = ["Jets", "check_field", "cone_jets", "smeared"]

Floats = npt.NDArray[np.float64]
PASSES = 5
"""Times that the axis is moved to where the members of the cone point."""


@dataclass(frozen=True)
class Jets:
    """Jets of one event.

    Attributes:
        eta, phi: (J,) of the axes; pt: (J,) in GeV; z: (J,) of their vertices on the beam line, mm.
    """

    eta: Floats
    phi: Floats
    pt: Floats
    z: Floats

    def __len__(self) -> int:
        return len(self.eta)

    def take(self, rows: npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]) -> Jets:
        """Some of the jets."""
        return Jets(*(getattr(self, column.name)[rows] for column in fields(self)))

    def directions(self) -> Floats:
        """(J, 3) along the axes, of unit transverse length."""
        return np.stack([np.cos(self.phi), np.sin(self.phi), np.sinh(self.eta)], axis=1)


def check_field(finder: str, field: float) -> None:
    """Refuse a finder in jets of tracks where there is no field along z (T): nothing tells their pT.

    Raises:
        InputError: there is none.
    """
    if field == 0:
        raise InputError(
            f"{finder}: without a field nothing tells the pT of tracks, and so there are no jets; take the "
            f"finder chain"
        )


def cone_jets(eta: Floats, phi: Floats, pt: Floats, z: Floats, options: JetOptions) -> Jets:
    """Jets of what flies along (N,) directions with pT in GeV from z in mm.

    The hardest that is in no jet yet starts one. Those within the cone, and near it along the beam, move its
    axis; when the axis stands, they are the jet. One whose cone has too little pT starts none, and is in
    none. What is stiffer than ``max_pt`` counts as ``max_pt``. Values that are not finite are in no jet.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        good = np.isfinite(eta + phi + pt + z) & (np.abs(eta) < 10)
    pt = np.minimum(pt[good], options.max_pt)
    eta, phi, z = eta[good], phi[good], z[good]
    order = np.argsort(-pt, kind="stable")
    table = np.stack([eta, phi, pt, z], axis=1)[order]
    found = np.empty((len(table), 5))
    n = _cones(table, options.radius, options.distance_z, options.min_pt, found)
    eta, phi, pt, z, members = found[:n].T
    keep = (pt >= options.min_pt) & (members >= options.min_members) & (np.abs(eta) < options.max_eta)
    return Jets(eta[keep], phi[keep], pt[keep], z[keep])


@njit(cache=True, nogil=True)
def _cones(table: Any, radius: float, distance_z: float, min_pt: float, found: Any) -> int:
    """Fill (N, 5) with the cones of enough pT: eta, phi, sum of pT, z, members; returns how many there are.

    Args:
        table: (N, 4) eta, phi, pT, z, the hardest first.
    """
    n, n_found = len(table), 0
    left, inside = np.ones(n, dtype=np.bool_), np.empty(n, dtype=np.bool_)
    for first in range(n):
        if not left[first] or table[first, 2] <= 0:
            continue
        left[first] = False
        eta, phi, total, vertex, members = table[first, 0], table[first, 1], table[first, 2], 0.0, 0
        # Without enough pT about its vertex there is no need of a cone.
        for k in range(first + 1, n):
            if left[k] and abs(table[k, 3] - table[first, 3]) < distance_z:
                total += table[k, 2]
        if total < min_pt:
            continue
        for _ in range(PASSES):
            x, y, along, total, vertex, members = 0.0, 0.0, 0.0, 0.0, 0.0, 0
            for k in range(first, n):
                turn = abs((table[k, 1] - phi + math.pi) % (2 * math.pi) - math.pi)
                near = left[k] and abs(table[k, 3] - table[first, 3]) < distance_z
                # The one that started it stays, or it would be in no jet.
                inside[k] = k == first or (near and math.hypot(table[k, 0] - eta, turn) < radius)
                if inside[k]:
                    pt = table[k, 2]
                    x, y = x + pt * math.cos(table[k, 1]), y + pt * math.sin(table[k, 1])
                    along, total, vertex = (
                        along + pt * math.sinh(table[k, 0]),
                        total + pt,
                        vertex + pt * table[k, 3],
                    )
                    members += 1
            eta, phi = math.asinh(along / math.hypot(x, y)), math.atan2(y, x)
        if total < min_pt:
            continue
        left[first:] &= ~inside[first:]
        found[n_found, 0], found[n_found, 1], found[n_found, 2] = eta, phi, total
        found[n_found, 3], found[n_found, 4] = vertex / total, members
        n_found += 1
    return n_found


def smeared(jets: Jets, axis: float, pt: float, rng: np.random.Generator) -> Jets:
    """Jets as a detector sees them: pseudorapidity and azimuth off by ``axis``, the logarithm of pT by
    ``pt``, each a standard deviation.
    """
    shift = rng.normal(0.0, 1.0, (3, len(jets)))
    phi = (jets.phi + axis * shift[1] + np.pi) % (2 * np.pi) - np.pi
    return Jets(jets.eta + axis * shift[0], phi, jets.pt * np.exp(pt * shift[2]), jets.z)
