"""What DeepCore learns: which particles cross each cell of the reference layer, and their parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.schema import MIN_SHARE
from tracking.finders.deepcore.options import N_CELLS, N_OVERLAPS, N_PARAMETERS, MapOptions, TargetOptions
from tracking.finders.deepcore.windows import CENTER, REFERENCE, MapLayers, Windows
from tracking.metrics.truth import pseudorapidity

__all__ = ["ANGLE", "SHIFT", "ParticleCrossings", "make_targets", "particle_crossings"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Maps = npt.NDArray[np.float32]

SHIFT = 10.0
"""Factor of shifts from the cell's centre in mm: the published one is 100 for cm."""
ANGLE = 100.0
"""Factor of angles from the jet's axis, in pseudorapidity and in rad."""


@dataclass(frozen=True)
class ParticleCrossings:
    """Where the particles of an event cross the reference layer, each once.

    Attributes:
        particle: (T,) its id; module: (T,) rows; point: (T, 2) x and y there, mm.
        eta, phi: (T,) of its direction there; pt: (T,) in GeV.
    """

    particle: Ints
    module: Ints
    point: Floats
    eta: Floats
    phi: Floats
    pt: Floats

    def __len__(self) -> int:
        return len(self.particle)

    def take(self, rows: npt.NDArray[np.bool_]) -> ParticleCrossings:
        """Some of them."""
        return ParticleCrossings(*(getattr(self, column.name)[rows] for column in fields(self)))


def particle_crossings(clusters: ak.Array, layers: MapLayers) -> ParticleCrossings:
    """Crossings of one event's cluster records with truth, of who made at least ``MIN_SHARE`` of one.

    Of a particle that crosses the layer on two modules that overlap, or returns to it, the first counts.
    """
    detector = layers.detector
    module = ak.to_numpy(clusters["module_index"]).astype(np.int64)
    truth = clusters["truth"]
    owner = np.repeat(np.arange(len(module)), ak.to_numpy(ak.num(truth, axis=1)))
    flat = ak.flatten(truth, axis=1)
    column = {name: ak.to_numpy(flat[name]) for name in flat.fields}
    keep = (layers.maps[module[owner]] == REFERENCE) & (column["share"] >= MIN_SHARE)
    owner = owner[keep]
    column = {name: values[keep] for name, values in column.items()}
    order = np.lexsort((column["order"], column["particle_id"]))
    particle, first = np.unique(column["particle_id"][order], return_index=True)
    rows = order[first]
    on = module[owner[rows]]
    slopes = np.stack([column["cot_alpha"], column["cot_beta"]], axis=1)[rows].astype(np.float64)
    direction = detector.direction_to_global(on, np.column_stack([slopes, np.ones(len(rows))]))
    return ParticleCrossings(
        particle.astype(np.int64), on,
        np.stack([column["x"], column["y"]], axis=1)[rows].astype(np.float64),
        pseudorapidity(*direction.T), np.arctan2(direction[:, 1], direction[:, 0]),
        column["pt"][rows].astype(np.float64),
    )  # fmt: skip


def make_targets(
    windows: Windows, crossings: ParticleCrossings, maps: MapOptions, options: TargetOptions
) -> tuple[Maps, Maps]:
    """Targets of windows of one event: parameters (J, 3, 6, 30, 30) and probabilities (J, 3, 2, 30, 30).

    In each cell the particles that are near it are sorted by their distance from its centre; the first three
    fill the overlaps. A particle's probability is 1 in the cell that it crosses. The last channel of both is
    1 where there is a particle near. Parameters are 10 dx, 10 dy (mm, from the cell's centre), 100 deta, 100
    dphi (from the axis), and 1 / pT (1/GeV) or pT (GeV).
    """
    crossings = crossings.take(crossings.pt > options.min_pt)
    n, aims = len(windows), windows.crossings
    parameters = np.zeros((n, N_OVERLAPS, N_PARAMETERS + 1, N_CELLS, N_CELLS), dtype=np.float32)
    probability = np.zeros((n, N_OVERLAPS, 2, N_CELLS, N_CELLS), dtype=np.float32)
    # All particles on a module whose plane a jet crosses, about the point where it does.
    jet, particle = _on_same_module(aims.jet, aims.module, aims.point, crossings)
    momentum = 1 / crossings.pt if options.momentum == "inverse" else crossings.pt
    values = np.empty((len(jet), N_PARAMETERS))
    cell = np.array([maps.cell_x, maps.cell_y])
    row = jet[:, 0]
    values[:, :2] = crossings.point[particle] - aims.point[jet[:, 1]]
    turn = crossings.phi[particle] - windows.jets.phi[row]
    values[:, 2] = ANGLE * (crossings.eta[particle] - windows.jets.eta[row])
    values[:, 3] = ANGLE * ((turn + np.pi) % (2 * np.pi) - np.pi)
    values[:, 4] = momentum[particle]
    start = np.searchsorted(row, np.arange(n + 1))
    _fill(parameters, probability, start, values, cell, options.distance, options.near == "radius")
    return parameters, probability


def _on_same_module(
    jet: Ints, module: Ints, point: Floats, crossings: ParticleCrossings
) -> tuple[Ints, Ints]:
    """Pairs of a jet's crossing and a particle's on one module: (P, 2) the jet and the row of its crossing,
    sorted by jet, and (P,) rows of the particles'.
    """
    order = np.argsort(crossings.module, kind="stable")
    start = np.searchsorted(crossings.module[order], module, side="left")
    count = np.searchsorted(crossings.module[order], module, side="right") - start
    row = np.repeat(np.arange(len(jet)), count)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([jet[row], row], axis=1), order[start[row] + place]


@njit(cache=True, nogil=True)
def _fill(
    parameters: Any, probability: Any, start: Any, values: Any, cell: Any, distance: float, radius: bool
) -> None:
    """Fill the targets of jets, whose particles are ``values`` (P, 5) from ``start`` (J + 1,) on; shifts are
    from the crossing of the axis in mm.
    """
    who = np.empty((N_OVERLAPS, N_CELLS, N_CELLS), dtype=np.int64)
    away = np.empty((N_OVERLAPS, N_CELLS, N_CELLS))
    for j in range(len(start) - 1):
        who[:] = -1
        away[:] = np.inf
        for p in range(start[j], start[j + 1]):
            _enter(who, away, p, values[p, 0] / cell[0], values[p, 1] / cell[1], cell, distance, radius)
        for overlap in range(N_OVERLAPS):
            for y in range(1, N_CELLS):
                for x in range(1, N_CELLS):
                    p = who[overlap, y, x]
                    if p < 0:
                        continue
                    dx, dy = values[p, 0] / cell[0] - (x - CENTER), values[p, 1] / cell[1] - (y - CENTER)
                    parameters[j, overlap, 0, y, x] = SHIFT * dx * cell[0]
                    parameters[j, overlap, 1, y, x] = SHIFT * dy * cell[1]
                    for k in range(2, N_PARAMETERS):
                        parameters[j, overlap, k, y, x] = values[p, k]
                    parameters[j, overlap, N_PARAMETERS, y, x] = 1.0
                    probability[j, overlap, 1, y, x] = 1.0
                    crossed = np.floor(dx + 0.5) == 0 and np.floor(dy + 0.5) == 0
                    probability[j, overlap, 0, y, x] = 1.0 if crossed else 0.0


@njit(cache=True, nogil=True)
def _enter(who: Any, away: Any, p: int, x: float, y: float, cell: Any, distance: float, radius: bool) -> None:
    """Sort a particle at (x, y), in cells from the axis, into the lists of the cells that it is near."""
    own_x, own_y, reach = int(np.floor(x + 0.5)) + CENTER, int(np.floor(y + 0.5)) + CENTER, int(distance)
    # The radius is from the particle itself, which may be half a cell off the centre of its own.
    reach += 1 if radius else 0
    for row in range(max(own_y - reach, 1), min(own_y + reach + 1, N_CELLS)):
        for column in range(max(own_x - reach, 1), min(own_x + reach + 1, N_CELLS)):
            dx, dy = x - (column - CENTER), y - (row - CENTER)
            if radius and dx * dx + dy * dy > distance * distance:
                continue
            apart, entry = (dx * cell[0]) ** 2 + (dy * cell[1]) ** 2, p
            for overlap in range(N_OVERLAPS):
                if apart < away[overlap, row, column]:
                    last = away[overlap, row, column], who[overlap, row, column]
                    away[overlap, row, column], who[overlap, row, column] = apart, entry
                    apart, entry = last
