"""The chain with hits of several possibilities in the end-caps, beside the chain without: tracks and time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.estimate.options import MixtureOptions
from smartpix.io.events import open_events
from tracking.bench.dense_errors import difference, event_counts, rate_errors
from tracking.bench.events import Event, records_with_truth
from tracking.bench.judgement import judge, rates
from tracking.chain import Chain
from tracking.finders.clock import processor_time, stage_time
from tracking.finders.tracks import Tracks
from tracking.metrics import truth_of_hits
from tracking.options import RunOptions

__all__ = ["EQUAL_SHARE", "mixture_tracks"]

EQUAL_SHARE = 0.99
"""Quantile of the mixture's cones with which the chain's edges have as many true ones as with one Gaussian.

It is the smallest such of 0.98, 0.99, 0.995 and so on with other events: ``simulate events --pileup 200
    --events 12
--seed 8471``.
"""
REPEATS = 3
"""Runs of each chain, of which the median time is taken."""


def mixture_tracks(path: str | Path, limit: int, quantile: float = EQUAL_SHARE) -> dict[str, Any]:
    """Both chains on the first events of a file with truth, in turn, from clusters to vertices.

    Args:
        quantile: of the mixture's cones.

    Returns:
        ``quantile``, ``n_events``; of ``single`` and ``mixture`` :func:`tracking.bench.judgement.rates` with
        :func:`tracking.bench.dense_errors.rate_errors`, and ``ms`` of processor time of an event; and
        ``difference``, :func:`tracking.bench.dense_errors.difference` of the mixture less the other.

    Raises:
        InputError: a file without truth or events, or that the networks do not fit.
    """
    header = open_events(path).header
    options = {"single": RunOptions(), "mixture": RunOptions(mixture=MixtureOptions("on", quantile))}
    chains = {name: Chain.for_header(header, own) for name, own in options.items()}
    events: dict[str, list[Event]] = {name: [] for name in chains}
    tracks: dict[str, list[Tracks]] = {name: [] for name in chains}
    ms: dict[str, list[list[float]]] = {name: [] for name in chains}
    for k, record in enumerate(records_with_truth([path], limit)):
        clusters = record["clusters"]
        for name, chain in chains.items():
            if not k:
                chain.warm_up(clusters)
            ms[name].append([])
        for repeat in range(REPEATS):
            for name, chain in chains.items():
                with processor_time():
                    now = stage_time()
                    start = now()
                    found = chain.event(k, clusters)
                    ms[name][-1].append(1e3 * (now() - start))
                if repeat:
                    continue
                hits = found.hits
                truth = truth_of_hits(record, hits, chain.header.detector.frame)
                events[name].append(Event(clusters, hits, truth))
                tracks[name].append(replace(found.tracks, parameters=found.helices))
    judged = {name: judge(events[name], tracks[name]) for name in chains}
    nowhere = [np.zeros(len(event.truth.findable), dtype=bool) for event in events["single"]]
    counts = {name: event_counts(own, nowhere) for name, own in judged.items()}
    found_by = {
        name: np.concatenate([j.matched()[j.truth.findable] for j in own]) for name, own in judged.items()
    }
    result: dict[str, Any] = {"quantile": quantile, "n_events": len(nowhere)}
    for name, own in judged.items():
        result[name] = rates(own) | rate_errors(counts[name])
        result[name]["ms"] = float(np.median(np.mean(ms[name], axis=0)))
    result["difference"] = difference(
        counts["mixture"], counts["single"], found_by["mixture"], found_by["single"]
    )
    return result
