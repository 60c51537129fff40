"""Finders beside each other on the events of one sample."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tracking.bench.dense_curves import FoundParticles, curves, found_particles, won
from tracking.bench.dense_errors import difference, event_counts, rate_errors
from tracking.bench.events import Sample
from tracking.bench.finding import estimate_ms, find_in_turn, median_ms
from tracking.bench.judgement import Judgement, judge, rates, residual_parts, resolutions
from tracking.finders.finder import Finder
from tracking.metrics import merged_rates

__all__ = ["PLAIN", "SPLIT", "compare_dense"]

log = logging.getLogger(__name__)

Report = Callable[[str], None]
Bools = npt.NDArray[np.bool_]

PLAIN, SPLIT = "ours", "ours-split"
"""The chain with one hit of each cluster, and with several of merged ones."""


def compare_dense(sample: Sample, finders: Mapping[str, Finder], report: Report = log.info) -> dict[str, Any]:
    """Finders on the events of one sample.

    Args:
        sample: events with one hit for each cluster; finders that split clusters do it themselves, in their
            time.

    Returns:
        ``n_events``; ``n_findable``, and ``n_in_jets`` of these in jets; ``ms_estimate``: what the estimates
        of our chain take, which no finder's ``ms`` has; ``merged``: of
        :func:`tracking.metrics.merged_rates`, of all findable particles and of those in jets;
        ``finders``: by name :func:`tracking.bench.judgement.rates`, ``efficiency_in_jets``, the
        :func:`tracking.bench.dense_errors.rate_errors` of these, ``ms`` and ``ms_by_stage``, the resolutions
        of the particles in jets that all found, and ``with_merged`` of those that have a merged cluster;
        ``curves``: :func:`tracking.bench.dense_curves.curves`; ``won``: by finder how many of the particles
        that ours loses it finds; ``differences``: by finder the chain that splits less it,
        :func:`tracking.bench.dense_errors.difference`, and ``resolutions``: of both, :data:`SPLIT` and
        ``other``, on the particles in jets with a merged cluster that both of them found, whichever finders
        are beside them; and ``arrays`` (not for JSON) the residuals of those
        with a merged cluster by finder.
    """
    runs = find_in_turn(finders, sample, report)
    judgements = {name: judge(sample.events, made[0].tracks) for name, made in runs.items()}
    truths = [event.truth for event in sample.events]
    layers = [event.hits.layer for event in sample.events]
    particles = found_particles(sample.events, judgements)
    in_jets = _of_events(particles.in_jets, sample)
    found_by_all = np.all(list(particles.found.values()), axis=0)
    common = _of_events(particles.in_jets & found_by_all, sample)
    merged = _of_events(particles.merged_in_jets & found_by_all, sample)
    numbers, arrays, counts = {}, {}, {}
    for name, made in runs.items():
        ms = median_ms(made)
        numbers[name] = rates(judgements[name]) | {
            "efficiency_in_jets": _share(particles.found[name][particles.in_jets]),
            "ms": sum(ms.values()),
            "ms_by_stage": dict(ms),
        }
        counts[name] = event_counts(judgements[name], in_jets)
        numbers[name] |= rate_errors(counts[name])
        numbers[name] |= resolutions(judgements[name], common, sample.header.field)
        numbers[name]["with_merged"] = resolutions(judgements[name], merged, sample.header.field)
        arrays[name] = residual_parts(judgements[name], merged, sample.header.field)[0]
    findable = [truth.findable for truth in truths]
    return {
        "n_events": len(sample.events),
        "n_findable": len(particles.in_jets),
        "n_in_jets": int(particles.in_jets.sum()),
        "ms_estimate": estimate_ms(sample)["estimate"],
        "merged": {
            "findable": merged_rates(truths, layers, findable),
            "in_jets": merged_rates(truths, layers, in_jets),
        },
        "finders": numbers,
        "curves": curves(particles),
        "won": {name: won(particles, PLAIN, name) for name in finders if PLAIN in finders and name != PLAIN},
        "differences": {
            name: difference(counts[SPLIT], counts[name], particles.found[SPLIT], particles.found[name])
            | {"resolutions": _paired(name, judgements, particles, sample)}
            for name in finders
            if SPLIT in finders and name != SPLIT
        },
        "arrays": arrays,
    }


def _paired(
    name: str, judgements: Mapping[str, Sequence[Judgement]], particles: FoundParticles, sample: Sample
) -> dict[str, Any]:
    """Resolutions of the chain that splits and of another finder, on the particles that both found."""
    both = particles.merged_in_jets & particles.found[SPLIT] & particles.found[name]
    chosen = _of_events(both, sample)
    return {
        key: resolutions(judgements[who], chosen, sample.header.field)
        for key, who in ((SPLIT, SPLIT), ("other", name))
    }


def _share(values: Bools) -> float | None:
    return float(values.mean()) if len(values) else None


def _of_events(values: Bools, sample: Sample) -> list[Bools]:
    """Values of all findable particles of a sample as flags of all particles of each event."""
    parts, first = [], 0
    for event in sample.events:
        findable = event.truth.findable
        flags, n = np.zeros(len(findable), dtype=bool), int(findable.sum())
        flags[findable] = values[first : first + n]
        parts.append(flags)
        first += n
    return parts
