"""What DeepCore sees of a jet: maps of charge about where its axis crosses each layer.

The published maps are in the pixels of one module, about the pixel that the axis crosses. Ours are in cells
of our own size along the axes of each module, about the point that the axis crosses on its plane. Where
modules overlap, each adds its charge about its own point, so that both hits of a particle are in the same
cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.compiled import njit
from smartpix.geometry import Detector
from smartpix.schema import InputError
from tracking.finders.deepcore.jets import Jets
from tracking.finders.deepcore.options import N_CELLS, MapOptions

__all__ = ["CENTER", "CHARGE", "REFERENCE", "JetCrossings", "MapLayers", "Windows", "jet_windows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CHARGE = 14_000.0
"""Charge in e that is 1 in a map: the published divisor, of ADC counts that CMS calibrates to electrons."""
CENTER = N_CELLS // 2
"""Row and column of the cell in whose middle the axis crosses. Only cells nearer than this are filled."""
REFERENCE = 1
"""Map of the layer that targets and seeds are on: the barrel's second."""


@dataclass(frozen=True)
class MapLayers:
    """The detector's modules of each map.

    Attributes:
        detector: whose layers these are.
        barrel: (4,) rows of the inner layers, the innermost first; disks: (2, 0 or 3) those behind and
            before the interaction region, the nearest first.
    """

    detector: Detector
    barrel: Ints
    disks: Ints

    @classmethod
    def of(cls, detector: Detector, options: MapOptions) -> MapLayers:
        """The layers that options ask for.

        Raises:
            InputError: the detector has too few.
        """
        layers, n_disks = detector.layers, options.n_layers - 4
        barrel = np.flatnonzero(layers.barrel)
        barrel = barrel[np.argsort(layers.radius[barrel])][:4]
        disks = []
        for side in (-1.0, 1.0):
            rows = np.flatnonzero(~layers.barrel & (side * layers.z > 0))
            disks.append(rows[np.argsort(np.abs(layers.z[rows]))][:n_disks])
        if len(barrel) < 4 or min(map(len, disks)) < n_disks:
            raise InputError(
                f"deepcore: the maps are of 4 barrel layers and {n_disks} disks on each side, and the "
                f"detector has {len(barrel)} and {min(map(len, disks))}; take another finder"
            )
        return cls(detector, barrel, np.stack(disks))

    @cached_property
    def maps(self) -> Ints:
        """(M,) map of each module; -1: in none. Disks of both sides share theirs."""
        of_layer = np.full(len(self.detector.layers), -1, dtype=np.int64)
        for rows, first in ((self.barrel, 0), *((side, 4) for side in self.disks)):
            of_layer[rows] = first + np.arange(len(rows))
        return of_layer[self.detector.layer_index]


@dataclass(frozen=True)
class JetCrossings:
    """Where axes cross the planes of modules, at most a window beyond the modules' edges.

    Attributes:
        jet, module: (K,) sorted by jet; point: (K, 2) x and y there, mm.
        reference: (J,) row of the crossing on :data:`REFERENCE`'s module that the axis is deepest in; -1: it
            is in none.
    """

    jet: Ints
    module: Ints
    point: Floats
    reference: Ints

    @classmethod
    def of(cls, jets: Jets, layers: MapLayers, options: MapOptions) -> JetCrossings:
        """Crossings of straight axes from the jets' vertices."""
        detector, maps = layers.detector, layers.maps
        modules = np.flatnonzero(maps >= 0)
        axes, center = detector.axes[modules], detector.center[modules]
        direction = jets.directions()
        vertex = np.stack([0 * jets.z, 0 * jets.z, jets.z], axis=1)
        normal = axes[:, :, 2]
        speed = direction @ normal.T
        # Along a plane there is no crossing; a path of 0 is not ahead.
        ahead = np.abs(speed) > 1e-9
        path = ((center * normal).sum(axis=1) - vertex @ normal.T) / np.where(ahead, speed, 1.0)
        shift = [
            (vertex @ axes[:, :, k].T - (center * axes[:, :, k]).sum(axis=1))
            + path * (direction @ axes[:, :, k].T)
            for k in range(2)
        ]
        beyond_x = np.abs(shift[0]) - detector.half_x[modules]
        beyond_y = np.abs(shift[1]) - detector.half_y[modules]
        near = ahead & (path > 0)
        near &= (beyond_x < CENTER * options.cell_x) & (beyond_y < CENTER * options.cell_y)
        jet, column = np.nonzero(near)
        point = np.stack([values[jet, column] for values in shift], axis=1)
        reference = np.full(len(jets), -1, dtype=np.int64)
        beyond = np.maximum(beyond_x, beyond_y)[jet, column]
        inside = np.flatnonzero((maps[modules[column]] == REFERENCE) & (beyond <= 0))
        inside = inside[np.argsort(-beyond[inside], kind="stable")]
        reference[jet[inside]] = inside
        return cls(jet, modules[column], point, reference)


@dataclass(frozen=True)
class Windows:
    """Maps of J jets.

    Attributes:
        jets: whose maps these are; each crosses a module of the reference layer.
        maps: (J, C, 30, 30) charge over :data:`CHARGE`, rows along y and columns along x; then the jets'
            pseudorapidity and their pT in GeV.
        crossings: of these jets.
        module: (J,) of the reference layer; point: (J, 2) x and y of the axis there, mm.
        layer_off: (J,) one of the four cylinders' maps is empty; where there are maps of disks, all four are.
    """

    jets: Jets
    maps: npt.NDArray[np.float32]
    crossings: JetCrossings
    module: Ints
    point: Floats
    layer_off: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.jets)


def jet_windows(clusters: FlatClusters, jets: Jets, layers: MapLayers, options: MapOptions) -> Windows:
    """Maps of those of the jets whose axes cross the reference layer.

    Args:
        clusters: of the event; the last of their slices is their charge.
    """
    crossings = JetCrossings.of(jets, layers, options)
    if np.any(crossings.reference < 0):
        jets = jets.take(crossings.reference >= 0)
        crossings = JetCrossings.of(jets, layers, options)
    detector = layers.detector
    maps = np.zeros((len(jets), options.n_channels, N_CELLS, N_CELLS), dtype=np.float32)
    maps[:, -2] = jets.eta[:, None, None]
    maps[:, -1] = jets.pt[:, None, None]
    order = np.argsort(clusters.module, kind="stable")
    start = np.searchsorted(clusters.module[order], crossings.module, side="left")
    stop = np.searchsorted(clusters.module[order], crossings.module, side="right")
    # From the module's edge to the lower edge of the window's first cell.
    half = np.stack([detector.half_x, detector.half_y], axis=1)[crossings.module]
    cell = np.array([options.cell_x, options.cell_y])
    edge = crossings.point + half - (CENTER + 0.5) * cell
    pitch = np.stack([detector.pitch_x, detector.pitch_y], axis=1)[crossings.module]
    _fill(
        maps, crossings.jet, layers.maps[crossings.module], start, stop, order, edge, pitch, cell,
        clusters.first, clusters.counts, clusters.row, clusters.column,
        np.ascontiguousarray(clusters.charge[:, -1]),
    )  # fmt: skip
    lit = np.any(maps[:, :4] != 0, axis=(2, 3))
    # A forward jet leaves the cylinders early, and a barrel one meets no disk.
    layer_off = ~lit.any(axis=1) if options.n_layers > 4 else ~lit.all(axis=1)
    row = crossings.reference
    return Windows(jets, maps, crossings, crossings.module[row], crossings.point[row], layer_off)


@njit(cache=True, nogil=True)
def _fill(
    maps: Any, jet: Any, plane: Any, start: Any, stop: Any, order: Any, edge: Any, pitch: Any, cell: Any,
    first: Any, counts: Any, row: Any, column: Any, charge: Any,
) -> None:  # fmt: skip
    """Add the charges of the pixels on modules (K,) to the maps (J, C, N, N) of their jets.

    Args:
        start, stop: (K,) of the clusters of each module in ``order``; edge, pitch: (K, 2) in x and y.
    """
    for k in range(len(jet)):
        for c in order[start[k] : stop[k]]:
            for p in range(first[c], first[c] + counts[c]):
                x = int(np.floor(((column[p] + 0.5) * pitch[k, 0] - edge[k, 0]) / cell[0]))
                y = int(np.floor(((row[p] + 0.5) * pitch[k, 1] - edge[k, 1]) / cell[1]))
                if 0 < x < N_CELLS and 0 < y < N_CELLS:
                    maps[jet[k], plane[k], y, x] += charge[p] / CHARGE
