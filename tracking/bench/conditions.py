"""Events as they would be in another world: dead modules, and a detector that is not what its table says."""

from __future__ import annotations

from dataclasses import replace

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.calibration import displaced
from smartpix.dead_modules import without_modules
from smartpix.geometry import Detector
from smartpix.io.events import Header

__all__ = ["DEAD_SEED", "alive_modules", "believed_header", "targets_in", "without_dead"]

DEAD_SEED = 9402
"""Of which modules are dead: whatever the events."""
SHIFT_SEED = 23_004
"""Of where the modules are, likewise."""

Floats = npt.NDArray[np.float64]


def alive_modules(n_modules: int, share: float) -> npt.NDArray[np.bool_]:
    """(M,) modules that live where a share of them is dead."""
    return np.asarray(np.random.default_rng(DEAD_SEED).random(n_modules) >= share)


def without_dead(records: ak.Array, n_modules: int, share: float) -> ak.Array:
    """Events without the clusters of some modules."""
    if not share:
        return records
    dead = np.flatnonzero(~alive_modules(n_modules, share))
    clusters = [without_modules(of_event, dead) for of_event in records["clusters"]]
    return ak.with_field(records, ak.concatenate([one[np.newaxis] for one in clusters]), "clusters")


def targets_in(targets: Floats, module: npt.NDArray[np.int32], true: Detector, believed: Detector) -> Floats:
    """(N, 4) x, y (mm), cot alpha and cot beta of crossings as a detector would have them whose modules lie
    elsewhere.

    Args:
        targets: (N, 4) of the crossings, in the frames of the modules where they truly are.
        true, believed: the same modules, where they are and where they are thought to be; in one frame.
    """
    point = believed.to_local(module, true.to_global(module, targets[:, :2]))
    ahead = np.concatenate([targets[:, 2:], np.ones((len(targets), 1))], axis=1)
    direction = believed.direction_to_local(module, true.direction_to_global(module, ahead))
    cot = direction[:, :2] / direction[:, 2:]
    # From the true module's plane along the track to the one it is thought to be in.
    return np.concatenate([point[:, :2] - cot * point[:, 2:], cot], axis=1)


def believed_header(header: Header, name: str, size: float) -> Header:
    """A file's header as the chain gets it: what is wrong with the detector is wrong in its table.

    The modules of the table are moved, and those that made the clusters are not: what matters is where one
        lies
    beside the other.
    """
    n = len(header.detector)
    if name == "shift":
        off = np.random.default_rng(SHIFT_SEED).normal(size=(n, 3)) * size / 1000
        return replace(header, detector=displaced(header.detector, off, np.zeros((n, 3))))
    if name == "tilt":
        turn = np.random.default_rng(SHIFT_SEED).normal(size=(n, 3)) * size / 1000
        return replace(header, detector=displaced(header.detector, np.zeros((n, 3)), turn))
    if name == "field":
        return replace(header, field=header.field * (1 + size / 100))
    return header
