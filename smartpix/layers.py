"""Which layer a particle meets after which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.geometry import Detector, Layers

__all__ = ["LayerPairs", "layer_pairs"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

RAYS = 4096
"""Rays followed at a time, which bounds the memory."""
N_WIDTHS = 4.0
"""Widths of a beam's slopes, to either side, that rays have."""
STEEPEST_OF_BEAM = 3.0
"""Largest slope of a ray against a beam; what flies flatter over the planes crosses few of them."""


@dataclass(frozen=True)
class LayerPairs:
    """Which layer follows which, inner layer first; never both ways round, and never in a circle.

    Attributes:
        inner, outer: (P,) rows of the detector's layers.
        skipped: (P,) row of the disk between the two, whose gap between rings the particle went through; -1
            where nothing lies in between; -2 where a layer that should have been hit is skipped.
    """

    inner: Ints
    outer: Ints
    skipped: Ints

    def __len__(self) -> int:
        return len(self.inner)


def layer_pairs(
    detector: Detector,
    max_eta: float | None = None,
    z0_max: float = 200.0,
    skips: bool = False,
    overlaps: bool = False,
) -> LayerPairs:
    """Which layer follows which.

    Straight rays from the beam line cross the layers' envelopes; two layers follow one another where a ray
    crosses the second right after the first. Envelopes are widened by 1 % and 1 mm, since a track bends, and
    a module at the edge may be missed, which skips a layer at its rim. Where a disk has a gap between its
    rings, the layers before and after it follow one another for rays through the gap.

    Of a beam of particles rays are those along it, with its divergence, through every part of each plane.

    Two planes between which rays may start are crossed in either order, as those of a telescope near the
    origin. The direction is then that of more rays, so that there is always an order of all layers.

    Args:
        max_eta: largest pseudorapidity of the rays from collisions; if left out 4.2, or what it takes to
            reach each disk at half its radius.
        z0_max: rays start at |z| up to this, in mm.
        skips: also pairs with one layer between them that has no hit, for inefficient layers.
        overlaps: also each layer with itself, for two hits where its modules overlap.
    """
    layers = detector.layers
    if detector.frame.distance:
        z0, cot = _rays_of_beam(layers, detector.frame)
    else:
        z0, cot = _rays_of_collisions(layers, max_eta, z0_max)
    gaps = np.flatnonzero(layers.gap_high > layers.gap_low).tolist()
    direct = np.zeros((len(layers), len(layers)), dtype=np.int64)
    past = {gap: direct.copy() for gap in gaps}
    # Widened, as a track bends, and narrowed, as a module at the edge may be missed.
    for slack in (1.0, -1.0):
        for crossed, radius in _crossings(layers, z0, cot, slack):
            direct += _followers(crossed, radius)
            for gap in gaps if slack > 0 else ():
                through = (
                    crossed[:, gap]
                    & (radius[:, gap] > layers.gap_low[gap])
                    & (radius[:, gap] < layers.gap_high[gap])
                )
                missed = crossed[through]
                missed[:, gap] = False
                past[gap] += _followers(missed, radius[through])
    # Pairs of most rays come first: of two pairs that contradict each other the rarer one is left out.
    order = _Order(len(layers))
    found = {pair: -1 for pair in _most_first(direct) if order.add(*pair)}
    neighbours = list(found)
    for gap, counts in past.items():
        for pair in _most_first(counts):
            if found.get(pair, gap) != -1 and order.add(*pair):
                found[pair] = gap
    if skips:
        for a, b in neighbours:
            for c, d in neighbours:
                if b == c and found.get((a, d), 0) != -1:
                    found[a, d] = -2
    if overlaps:
        found |= {(k, k): -1 for k in range(len(layers))}
    rows = np.array([(a, b, k) for (a, b), k in sorted(found.items())], dtype=np.int32).reshape(-1, 3)
    return LayerPairs(*(np.ascontiguousarray(column) for column in rows.T))


def _rays_of_collisions(layers: Layers, max_eta: float | None, z0_max: float) -> tuple[Floats, Floats]:
    """z0 in mm and slopes (N,) of rays in all directions."""
    if max_eta is None:
        # The flattest ray that still meets a disk at half its outer radius, from the farthest start.
        far = (np.abs(layers.z) + z0_max)[~layers.barrel] / (0.5 * layers.r_max[~layers.barrel])
        max_eta = max(4.2, float(np.arcsinh(far.max(initial=0.0))))
    eta = np.linspace(-max_eta, max_eta, 1401)
    z0, cot = (a.ravel() for a in np.meshgrid(np.linspace(-z0_max, z0_max, 81), np.sinh(eta)))
    return z0, cot


def _rays_of_beam(layers: Layers, beam: BeamSpot) -> tuple[Floats, Floats]:
    """z0 in mm and slopes (N,) of rays along a beam, through all of every layer."""
    upright = np.flatnonzero(layers.barrel)
    widest = min(N_WIDTHS * beam.divergence, STEEPEST_OF_BEAM)
    slope = np.linspace(-widest, widest, 81)
    rays = []
    for k in upright.tolist():
        cot, z = (a.ravel() for a in np.meshgrid(slope, np.linspace(layers.z_min[k], layers.z_max[k], 41)))
        rays.append(np.stack([z - cot * layers.radius[k], cot]))
    z0, cot = np.concatenate(rays, axis=1) if rays else np.zeros((2, 0))
    return z0, cot


class _Order:
    """Pairs of layers that do not contradict one another: which layers come after which, through others
    too.
    """

    def __init__(self, n_layers: int) -> None:
        self.after = np.eye(n_layers, dtype=bool)

    def add(self, inner: int, outer: int) -> bool:
        """Take a pair along, unless the outer layer already comes before the inner one."""
        if self.after[outer, inner]:
            return False
        self.after[self.after[:, inner]] |= self.after[outer]
        return True


def _most_first(counts: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs that some ray makes, those of most rays first."""
    inner, outer = np.nonzero(counts)
    order = np.argsort(-counts[inner, outer], kind="stable")
    return [(int(a), int(b)) for a, b in zip(inner[order], outer[order], strict=True)]


def _crossings(
    layers: Layers, z0: Floats, cot: Floats, slack: float
) -> Iterator[tuple[npt.NDArray[np.bool_], Floats]]:
    """Which rays (N,) cross which layers, (n, L), and at what radius in mm; some of them at a time."""
    for first in range(0, len(z0), RAYS):
        block = slice(first, first + RAYS)
        crossed = np.zeros((len(z0[block]), len(layers)), dtype=bool)
        radius = np.full(crossed.shape, np.inf)
        for i in range(len(layers)):
            if layers.barrel[i]:
                r = np.full(len(crossed), layers.radius[i])
                z = z0[block] + cot[block] * r
                edge = slack * (1.0 + 0.01 * (layers.z_max[i] - layers.z_min[i]))
                inside = (z > layers.z_min[i] - edge) & (z < layers.z_max[i] + edge)
            else:
                with np.errstate(divide="ignore", invalid="ignore"):
                    r = (layers.z[i] - z0[block]) / cot[block]
                edge = slack * (1.0 + 0.01 * layers.r_max[i])
                # A ray that starts beyond a disk goes away from it.
                inside = (r > max(layers.r_min[i] - edge, 0.0)) & (r < layers.r_max[i] + edge)
            crossed[:, i] = inside
            radius[inside, i] = r[inside]
        yield crossed, radius


def _followers(crossed: npt.NDArray[np.bool_], radius: Floats) -> npt.NDArray[np.int64]:
    """(L, L) how many rays cross the second layer right after the first."""
    counts = np.zeros((crossed.shape[1], crossed.shape[1]), dtype=np.int64)
    order = np.argsort(np.where(crossed, radius, np.inf), axis=1, kind="stable")
    rows = np.arange(len(crossed))
    for k in range(crossed.shape[1] - 1):
        a, b = order[:, k], order[:, k + 1]
        both = crossed[rows, a] & crossed[rows, b]
        np.add.at(counts, (a[both], b[both]), 1)
    return counts
