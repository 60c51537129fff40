"""The RAMP tracking challenge: scores and times of the finders, and what bounds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from smartpix.networks.weights import describe_weights
from tracking.bench.finding import check_fresh
from tracking.finders.clock import processor_time, stage_time
from tracking.finders.trkx.ramp.events import RampEvents, make_ramp
from tracking.finders.trkx.ramp.finders import WEIGHTS, ramp_finder
from tracking.finders.trkx.ramp.kalman import kalman_clusters, partition_value
from tracking.finders.trkx.ramp.options import FINDERS, HELD_OUT_SEED, RampOptions
from tracking.finders.trkx.ramp.score import RampFinder, clusters_of, event_scores, mean_score

__all__ = ["PUBLISHED", "TEST_SEED", "check_ramp_seed", "ramp_bounds", "ramp_scores"]

PUBLISHED = {"train": 0.841, "valid": 0.848, "test": 0.849}
"""Scores of the starting kit at a mean of 10 tracks, as the challenge's notebook prints them."""
ROUNDING = 1e-6
"""Difference of logarithms below which two partitions are the same one."""
TRACKS = (10, 20)
HELD_OUT_SEEDS = frozenset(HELD_OUT_SEED + k for k in range(len(TRACKS)))
TEST_SEED = 630_000
"""Of events that were used for nothing else."""


def ramp_scores(
    n_events: int = 1000, seed: int = TEST_SEED, finders: Sequence[str] = FINDERS
) -> dict[str, dict[str, float]]:
    """Score the finders on the same events, at means of 10 and of 20 tracks.

    Args:
        n_events: of each mean.
        seed: of the events with 10 tracks; those with 20 have the next one.
        finders: of :data:`tracking.finders.trkx.ramp.options.FINDERS`.

    Returns:
        By finder ``score_10``, ``score_20``, their standard errors ``error_10``, ``error_20``, and
        ``ms_per_event``: the mean time of the processor at 10 tracks.

    Raises:
        InputError: an unknown finder, weights that cannot be used, or ones that were trained or measured on
            events of these seeds.
    """
    check_ramp_seed(seed, finders)
    samples = _samples(n_events, seed)
    found: dict[str, dict[str, float]] = {}
    for name in finders:
        finder, row = ramp_finder(name), {}
        for tracks, events in samples.items():
            scores, ms = _run(finder, events)
            row[f"score_{tracks}"], row[f"error_{tracks}"] = mean_score(scores)
            row.setdefault("ms_per_event", ms)
        found[name] = row
    return found


def check_ramp_seed(seed: int, finders: Sequence[str] = FINDERS) -> None:
    """Check that no finder has met the events that :func:`ramp_scores` makes of a seed.

    Raises:
        InputError: the weights of one were trained on them, or measured for the report of a training.
    """
    used = {name: _seeds(WEIGHTS[name]) for name in finders if name in WEIGHTS}
    for k in range(len(TRACKS)):
        check_fresh("study trkx", seed + k, used)


def _seeds(weights: str) -> frozenset[int]:
    """Seeds of the events that a finder learned from, and of those that the reports of all trainings are
    on.
    """
    return frozenset({int(describe_weights(weights)["options"]["seed"])}) | HELD_OUT_SEEDS


def ramp_bounds(n_events: int = 1000, seed: int = TEST_SEED) -> dict[str, float]:
    """What the Kalman filter's mistakes are, on the events of :func:`ramp_scores`.

    Returns:
        At each mean number N of tracks ``shared_N``, the share of hits that are lost because another track
        has the pixel; ``wrong_N``, the share of events whose clusters differ from the true ones;
        ``ambiguous_N``, the share of events where they are likelier than those; and ``missed_N``, the share
        of events where they are less likely, so that a better search would have found better ones.
    """
    bounds: dict[str, float] = {}
    for tracks, events in _samples(n_events, seed).items():
        worse = np.array([_lead_of_truth(events, k) for k in range(events.n_events)])
        bounds |= {
            f"shared_{tracks}": events.shared / (events.shared + len(events.event)),
            f"wrong_{tracks}": float(np.mean(worse != 0)),
            f"ambiguous_{tracks}": float(np.mean(worse < 0)),
            f"missed_{tracks}": float(np.mean(worse > 0)),
        }
    return bounds


def _samples(n_events: int, seed: int) -> dict[int, RampEvents]:
    return {n: make_ramp(RampOptions(tracks=n), n_events, seed + k) for k, n in enumerate(TRACKS)}


def _run(finder: RampFinder, events: RampEvents) -> tuple[npt.NDArray[np.float64], float]:
    """Scores of the events, and mean ms of the processor for one."""
    # Compiled and loaded before anything is timed.
    finder(events.hits(0))
    with processor_time():
        now = stage_time()
    started = now()
    clusters = clusters_of(finder, events)
    ms = 1e3 * (now() - started) / events.n_events
    return event_scores(events.event, events.track, clusters), ms


def _lead_of_truth(events: RampEvents, event: int) -> float:
    """By how much the logarithm of the true clusters' density is above that of the Kalman filter's."""
    hits = events.hits(event)
    track = events.track[events.offsets[event] : events.offsets[event + 1]]
    lead = partition_value(hits, track) - partition_value(hits, kalman_clusters(hits))
    return lead if abs(lead) > ROUNDING else 0.0
