"""How many of the barrel's particles the talk's binned LSTM finds, beside the finder of the learned cone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.schema import InputError
from tracking.bench.events import Event, load_sample
from tracking.finders.clock import processor_time, stage_time
from tracking.finders.finder import FinderInput
from tracking.finders.training import event_seed, n_parameters
from tracking.finders.trkx.path.binned import (
    BinnedNetwork,
    binned_tracks,
    binned_windows,
    train_binned,
    true_bins,
)
from tracking.finders.trkx.path.finder import PathFinder
from tracking.finders.trkx.path.options import BinnedOptions
from tracking.metrics import score_tracks

log = logging.getLogger(__name__)

__all__ = ["CUTS", "binned_study"]

Rows = list[npt.NDArray[np.int64]]
CUTS = tuple(k / 20 for k in range(20))
"""Least mean probabilities of a track's bins that are tried."""


def binned_study(
    training: str | Path,
    tuning: str | Path,
    test: str | Path,
    options: BinnedOptions | None = None,
    limit: int = 1000,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Train the binned LSTM on the events of one file, choose its cut on those of another, and find tracks in
    those of a third.

    Particles are those that are findable and made a hit on the first cylinder, and hits on as many cylinders
    as a track needs. The learned cone's finder sees all hits, and its tracks with such hits count. The cut is
    that of :data:`CUTS` with the largest product of efficiency and purity.

    Returns:
        ``binned`` and ``path``: ``efficiency``, ``fake_rate``, ``n_tracks`` and ``ms`` of processor time an
            event;
        ``binned`` also ``min_probability``, the cut. ``points``: ``min_probability``, ``efficiency``,
        ``fake_rate``, ``n_tracks`` at each cut, on the events of the test. ``n_particles``, ``n_events``,
        ``n_training`` and ``n_tuning`` events, ``parameters`` of the LSTM.

    Raises:
        InputError: unusable files, two of the same seed, or one that does not name it.
    """
    options = options or BinnedOptions()
    _check_apart([training, tuning, test])
    learned, tuned, sample = (load_sample(path, limit) for path in (training, tuning, test))
    detector, field = sample.header.detector, sample.header.field
    made = [binned_windows(event.hits, detector, options) for event in learned.events]
    pairs = [(w, true_bins(w, e.truth.main)) for w, e in zip(made, learned.events, strict=True)]
    network = train_binned(pairs, options, report)
    curve = [_at_cut(network, tuned.events, detector, options, cut) for cut in CUTS]
    best = max(curve, key=lambda point: point["efficiency"] * (1 - point["fake_rate"]))
    chosen = replace(options, min_probability=best["min_probability"])
    path = PathFinder.for_detector(detector, field)
    cylinders = _cylinders(detector)
    found: dict[str, list[Rows]] = {"binned": [], "path": []}
    ms: dict[str, list[float]] = {"binned": [], "path": []}
    with processor_time():
        now = stage_time()
        for event in sample.events:
            started = now()
            tracks = binned_tracks(network, binned_windows(event.hits, detector, chosen), event.hits, chosen)
            ms["binned"].append(1e3 * (now() - started))
            started = now()
            rows = path(FinderInput(event.clusters, event.hits, detector, field)).rows()
            ms["path"].append(1e3 * (now() - started))
            found["binned"].append(tracks.rows())
            layers = [event.hits.layer[r] for r in rows]
            found["path"].append(
                [r for r, at in zip(rows, layers, strict=True) if _through(at, cylinders, options.min_layers)]
            )
    wanted = [_wanted(event, cylinders, options.min_layers) for event in sample.events]
    result: dict[str, Any] = {
        name: {**_rates(sample.events, rows, wanted), "ms": float(np.median(ms[name]))}
        for name, rows in found.items()
    }
    result["binned"]["min_probability"] = chosen.min_probability
    return {
        **result, "points": [_at_cut(network, sample.events, detector, options, cut) for cut in CUTS],
        "n_particles": sum(int(w.sum()) for w in wanted), "n_events": len(sample.events),
        "n_training": len(learned.events), "n_tuning": len(tuned.events), "parameters": n_parameters(network),
    }  # fmt: skip


def _check_apart(files: Sequence[str | Path]) -> None:
    """Check that no events are used twice.

    Raises:
        InputError: two files of the same seed, or one that does not name it.
    """
    seeds: dict[int, str | Path] = {}
    for path in files:
        seed = event_seed(path)
        if seed in seeds:
            raise InputError(f"{path}: has the seed {seed}, as {seeds[seed]} has; give other events")
        seeds[seed] = path


def _cylinders(detector: Detector) -> npt.NDArray[np.int64]:
    """Layers of the barrel, from the inside."""
    barrel = np.flatnonzero(detector.layers.barrel)
    return np.asarray(barrel[np.argsort(detector.layers.radius[barrel])])


def _at_cut(
    network: BinnedNetwork, events: Sequence[Event], detector: Detector, options: BinnedOptions, cut: float
) -> dict[str, Any]:
    """Rates of the LSTM at one cut."""
    at = replace(options, min_probability=cut)
    found = [
        binned_tracks(network, binned_windows(event.hits, detector, at), event.hits, at).rows()
        for event in events
    ]
    wanted = [_wanted(event, _cylinders(detector), options.min_layers) for event in events]
    return {"min_probability": cut, **_rates(events, found, wanted)}


def _rates(
    events: Sequence[Event], found: Sequence[Rows], wanted: Sequence[npt.NDArray[np.bool_]]
) -> dict[str, Any]:
    """``efficiency`` of the wanted particles, ``fake_rate`` and ``n_tracks``, over all events."""
    scores = [score_tracks(event.truth, rows) for event, rows in zip(events, found, strict=True)]
    right = sum(int((score.found & w).sum()) for score, w in zip(scores, wanted, strict=True))
    n_tracks = sum(len(rows) for rows in found)
    return {
        "efficiency": right / max(sum(int(w.sum()) for w in wanted), 1),
        "fake_rate": sum(int((score.particle < 0).sum()) for score in scores) / max(n_tracks, 1),
        "n_tracks": n_tracks,
    }


def _through(layers: npt.NDArray[Any], cylinders: npt.NDArray[np.int64], min_layers: int) -> bool:
    """Whether hits on such layers are on the first cylinder, and on enough of them."""
    return bool(np.any(layers == cylinders[0]) and np.isin(cylinders, layers).sum() >= min_layers)


def _wanted(event: Event, cylinders: npt.NDArray[np.int64], min_layers: int) -> npt.NDArray[np.bool_]:
    """(P,) findable particles with a hit on the first cylinder, and hits on enough of them."""
    truth = event.truth
    made = np.zeros((len(truth.findable), len(cylinders)), dtype=bool)
    for k, layer in enumerate(cylinders):
        made[truth.particle[event.hits.layer[truth.hit] == layer], k] = True
    return np.asarray(truth.findable & made[:, 0] & (made.sum(axis=1) >= min_layers))
