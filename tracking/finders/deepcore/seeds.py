"""DeepCore's answers to seeds: probable particles, each once, with fixed uncertainties."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from tracking.finders.deepcore.options import MapOptions, SeedCuts, TargetOptions
from tracking.finders.deepcore.targets import ANGLE, SHIFT
from tracking.finders.deepcore.windows import CENTER, Windows

__all__ = ["CoreSeeds", "cleaned", "make_seeds"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SOFTEST, STIFFEST = 0.1, 1e4
"""GeV, of a seed, whatever the network answers."""


@dataclass(frozen=True)
class CoreSeeds:
    """Seeds of one event on the reference layer.

    Attributes:
        jet: (S,) row of its window; module: (S,) rows; point: (S, 2) x and y there, mm.
        eta, phi: (S,) of its direction there; pt: (S,) in GeV.
        probability: (S,) of the network; overlap: (S,) 0 to 2, which of its cell's particles it is.
    """

    jet: Ints
    module: Ints
    point: Floats
    eta: Floats
    phi: Floats
    pt: Floats
    probability: Floats
    overlap: Ints

    def __len__(self) -> int:
        return len(self.jet)

    def take(self, rows: npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]) -> CoreSeeds:
        """Some of the seeds."""
        return CoreSeeds(*(getattr(self, column.name)[rows] for column in fields(self)))

    def slopes(self, detector: Detector) -> Floats:
        """(S, 2) cot alpha and cot beta on their modules."""
        direction = np.stack([np.cos(self.phi), np.sin(self.phi), np.sinh(self.eta)], axis=1)
        local = detector.direction_to_local(self.module, direction)
        return local[:, :2] / local[:, 2:]


def make_seeds(
    windows: Windows,
    parameters: npt.NDArray[np.float32],
    probability: npt.NDArray[np.float32],
    maps: MapOptions,
    targets: TargetOptions,
    cuts: SeedCuts,
) -> CoreSeeds:
    """All seeds of the windows of one event; :func:`cleaned` keeps one of those that are the same.

    Args:
        parameters: (J, 3, 5, 30, 30) and probability: (J, 3, 30, 30), the network's answers.
        targets: which momentum the network learned.
    """
    least = np.array(cuts.thresholds)[None, :] - cuts.layer_off * windows.layer_off[:, None]
    # The empty edge of the maps is no place for a particle.
    probable = probability > least[:, :, None, None]
    probable[:, :, 0], probable[:, :, :, 0] = False, False
    jet, overlap, row, column = np.nonzero(probable)
    answers = parameters[jet, overlap, :, row, column].astype(np.float64)
    cell = np.stack([(column - CENTER) * maps.cell_x, (row - CENTER) * maps.cell_y], axis=1)
    phi = windows.jets.phi[jet] + answers[:, 3] / ANGLE
    stiff = np.clip(answers[:, 4], 1 / STIFFEST, None)
    pt = 1 / stiff if targets.momentum == "inverse" else stiff
    return CoreSeeds(
        jet, windows.module[jet], windows.point[jet] + cell + answers[:, :2] / SHIFT,
        windows.jets.eta[jet] + answers[:, 2] / ANGLE, (phi + np.pi) % (2 * np.pi) - np.pi,
        np.clip(pt, SOFTEST, STIFFEST), probability[jet, overlap, row, column].astype(np.float64), overlap,
    )  # fmt: skip


def cleaned(seeds: CoreSeeds, cuts: SeedCuts) -> CoreSeeds:
    """The most probable ones of seeds that are the same: on one module, and near in position and in angles.

    Seeds are taken in the order of their probability; one is left out if it is the same as one that was
    taken.
    """
    order = np.argsort(-seeds.probability, kind="stable")
    taken: list[int] = []
    for k in order:
        kept = np.array(taken, dtype=np.int64)
        turn = np.abs((seeds.phi[kept] - seeds.phi[k] + np.pi) % (2 * np.pi) - np.pi)
        same = (seeds.module[kept] == seeds.module[k]) & (turn < cuts.angle)
        same &= np.all(np.abs(seeds.point[kept] - seeds.point[k]) < cuts.distance, axis=1)
        same &= np.abs(seeds.eta[kept] - seeds.eta[k]) < cuts.angle
        if not np.any(same):
            taken.append(int(k))
    return seeds.take(np.array(sorted(taken), dtype=np.int64))
