"""True paths with all that the network reads on its way along them, and what the filter says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits, estimated_hits
from smartpix.beam import BeamSpot
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import Header, iterate, open_events
from smartpix.merged.options import SplitOptions
from smartpix.merged.splitter import choose_splitter
from smartpix.schema import InputError
from tracking.finders.trkx.path.features import (
    N_HIT,
    N_TARGET,
    factor,
    hit_features,
    target_features,
    whitened,
)
from tracking.finders.trkx.path.filter import PathFilter
from tracking.finders.trkx.path.options import FilterOptions
from tracking.finders.trkx.path.truth import TruePaths, true_paths

__all__ = ["PathData", "PathEvent", "follow_truth", "joined", "path_data", "path_events"]

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ON_TOP = ("gun", "jets", "displaced", "conversions")
"""Options of the simulation that add particles to the collisions'."""


@dataclass(frozen=True)
class PathData:
    """P paths with predictions after each of their hits, up to M.

    Attributes:
        hit: (P, M, N_HIT) of the hits, and target: (P, M, N_TARGET) of the module that comes next.
        crossing: (P, M, 2) of the particle there, in units in which the filter's cone is a unit circle about
            0.
        known: (P, M) there is such a module, and the filter reaches it.
        area: (P, M) of the filter's cone at one standard deviation, mm2.
        layer: (P, M) of the next module; upright: (P, M) it stands along the beam; overlap: (P, M) it is on
            the layer of the path's last hit.
        path_pt: (P, M) of the filter, GeV; pt: (P,) and eta: (P,) true ones; collisions: (P,) the event has
            collisions alone, and no particles that were shot on top.
    """

    hit: Singles
    target: Singles
    crossing: Singles
    known: Bools
    area: Floats
    layer: Ints
    upright: Bools
    overlap: Bools
    path_pt: Floats
    pt: Floats
    eta: Floats
    collisions: Bools

    def __len__(self) -> int:
        return len(self.pt)

    def take(self, rows: Ints) -> PathData:
        """Some of the paths."""
        return PathData(*(getattr(self, column.name)[rows] for column in fields(self)))


def follow_truth(paths: TruePaths, hits: Hits, filter: PathFilter, collisions: bool = True) -> PathData:
    """Let the filter follow true paths of one event.

    Args:
        collisions: the event has collisions alone.
    """
    n, m = len(paths), max(paths.rows.shape[1] - 1, 1)
    data = PathData(
        np.zeros((n, m, N_HIT), np.float32), np.zeros((n, m, N_TARGET), np.float32),
        np.zeros((n, m, 2), np.float32), np.zeros((n, m), np.bool_), np.ones((n, m)),
        np.zeros((n, m), np.int64), np.zeros((n, m), np.bool_), np.zeros((n, m), np.bool_), np.ones((n, m)),
        paths.pt, paths.eta, np.full(n, collisions),
    )  # fmt: skip
    alive = np.arange(n)
    states, taken = filter.start(hits, paths.rows[:, 0]), None
    for k in range(m):
        data.hit[alive, k] = hit_features(states, hits, paths.rows[alive, k], taken, filter.strength)
        going = np.flatnonzero(paths.count[alive] > k + 1)
        alive, states = alive[going], states.take(going)
        if not len(alive):
            break
        to = paths.rows[alive, k + 1]
        every = np.arange(len(alive))
        taken = filter.predict(states, every, hits, to)
        cholesky = factor(taken.covariance)
        data.target[alive, k] = target_features(
            states, hits, to, taken, np.full(len(alive), k + 1), filter.strength
        )
        data.crossing[alive, k] = whitened(paths.crossing[alive, k + 1] - taken.local, cholesky)
        data.area[alive, k] = np.pi * cholesky[:, 0] * cholesky[:, 2]
        data.layer[alive, k], data.upright[alive, k] = hits.layer[to], hits.upright[to]
        data.overlap[alive, k] = hits.layer[to] == hits.layer[paths.rows[alive, k]]
        data.path_pt[alive, k] = filter.strength / np.maximum(np.abs(states.helix[:, 2]), 1e-9)
        new, good = filter.update(states, every, hits, to)
        good &= taken.reached & np.all(np.isfinite(data.target[alive, k]), axis=1)
        data.known[alive[good], k] = True
        alive, states = alive[good], new.take(np.flatnonzero(good))
        kept = np.flatnonzero(good)
        taken = type(taken)(*(getattr(taken, column.name)[kept] for column in fields(taken)))
    return data


@dataclass(frozen=True)
class PathEvent:
    """True paths of one event.

    Attributes:
        hits: of the event; paths: along these.
        field: along z in T; beam: luminous region, in whose frame the hits are.
        collisions: it has collisions alone, and no particles that were shot on top.
    """

    hits: Hits
    paths: TruePaths
    field: float
    beam: BeamSpot
    collisions: bool


def path_events(
    files: Sequence[Path], split: SplitOptions, pt: tuple[float, float] = (0.2, 10.0), min_hits: int = 3
) -> Iterator[PathEvent]:
    """True paths of all events of simulated files.

    Args:
        pt: range of the particles' transverse momentum, GeV.

    Raises:
        InputError: unusable files, or files without truth.
    """
    for path in files:
        opened = open_events(path)
        if not opened.has_truth:
            raise InputError(f"{path}: has no truth to follow; give simulated files")
        header = opened.header.at_beam()
        estimator = choose_estimator(header)
        splitter = choose_splitter(header, estimator, split)
        for _, records in iterate(path, step=1):
            hits = estimated_hits(records[0]["clusters"], header, estimator, splitter=splitter)
            paths = true_paths(records[0], hits, header.detector, min_hits, pt)
            yield PathEvent(hits, paths, header.field, header.detector.frame, _collisions_alone(header))


def path_data(
    files: Sequence[Path],
    filter: FilterOptions,
    split: SplitOptions,
    pt: tuple[float, float] = (0.2, 10.0),
    min_hits: int = 3,
) -> PathData:
    """True paths of all events of simulated files, followed by the filter.

    Args:
        pt: range of the particles' transverse momentum, GeV.

    Raises:
        InputError: unusable files, files without truth, or without such paths.
    """
    parts = [
        follow_truth(event.paths, event.hits, PathFilter(event.field, filter, event.beam), event.collisions)
        for event in path_events(files, split, pt, min_hits)
    ]
    data = joined(parts)
    if not np.any(data.known):
        raise InputError(
            f"{files[0] if files else 'no files'}: has no particles with {min_hits} hits and pT from {pt[0]:g} "
            f"to {pt[1]:g} GeV; give files with more events (smartpix simulate events)"
        )
    return data


def _collisions_alone(header: Header) -> bool:
    """Whether the simulation shot no particles on top of the collisions; of files that do not say it,
    True.
    """
    options = header.made_by.get("options", {})
    generate = options.get("generate", {}) if isinstance(options, dict) else {}
    return not any(generate.get(name) for name in ON_TOP)


def joined(parts: Sequence[PathData]) -> PathData:
    """One after the other, all as long as the longest."""
    longest = max((part.known.shape[1] for part in parts), default=1)
    columns: list[Any] = []
    for column in fields(PathData):
        values = [getattr(part, column.name) for part in parts]
        if column.name not in ("pt", "eta", "collisions"):
            fill = 1 if column.name in ("area", "path_pt") else 0
            values = [
                np.pad(v, [(0, 0), (0, longest - v.shape[1])] + [(0, 0)] * (v.ndim - 2), constant_values=fill)
                for v in values
            ]
        columns.append(np.concatenate(values) if values else np.zeros((0, longest)))
    return PathData(*columns)
