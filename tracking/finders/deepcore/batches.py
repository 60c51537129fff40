"""Jets to train DeepCore on: true ones of simulated events, their maps and targets in batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from smartpix.clusters import FlatClusters, flatten
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tracking.finders.deepcore.jets import Jets, cone_jets, smeared
from tracking.finders.deepcore.options import N_CELLS, TrainDeepCoreOptions
from tracking.finders.deepcore.targets import ParticleCrossings, make_targets, particle_crossings
from tracking.finders.deepcore.windows import JetCrossings, MapLayers, jet_windows
from tracking.metrics.truth import pseudorapidity

__all__ = ["PT_UNIT", "Batch", "JetEvent", "batches", "jet_event", "jet_events", "mirrored_batch"]

Batch = tuple[Tensor, tuple[Tensor, Tensor]]
PT_UNIT = 1000.0
"""GeV: the weights of the pT map are learned for TeV, near 1 as the other maps, and saved for GeV."""
MIXED = 8
"""Batches whose jets are made and shuffled together."""


@dataclass(frozen=True)
class JetEvent:
    """What the training knows of one event.

    Attributes:
        clusters: those near a jet; jets: true ones; crossings: of all particles on the reference layer.
        layers: of its detector.
    """

    clusters: FlatClusters
    jets: Jets
    crossings: ParticleCrossings
    layers: MapLayers


def jet_events(
    files: Sequence[Path], options: TrainDeepCoreOptions, report: Callable[[str], None]
) -> tuple[list[JetEvent], list[JetEvent]]:
    """Events to train on, and those of the report: the last ones of every file."""
    train: list[JetEvent] = []
    held: list[JetEvent] = []
    for path in files:
        opened = open_events(path)
        if not opened.has_truth:
            raise InputError(f"{path}: has no truth to train on; give simulated files")
        header = opened.header.at_beam()
        layers = MapLayers.of(header.detector, options.maps)
        n_held = max(math.ceil(options.validation_share * opened.n_events), 1)
        for k, (_, records) in enumerate(iterate(path, step=1)):
            event = jet_event(records[0], header.slices, layers, options)
            (held if k >= opened.n_events - n_held else train).append(event)
    n_train, n_held = (sum(len(event.jets) for event in part) for part in (train, held))
    if not n_train or not n_held:
        raise InputError(
            f"{files[0]}: has {n_train} jets to train on and {n_held} to report on, of pT > "
            f"{options.jets.min_pt:g} GeV and |eta| < {options.jets.max_eta:g}; give files of events with "
            f"jets (smartpix simulate events --jets N --jet-pt LOW HIGH), with two events or more"
        )
    report(f"{n_train} jets to train on, {n_held} held out")
    return train, held


def jet_event(
    record: Any, slices: Sequence[int], layers: MapLayers, options: TrainDeepCoreOptions
) -> JetEvent:
    """An event of its record, with its true jets: those of its charged particles."""
    frame = layers.detector.frame
    particles = record["particles"]
    column = {
        name: np.asarray(particles[name], dtype=np.float64)
        for name in ("vx", "vy", "vz", "px", "py", "pz", "charge")
    }
    vertex, momentum = (np.stack([column[a + b] for b in "xyz"], axis=1)[column["charge"] != 0] for a in "vp")
    if not frame.is_centred:
        vertex, momentum = frame.to_beam(vertex), frame.direction_to_beam(momentum)
    x, y, z = momentum.T
    jets = cone_jets(pseudorapidity(x, y, z), np.arctan2(y, x), np.hypot(x, y), vertex[:, 2], options.jets)
    clusters = flatten(record["clusters"], slices[-1:])
    if len(jets):
        # Wider than any axis is smeared.
        wide = Jets(*np.repeat([jets.eta, jets.phi, jets.pt, jets.z], 9, axis=1))
        step = 3 * options.smear_axis * np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]).T
        wide = Jets(
            wide.eta + np.tile(step[0], len(jets)), wide.phi + np.tile(step[1], len(jets)), wide.pt, wide.z
        )
        near = np.isin(clusters.module, JetCrossings.of(wide, layers, options.maps).module)
        clusters = clusters.take(np.flatnonzero(near))
    return JetEvent(clusters, jets, particle_crossings(record["clusters"], layers), layers)


def batches(
    events: Sequence[JetEvent], options: TrainDeepCoreOptions, rng: np.random.Generator, mirror: bool
) -> Iterator[Batch]:
    """Maps and targets of all jets in random order, each about a smeared axis; half of them mirrored.

    Args:
        mirror: turn some of them about, from +z to -z.
    """
    kept: list[tuple[npt.NDArray[np.float32], ...]] = []
    n_kept = 0
    for number in rng.permutation(len(events)):
        event = events[number]
        jets = smeared(event.jets, options.smear_axis, options.smear_pt, rng)
        windows = jet_windows(event.clusters, jets, event.layers, options.maps)
        kept.append((windows.maps, *make_targets(windows, event.crossings, options.maps, options.targets)))
        n_kept += len(windows)
        if n_kept >= MIXED * options.batch_size:
            yield from _shuffled(kept, options.batch_size, rng, mirror)
            kept, n_kept = [], 0
    if n_kept:
        yield from _shuffled(kept, options.batch_size, rng, mirror)


def _shuffled(
    parts: Sequence[tuple[npt.NDArray[np.float32], ...]], size: int, rng: np.random.Generator, mirror: bool
) -> Iterator[Batch]:
    """Batches of the jets of some events, whose maps are made together: all would not fit the memory."""
    maps, parameters, probability = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    maps[:, -1] /= PT_UNIT
    order = rng.permutation(len(maps))
    for first in range(0, len(maps), size):
        rows = order[first : first + size]
        batch = [torch.from_numpy(values[rows]) for values in (maps, parameters, probability)]
        if mirror:
            turned = torch.from_numpy(rng.random(len(rows)) < 0.5)
            for values, mirrored in zip(batch, mirrored_batch(*batch), strict=True):
                values[turned] = mirrored[turned]
        yield batch[0], (batch[1], batch[2])


def mirrored_batch(maps: Tensor, parameters: Tensor, probability: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Jets seen in a mirror across the beam: x, pseudorapidity and their differences change sign.

    A barrel sensor drifts along y only, so that the mirrored jet is as likely. The other direction has no
    such mirror, since bend and drift would turn about. On disks x is radial on both sides, and y turns about.
    """
    turned = [_turned(values, -1) for values in (maps, parameters, probability)]
    turned[0][:, 4:-2] = _turned(maps[:, 4:-2], -2)
    turned[0][:, -2] *= -1
    turned[1][:, :, (0, 2)] *= -1
    return turned[0], turned[1], turned[2]


def _turned(values: Tensor, along: int) -> Tensor:
    """Rows or columns the other way round: the first is empty, and the axis is in the middle of the 15th."""
    return torch.cat(
        [values.narrow(along, 0, 1), values.narrow(along, 1, N_CELLS - 1).flip(along)], dim=along
    )
