"""How many of the barrel's particles the talk's binned LSTM finds, beside the finder of the learned cone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.schema import InputError
from tracking.bench.events import Event, load_sample
from tracking.finders.clock import processor_time, stage_time
from tracking.finders.finder import FinderInput
from tracking.finders.training import event_seed, n_parameters
from tracking.finders.trkx.path.binned import binned_tracks, binned_windows, train_binned, true_bins
from tracking.finders.trkx.path.finder import PathFinder
from tracking.finders.trkx.path.options import BinnedOptions
from tracking.metrics import score_tracks

log = logging.getLogger(__name__)

__all__ = ["binned_study"]


def binned_study(
    training: str | Path,
    test: str | Path,
    options: BinnedOptions | None = None,
    limit: int = 100,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Train the binned LSTM on the events of one file, and find tracks in those of another.

    Particles are those that are findable and made hits on each cylinder. The learned cone's finder sees all hits,
    and its tracks with hits on each cylinder count.

    Returns:
        ``binned`` and ``path``: ``efficiency``, ``fake_rate``, ``n_tracks`` and ``ms`` of processor time an event;
        ``n_particles``, ``n_events``, ``parameters`` of the LSTM.

    Raises:
        InputError: unusable files, both of the same seed, or one that does not name it.
    """
    options = options or BinnedOptions()
    seeds = [event_seed(path) for path in (training, test)]
    if seeds[0] == seeds[1]:
        raise InputError(f"{test}: has the seed {seeds[1]}, as the training has; give other events")
    learned, sample = load_sample(training, limit), load_sample(test, limit)
    detector, field = sample.header.detector, sample.header.field
    made = [binned_windows(event.hits, detector, options) for event in learned.events]
    pairs = [(w, true_bins(w, e.truth.main)) for w, e in zip(made, learned.events, strict=True)]
    network = train_binned(pairs, options, report)
    cylinders = np.flatnonzero(detector.layers.barrel)
    path = PathFinder.for_detector(detector, field)
    counts = {name: np.zeros(3) for name in ("binned", "path")}
    ms: dict[str, list[float]] = {"binned": [], "path": []}
    n_particles = 0
    with processor_time():
        now = stage_time()
    for event in sample.events:
        wanted = _through_all(event, cylinders)
        n_particles += int(wanted.sum())
        started = now()
        tracks = binned_tracks(
            network, binned_windows(event.hits, detector, options), event.hits, options
        ).rows()
        ms["binned"].append(1e3 * (now() - started))
        started = now()
        found = path(FinderInput(event.clusters, event.hits, detector, field)).rows()
        ms["path"].append(1e3 * (now() - started))
        through = [r for r in found if np.isin(cylinders, event.hits.layer[r]).all()]
        for name, rows in (("binned", tracks), ("path", through)):
            score = score_tracks(event.truth, rows)
            counts[name] += [(score.found & wanted).sum(), (score.particle < 0).sum(), len(rows)]
    return {
        **{
            name: {
                "efficiency": float(c[0] / max(n_particles, 1)), "fake_rate": float(c[1] / max(c[2], 1)),
                "n_tracks": int(c[2]), "ms": float(np.median(ms[name])),
            }
            for name, c in counts.items()
        },
        "n_particles": n_particles, "n_events": len(sample.events),
        "parameters": n_parameters(network),
    }  # fmt: skip


def _through_all(event: Event, cylinders: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(P,) findable particles with hits on all cylinders."""
    truth = event.truth
    made = np.zeros((len(truth.findable), len(cylinders)), dtype=bool)
    for k, layer in enumerate(cylinders):
        made[truth.particle[event.hits.layer[truth.hit] == layer], k] = True
    return np.asarray(truth.findable & made.all(axis=1))
