"""Which layer a particle meets after which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector, Layers

__all__ = ["LayerPairs", "layer_pairs"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class LayerPairs:
    """Which layer follows which, inner layer first.

    Attributes:
        inner, outer: (P,) rows of the detector's layers.
        skipped: (P,) row of the disk between the two, whose gap between rings the particle went through; -1 where nothing
            lies in between; -2 where a layer that should have been hit is skipped.
    """

    inner: Ints
    outer: Ints
    skipped: Ints

    def __len__(self) -> int:
        return len(self.inner)


def layer_pairs(
    detector: Detector, max_eta: float = 4.2, z0_max: float = 200.0, skips: bool = False, overlaps: bool = False
) -> LayerPairs:
    """Which layer follows which.

    Straight rays from the beam line cross the layers' envelopes; two layers follow one another where a ray
    crosses the second right after the first. Envelopes are widened by 1 % and 1 mm, since a track bends, and a module at
    the edge may be missed, which skips a layer at its rim. Where a disk has a gap between its rings, the layers before and
    after it follow one another for rays through the gap.

    Args:
        max_eta: largest pseudorapidity of the rays.
        z0_max: rays start at |z| up to this, in mm.
        skips: also pairs with one layer between them that has no hit, for inefficient layers.
        overlaps: also each layer with itself, for two hits where its modules overlap.
    """
    layers = detector.layers
    eta = np.linspace(-max_eta, max_eta, 1401)
    z0, cot = (a.ravel() for a in np.meshgrid(np.linspace(-z0_max, z0_max, 81), np.sinh(eta)))
    found: dict[tuple[int, int], int] = {}
    for slack in (1.0, -1.0):
        crossed, radius = _crossings(layers, z0, cot, slack)
        for pair in _followers(crossed, radius):
            found[pair] = -1
    crossed, radius = _crossings(layers, z0, cot, 1.0)
    for gap in np.flatnonzero(layers.gap_high > layers.gap_low):
        through = crossed[:, gap] & (radius[:, gap] > layers.gap_low[gap]) & (radius[:, gap] < layers.gap_high[gap])
        missed = crossed[through]
        missed[:, gap] = False
        for a, b in sorted(_followers(missed, radius[through]) - set(found)):
            found[a, b] = int(gap)
    neighbours = [pair for pair, skipped in found.items() if skipped == -1]
    if skips:
        for a, b in neighbours:
            for c, d in neighbours:
                if b == c and found.get((a, d), 0) != -1:
                    found[a, d] = -2
    if overlaps:
        found |= {(k, k): -1 for k in range(len(layers))}
    rows = np.array([(a, b, k) for (a, b), k in sorted(found.items())], dtype=np.int32).reshape(-1, 3)
    return LayerPairs(*(np.ascontiguousarray(column) for column in rows.T))


def _crossings(layers: Layers, z0: Floats, cot: Floats, slack: float) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which rays (N,) cross which layers, (N, L), and at what radius in mm."""
    crossed = np.zeros((len(z0), len(layers)), dtype=bool)
    radius = np.full((len(z0), len(layers)), np.inf)
    for i in range(len(layers)):
        if layers.barrel[i]:
            r = np.full_like(z0, layers.radius[i])
            z = z0 + cot * r
            edge = slack * (1.0 + 0.01 * (layers.z_max[i] - layers.z_min[i]))
            inside = (z > layers.z_min[i] - edge) & (z < layers.z_max[i] + edge)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                r = (layers.z[i] - z0) / cot
            edge = slack * (1.0 + 0.01 * layers.r_max[i])
            inside = (r > layers.r_min[i] - edge) & (r < layers.r_max[i] + edge)
        crossed[:, i] = inside
        radius[inside, i] = r[inside]
    return crossed, radius


def _followers(crossed: npt.NDArray[np.bool_], radius: Floats) -> set[tuple[int, int]]:
    """Pairs of layers that some ray crosses one right after the other."""
    found = np.zeros((crossed.shape[1], crossed.shape[1]), dtype=bool)
    order = np.argsort(np.where(crossed, radius, np.inf), axis=1, kind="stable")
    rows = np.arange(len(crossed))
    for k in range(crossed.shape[1] - 1):
        a, b = order[:, k], order[:, k + 1]
        both = crossed[rows, a] & crossed[rows, b]
        found[a[both], b[both]] = True
    return {(int(a), int(b)) for a, b in np.argwhere(found)}
