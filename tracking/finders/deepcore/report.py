"""How good DeepCore's answers and seeds are, against the truth of events that it did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from tracking.finders.deepcore.batches import JetEvent
from tracking.finders.deepcore.jets import smeared
from tracking.finders.deepcore.network import DeepCoreNetwork
from tracking.finders.deepcore.options import MapOptions, SeedCuts, TargetOptions, TrainDeepCoreOptions
from tracking.finders.deepcore.seeds import CoreSeeds, cleaned, make_seeds
from tracking.finders.deepcore.targets import ANGLE, SHIFT, ParticleCrossings, make_targets
from tracking.finders.deepcore.windows import CENTER, Windows, jet_windows

__all__ = ["SeedCounts", "matched_seeds", "seed_report"]

Floats = npt.NDArray[np.float64]
N_SIGMA = 5.0
"""Uncertainties of a seed within which, in position and in angles, a particle is its own."""


@dataclass
class SeedCounts:
    """Sums over events.

    Attributes:
        cuts: of the seeds; n_jets, n_particles, n_found, n_seeds, n_fake: jets with a window, particles in
            them, those that have a seed, seeds, and seeds that no particle is near to.
        residuals: (K, 4) of answers in cells that a particle crosses and where the network is sure of it.
    """

    cuts: SeedCuts
    n_jets: int = 0
    n_particles: int = 0
    n_found: int = 0
    n_seeds: int = 0
    n_fake: int = 0
    residuals: list[Floats] = field(default_factory=list)

    def add(
        self,
        network: DeepCoreNetwork,
        windows: Windows,
        seeds: CoreSeeds,
        crossings: ParticleCrossings,
        targets: TargetOptions,
    ) -> None:
        """Count an event: its windows, the cleaned seeds of these, and who crossed the reference layer."""
        if not len(windows):
            return
        values, probability = (v.numpy() for v in network.answer(torch.from_numpy(windows.maps)))
        target, crossed = make_targets(windows, crossings, network.options, targets)
        least = np.array(self.cuts.thresholds)[None, :, None, None]
        j, o, y, x = np.nonzero((crossed[:, :, 0] > 0) & (probability > least))
        self.residuals.append(values[j, o, :4, y, x] - target[j, o, :4, y, x].astype(np.float64))
        inside = _inside(windows, crossings, network.options) & (crossings.pt > targets.min_pt)
        of_seed, found = matched_seeds(seeds, crossings, self.cuts)
        self.n_jets += len(windows)
        self.n_particles += int(inside.sum())
        self.n_found += int(np.sum(found & inside))
        self.n_seeds += len(seeds)
        self.n_fake += int(np.sum(of_seed < 0))

    def summary(self) -> dict[str, float | None]:
        """What :func:`seed_report` gives."""
        apart = np.concatenate([np.zeros((0, 4)), *self.residuals])
        half: Sequence[float | None] = [None] * 4
        if len(apart):
            scale = (1e3 / SHIFT, 1e3 / SHIFT, 1 / ANGLE, 1 / ANGLE)
            half = (np.quantile(np.abs(apart), 0.68, axis=0) * scale).tolist()
        return {
            "seed_efficiency": self.n_found / max(self.n_particles, 1),
            "seed_fake_rate": self.n_fake / max(self.n_seeds, 1),
            "seeds_per_jet": self.n_seeds / max(self.n_jets, 1),
            "particles_per_jet": self.n_particles / max(self.n_jets, 1),
            **dict(zip(("core_x_um", "core_y_um", "core_eta", "core_phi"), half, strict=True)),
        }


def seed_report(
    network: DeepCoreNetwork,
    events: Sequence[JetEvent],
    options: TrainDeepCoreOptions,
    cuts: SeedCuts | None = None,
) -> dict[str, float | None]:
    """Of the jets of events, each about one smeared axis.

    Returns:
        ``seed_efficiency``: share of the particles in a window that have a seed of their own;
        ``seed_fake_rate``: share of the seeds that no particle is near to (:func:`matched_seeds`);
        ``seeds_per_jet``, ``particles_per_jet``; ``core_x_um``, ``core_y_um``, ``core_eta``, ``core_phi``:
        half widths that hold 68 % of the residuals, in cells that a particle crosses and where the network is
        sure of it: the published definition; None where there is no such cell.
    """
    counts = SeedCounts(cuts or SeedCuts())
    rng = np.random.default_rng(options.seed)
    network.eval()
    for event in events:
        jets = smeared(event.jets, options.smear_axis, options.smear_pt, rng)
        windows = jet_windows(event.clusters, jets, event.layers, options.maps)
        values, probability = (v.numpy() for v in network.answer(torch.from_numpy(windows.maps)))
        made = make_seeds(windows, values, probability, options.maps, options.targets, counts.cuts)
        counts.add(network, windows, cleaned(made, counts.cuts), event.crossings, options.targets)
    return counts.summary()


def matched_seeds(
    seeds: CoreSeeds, crossings: ParticleCrossings, cuts: SeedCuts
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Each seed's own particle, and which particles have a seed.

    A particle may be a seed's own within :data:`N_SIGMA` of the fixed uncertainties, in position and angles.
    Of several the nearest in position is.

    Returns:
        (S,) rows of the crossings, -1: none; (T,) bool.
    """
    of_seed = np.full(len(seeds), -1, dtype=np.int64)
    found = np.zeros(len(crossings), dtype=bool)
    for k in range(len(seeds)):
        away = np.abs(crossings.point - seeds.point[k])
        turn = np.abs((crossings.phi - seeds.phi[k] + np.pi) % (2 * np.pi) - np.pi)
        near = (crossings.module == seeds.module[k]) & np.all(away < N_SIGMA * cuts.sigma_position, axis=1)
        near &= turn < N_SIGMA * cuts.sigma_angle
        near &= np.abs(crossings.eta - seeds.eta[k]) < N_SIGMA * cuts.sigma_angle
        if np.any(near):
            of_seed[k] = int(np.argmin(np.where(near, np.hypot(*away.T), np.inf)))
            found[of_seed[k]] = True
    return of_seed, found


def _inside(windows: Windows, crossings: ParticleCrossings, maps: MapOptions) -> npt.NDArray[np.bool_]:
    """(T,) particles that cross a window's own module within its filled cells."""
    inside = np.zeros(len(crossings), dtype=bool)
    half = (CENTER - 0.5) * np.array([maps.cell_x, maps.cell_y])
    for module, point in zip(windows.module, windows.point, strict=True):
        inside |= (crossings.module == module) & np.all(np.abs(crossings.point - point) < half, axis=1)
    return inside
