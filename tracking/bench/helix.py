"""Tracks of events without truth of their hits, matched by helix; and how far that agrees with truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.io.events import iterate
from smartpix.schema import InputError, check_ranges, check_types, ranged
from tracking.bench.following import FollowedTracks, following_of, following_summary
from tracking.chain import WINDOW, Chain
from tracking.fit.helix_match import HelixScore, match_helices
from tracking.fit.options import HelixMatchOptions
from tracking.metrics import EventTruth, TrackScore, particles_of, score_tracks, truth_of_hits
from tracking.options import RunOptions
from tracking.show.numbers import share

__all__ = ["BenchHelixOptions", "bench_helix", "helix_table"]


FOLLOWED = replace(WINDOW, fit=replace(WINDOW.fit, follow="strips"))


@dataclass(frozen=True)
class BenchHelixOptions:
    """Matching by helix on files of events.

    Attributes:
        events: largest number of events of all files together.
        match: which tracks are whose.
        run: options of the chain; tracks are followed into strips, and matched by their pixels.
    """

    events: int = ranged(4, 1, 100_000)
    match: HelixMatchOptions = field(default_factory=HelixMatchOptions)
    run: RunOptions = FOLLOWED

    def __post_init__(self) -> None:
        check_types("bench helix", self)
        check_ranges("bench helix", self)


def bench_helix(files: Sequence[str | Path], options: BenchHelixOptions) -> dict[str, Any]:
    """Run the chain and match its tracks by helix; where there is truth, by truth as well.

    Returns:
        ``n_events``, ``n_hits``, ``n_tracks``, ``n_findable``, ``efficiency`` and ``unmatched_rate`` by
        helix, ``ms_per_event``; ``truth`` where all files have it: efficiency and fakes by truth, and
        ``same``: the share of tracks that both match to the same particle or to none, of those that truth
            matches to an
        accepted one, and of findable particles in both senses among those in one. ``followed`` where tracks
        were followed into strips (:func:`tracking.bench.following.following_summary`); where the files have
        truth, tracks are then those that truth matches.

    Raises:
        InputError: no events, or events without particles.
    """
    totals: dict[str, float] = dict.fromkeys(
        ("n_events", "n_hits", "n_tracks", "n_findable", "n_found", "n_unmatched", "ms"), 0
    )
    truths: list[dict[str, float]] = []
    followed: list[FollowedTracks] = []
    chain: Chain | None = None
    path: Path | None = None
    for opened, events in iterate(list(files), step=1, stop=options.events):
        if not opened.has_particles:
            raise InputError(f"{opened.path}: has no particles to match tracks to; convert with their table")
        if chain is None or path != opened.path:
            path = opened.path
            chain = Chain.for_header(opened.header, options.run)
            chain.warm_up(events[0]["clusters"])
        result = chain.event(int(events[0]["event"]), events[0]["clusters"])
        frame = chain.header.detector.frame
        particles = particles_of(events[0]["particles"], frame)
        tracks = result.tracks.rows()
        score = match_helices(result.hits, tracks, particles, chain.header.field, options.match)
        totals["n_events"] += 1
        totals["n_hits"] += len(result.hits)
        totals["n_tracks"] += len(tracks)
        totals["n_findable"] += int(score.findable.sum())
        totals["n_found"] += int(np.sum(score.found & score.findable))
        totals["n_unmatched"] += int(np.sum(score.particle < 0))
        totals["ms"] += sum(result.ms.values())
        matched = score.particle
        if opened.has_truth:
            truth = truth_of_hits(events[0], result.hits, frame)
            by_truth = score_tracks(truth, result.tracks)
            truths.append(_agreement(truth, by_truth, score))
            matched = by_truth.particle
        clusters = events[0]["clusters"] if opened.has_truth else None
        of_event = following_of(result, particles, matched, clusters)
        followed += [of_event] if of_event is not None else []
    if not totals["n_events"]:
        raise InputError(f"{files[0]}: has no events")
    done: dict[str, Any] = {
        name: int(totals[name]) for name in ("n_events", "n_hits", "n_tracks", "n_findable")
    }
    done["efficiency"] = _ratio(totals["n_found"], totals["n_findable"])
    done["unmatched_rate"] = _ratio(totals["n_unmatched"], totals["n_tracks"])
    done["ms_per_event"] = totals["ms"] / totals["n_events"]
    if len(truths) == totals["n_events"]:
        done["truth"] = _summed(truths)
    if followed:
        done["followed"] = following_summary(followed)
    return done | {"options": asdict(options.match)}


def _agreement(truth: EventTruth, by_truth: TrackScore, score: HelixScore) -> dict[str, float]:
    """Numbers of one event by truth, and of what both ways agree on."""
    of_accepted = (by_truth.particle >= 0) & truth.accepted[by_truth.particle]
    same = by_truth.particle == score.particle
    both, either = truth.findable & score.findable, truth.findable | score.findable
    return {
        "n_findable": int(truth.findable.sum()), "n_found": int(np.sum(truth.findable & by_truth.found)),
        "n_fakes": int(np.sum(by_truth.particle < 0)), "n_tracks": len(same), "n_same": int(same.sum()),
        "n_accepted": int(of_accepted.sum()), "n_same_accepted": int(np.sum(same & of_accepted)),
        "n_both": int(both.sum()), "n_either": int(either.sum()),
    }  # fmt: skip


def _summed(parts: Sequence[dict[str, float]]) -> dict[str, float | None]:
    total = {name: sum(part[name] for part in parts) for name in parts[0]}
    return {
        "n_findable": total["n_findable"],
        "efficiency": _ratio(total["n_found"], total["n_findable"]),
        "fake_rate": _ratio(total["n_fakes"], total["n_tracks"]),
        "same": _ratio(total["n_same"], total["n_tracks"]),
        "same_of_accepted": _ratio(total["n_same_accepted"], total["n_accepted"]),
        "findable_in_both": _ratio(total["n_both"], total["n_either"]),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def helix_table(result: dict[str, Any]) -> str:
    """The numbers as lines of text."""
    names = ("n_events", "n_hits", "n_tracks", "n_findable", "efficiency", "unmatched_rate", "ms_per_event")
    lines = [f"{name:28s} {_shown(name, result)}" for name in names]
    lines += [f"{'truth: ' + name:28s} {_shown(name, result['truth'])}" for name in result.get("truth", {})]
    if "followed" in result:
        lines += _followed_lines(result["followed"])
    return "\n".join(lines)


def _followed_lines(followed: dict[str, Any]) -> list[str]:
    names = [name for name in ("strip_hits_per_track", "right", "found") if name in followed]
    lines = [f"{'strips: ' + name:28s} {_shown(name, followed)}" for name in names]
    for row in followed["pt"]:
        where = (
            f"abs(eta) {row['eta'][0]:g}-{row['eta'][1]:g}, pT {row['pt_GeV'][0]:g}-{row['pt_GeV'][1]:g} GeV"
        )
        widths = " -> ".join(
            f"{row[k]['half_width']:.4f} (median {row[k]['median']:+.4f})" for k in ("before", "after")
        )
        lines.append(f"{where}: half width of pT {widths}")
    return lines


def _shown(name: str, numbers: Mapping[str, Any]) -> str:
    value = numbers[name]
    if name == "efficiency":
        return share(value, numbers["n_findable"])
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
