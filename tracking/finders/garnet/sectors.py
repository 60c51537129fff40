"""Events cut into sectors: the hits that a GarNet sees, and whether a stiff track is among them.

A hit's sector follows from the cone that its own cluster gives: its azimuth, and the pseudorapidity of its
direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions, make_cones
from seeding.hits import Hits, estimated_hits
from seeding.table import is_straight, max_curvature
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tracking.finders.garnet.formats import INPUT, N_INPUTS
from tracking.finders.garnet.options import SectorOptions
from tracking.metrics import EventTruth, truth_of_hits

__all__ = ["Sectors", "cut_event", "joined", "sectors_of_file"]

FLOAT_FRACTION = 20
"""Fraction of the inputs before they are cut to their format."""
RADIUS = 100.0
"""Unit of the radius in mm."""
CURVATURE = 1.0
"""Unit of the curvature in GeV: that of a track of this pT."""


@dataclass(frozen=True)
class Sectors:
    """Sectors of one or more events.

    Attributes:
        codes: (n, V, 4) of the hits, in the format INPUT: radius, azimuth and pseudorapidity about the middle
            of the sector in half widths, curvature; 0 where there is none.
        mask: (n, V) whether there is a hit; label: (n,) whether a stiff track is in the sector.
        hits: (n,) of the sector, more than V where some were left out.
    """

    codes: npt.NDArray[np.int16]
    mask: npt.NDArray[np.bool_]
    label: npt.NDArray[np.bool_]
    hits: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)


def cut_event(
    hits: Hits, truth: EventTruth, field: float, vertices: int, options: SectorOptions, rotation: float = 0.0
) -> Sectors:
    """Sectors of one event.

    Args:
        truth: of these hits.
        field: along z in T.
        vertices: hits of a sector that are kept at most, those of the smallest curvature.
        rotation: of the grid in azimuth, as a share of a sector.

    Raises:
        InputError: there is no field, so that no track bends.
    """
    if is_straight(field):
        raise InputError(
            f"garnet: the field is {field:g} T and stiff tracks are told by their bend; give a field"
        )
    cones = make_cones(hits, field, ConeOptions())
    x, y, _ = hits.position.T
    n_phi, n_eta = options.azimuths, options.pseudorapidities
    along_phi = (np.arctan2(y, x) / (2 * math.pi) * n_phi - rotation) % n_phi
    along_eta = (np.arcsinh(cones.cot_theta) / options.max_eta + 1) / 2 * n_eta
    inside = (along_eta >= 0) & (along_eta < n_eta)
    sector = np.where(inside, np.floor(along_phi) % n_phi * n_eta + np.floor(along_eta), -1).astype(np.int64)
    curvature = cones.curvature / max_curvature(field, 1.0)
    values = np.stack(
        [np.hypot(x, y) / RADIUS, 2 * (along_phi % 1) - 1, 2 * (along_eta % 1) - 1, curvature * CURVATURE],
        axis=1,
    )
    fine = np.floor(np.clip(values, -100, 100) * 2.0**FLOAT_FRACTION).astype(np.int64)
    codes = INPUT.cut(fine, FLOAT_FRACTION)
    n = n_phi * n_eta
    # By sector, and the straightest hits first.
    order = np.lexsort((np.abs(curvature), sector))
    order = order[sector[order] >= 0]
    count = np.bincount(sector[order], minlength=n)
    place = np.arange(len(order)) - (np.cumsum(count) - count)[sector[order]]
    order, place = order[place < vertices], place[place < vertices]
    out, mask = np.zeros((n, vertices, N_INPUTS), dtype=np.int16), np.zeros((n, vertices), dtype=bool)
    out[sector[order], place] = codes[order]
    mask[sector[order], place] = True
    return Sectors(out, mask, _labels(hits, truth, sector, n, options), count)


def _labels(
    hits: Hits, truth: EventTruth, sector: npt.NDArray[np.int64], n: int, options: SectorOptions
) -> npt.NDArray[np.bool_]:
    """Of each sector whether a particle above ``min_pt`` has hits on enough layers there, left-out ones
    too.
    """
    stiff = (truth.main >= 0) & (sector >= 0)
    stiff[stiff] = truth.pt[truth.main[stiff]] > options.min_pt
    # Each layer of a particle in a sector once.
    seen = np.unique(np.stack([sector[stiff], truth.main[stiff], hits.layer[stiff]], axis=1), axis=0)
    pairs, layers = np.unique(seen[:, :2], axis=0, return_counts=True)
    label = np.zeros(n, dtype=bool)
    label[pairs[layers >= options.min_layers, 0]] = True
    return label


def sectors_of_file(path: str | Path, vertices: int, options: SectorOptions) -> Iterator[list[Sectors]]:
    """Sectors of each event of a file, at each rotation of the grid.

    Raises:
        InputError: the file has no truth, or no estimates fit its sensor.
    """
    opened = open_events(path)
    if not opened.has_truth:
        raise InputError(f"{path}: has no truth to train on; give simulated files")
    header = opened.header.at_beam()
    estimator = choose_estimator(opened.header)
    for _, events in iterate(path, step=1):
        record = events[0]
        hits = estimated_hits(record["clusters"], header, estimator)
        truth = truth_of_hits(record, hits, header.detector.frame)
        yield [
            cut_event(hits, truth, header.field, vertices, options, k / options.rotations)
            for k in range(options.rotations)
        ]


def joined(parts: list[Sectors]) -> Sectors:
    """All sectors of some events, those without a hit left out."""
    some = [part.mask.any(1) for part in parts]
    return Sectors(
        np.concatenate([part.codes[s] for part, s in zip(parts, some, strict=True)]),
        np.concatenate([part.mask[s] for part, s in zip(parts, some, strict=True)]),
        np.concatenate([part.label[s] for part, s in zip(parts, some, strict=True)]),
        np.concatenate([part.hits[s] for part, s in zip(parts, some, strict=True)]),
    )
