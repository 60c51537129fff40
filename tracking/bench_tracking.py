"""Behind ``smartpix bench tracking``: the chain beside ACTS's on the same hits, in turn in one process, on one thread."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.hits import Hits, make_hits
from smartpix.estimate import Estimate, estimate
from smartpix.io import Header, iterate, open_events
from smartpix.schema import InputError, check
from tracking.acts_reference import Parameters, acts_tracks
from tracking.build import Tracks
from tracking.graph import EDGE_FEATURES
from tracking.metrics import EventTruth, event_truth, score_tracks
from tracking.options import RunOptions
from tracking.pipeline import STAGES, Chain
from tracking.resolution import residuals_and_pulls
from tracking.seeding_sample import simulated

__all__ = ["JETS", "bench_tracking", "measure", "table"]

Report = Callable[[str], None]
Floats = npt.NDArray[np.float64]

MAIN = 200
"""Pile-up of the sample that the first keys are of."""
JETS, JET_PILEUP = 20, 60
REPEATS = 3
MIN_PT, MIN_HITS = 0.5, 4
"""Tracks that count: fitted pT in GeV, clusters on distinct layers."""
TIMED = STAGES[STAGES.index("estimate") + 1 :]
UNITS = {"d0": ("um", 1e3), "z0": ("um", 1e3), "phi": ("mrad", 1e3), "theta": ("mrad", 1e3), "qop": ("rel", 1.0)}


@dataclass(frozen=True)
class Event:
    """One event: its clusters with their estimates, as hits, and its truth."""

    clusters: ak.Array
    estimates: Estimate
    hits: Hits
    truth: EventTruth


@dataclass(frozen=True)
class Found:
    """What a chain makes of an event."""

    tracks: Tracks
    parameters: Parameters


def load(path: str | Path, limit: int, options: RunOptions) -> tuple[Chain, list[Event]]:
    """The chain for a file and its first events.

    Raises:
        InputError: no truth, no events, or no estimates for the sensor.
    """
    opened = open_events(path)
    if not opened.has_truth:
        raise InputError(f"{path}: has no truth to measure against; give simulated files")
    chain = Chain.for_header(opened.header, options)
    events = []
    for _, records in iterate(path, step=1, stop=limit):
        clusters = records[0]["clusters"]
        estimates = estimate(clusters, opened.header, chain.estimator)
        hits = make_hits(clusters, estimates, opened.header.detector)
        events.append(Event(clusters, estimates, hits, event_truth(clusters, records[0]["particles"], hits.layer)))
    if not events:
        raise InputError(f"{path}: has no events")
    return chain, events


def run_chain(chain: Chain, events: Sequence[Event]) -> tuple[list[Found], dict[str, float], int, int]:
    """Tracks of all events, mean ms by stage, edges and their bytes (features included) an event."""
    found, ms, n_edges, n_bytes = [], dict.fromkeys(TIMED, 0.0), 0, 0
    for k, event in enumerate(events):
        result = chain.tracks(k, event.clusters, event.estimates)
        found.append(Found(result.tracks, result.helices))
        for stage in TIMED:
            ms[stage] += result.ms[stage] / len(events)
        n_edges += len(result.edges)
        columns = (getattr(result.edges, column.name) for column in fields(result.edges))
        n_bytes += sum(c.nbytes for c in columns if isinstance(c, np.ndarray)) + 4 * len(EDGE_FEATURES) * len(result.edges)
    return found, ms, n_edges // len(events), n_bytes // len(events)


def measure(path: str | Path, limit: int, with_window: bool = False, report: Report = print) -> dict[str, Any]:
    """Both chains on the first events of a file.

    Returns:
        ``ours`` and ``acts``: ``efficiency`` of findable particles, ``fake_rate``, ``duplicate_rate`` of tracks with at least
        four hits and pT > 0.5 GeV, ``n_tracks``, ``ms`` an event from clusters with estimates (ACTS: from measurements and
        space points) to tracks with parameters, ``ms_by_stage``, ``us_per_track``, ``resolution_*`` (68 % half widths of
        findable particles' tracks) and ``pull_*``; ``ratio_time``; ``window_graph`` if asked: ``edges``, ``mb``, ``ms``,
        ``efficiency``, ``fake_rate`` with the window's graph in the cones' place, ``cone_graph`` the same of these.
    """
    chain, events = load(path, limit, RunOptions())
    chains = {"cone": chain}
    if with_window:
        chains["window"] = Chain.for_header(chain.header, replace(RunOptions(), graph="window", gnn="gnn-window"))
    hits, detector, field = [event.hits for event in events], chain.header.detector, chain.header.field
    ours: dict[str, list[Any]] = {name: [] for name in chains}
    theirs = []
    for some in chains.values():
        run_chain(some, events[:1])
    for repeat in range(REPEATS):
        report(f"{path}: {len(events)} events, run {repeat + 1} of {REPEATS}")
        for name, some in chains.items():
            ours[name].append(run_chain(some, events))
        theirs.append(acts_tracks(hits, detector, field))
    truths = [event.truth for event in events]
    header = chain.header
    acts = theirs[0]
    acts_found = [Found(t, p) for t, p in zip(acts.tracks, acts.parameters, strict=True)]
    acts_ms = {stage: float(np.median([run.ms[stage] for run in theirs])) for stage in acts.ms}
    result: dict[str, Any] = {
        "n_events": len(events), "n_hits": sum(len(h) for h in hits) // len(hits), "field": field,
        "ours": quality(truths, ours["cone"][0][0], hits, header) | _times(_median([run[1] for run in ours["cone"]])),
        "acts": quality(truths, acts_found, hits, header) | _times({k: v for k, v in acts_ms.items() if k != "total"}),
    }  # fmt: skip
    for chosen in ("ours", "acts"):
        result[chosen]["us_per_track"] = 1e3 * result[chosen]["ms"] * len(events) / max(result[chosen]["n_tracks"], 1)
    result["ratio_time"] = result["ours"]["ms"] / result["acts"]["ms"]
    for name in chains if with_window else ():
        found, _, n_edges, n_bytes = ours[name][0]
        own = quality(truths, found, hits, header)
        result[f"{name}_graph"] = {
            "edges": n_edges, "mb": n_bytes / 1e6, "efficiency": own["efficiency"], "fake_rate": own["fake_rate"],
        } | _times(_median([run[1] for run in ours[name]]))  # fmt: skip
    return result


def _median(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {stage: float(np.median([run[stage] for run in runs])) for stage in runs[0]}


def _times(by_stage: Mapping[str, float]) -> dict[str, Any]:
    return {"ms": sum(by_stage.values()), "ms_by_stage": dict(by_stage)}


def quality(truths: Sequence[EventTruth], found: Sequence[Found], hits: Sequence[Hits], header: Header) -> dict[str, Any]:
    """Efficiency, fakes, duplicates, resolutions and pulls of tracks that count."""
    findable = matched = n_tracks = fakes = duplicates = 0
    residuals, pulls = [], []
    for truth, event, of in zip(truths, found, hits, strict=True):
        p = event.parameters
        with np.errstate(divide="ignore"):
            pt = np.abs(np.sin(p.theta) / p.qop)
        rows = event.tracks.rows()
        chosen = np.array(
            [k for k, r in enumerate(rows) if len(np.unique(of.layer[r])) >= MIN_HITS and pt[k] > MIN_PT], dtype=int
        )
        score = score_tracks(truth, [rows[k] for k in chosen])
        findable += int(truth.findable.sum())
        matched += int(np.sum(score.found & truth.findable))
        n_tracks += len(chosen)
        fakes += int(np.sum(score.particle < 0))
        duplicates += int(np.sum(score.duplicate))
        good = (score.particle >= 0) & ~score.duplicate
        good[good] = truth.findable[score.particle[good]]
        residual, pull = residuals_and_pulls(p, chosen[good], truth, score.particle[good], header.field)
        residuals.append(residual)
        pulls.append(pull)
    residual, pull = np.concatenate(residuals), np.concatenate(pulls)
    out: dict[str, Any] = {
        "efficiency": matched / max(findable, 1), "n_findable": findable, "fake_rate": fakes / max(n_tracks, 1),
        "duplicate_rate": duplicates / max(n_tracks, 1), "n_tracks": n_tracks,
    }  # fmt: skip
    for k, (name, (unit, factor)) in enumerate(UNITS.items()):
        out[f"resolution_{name}_{unit}"] = factor * _half_width(residual[:, k])
        out[f"pull_{name}"] = _half_width(pull[:, k])
    return out


def _half_width(values: Floats) -> float:
    """Half of what holds 68.27 % in the middle."""
    low, high = np.quantile(values, [0.15866, 0.84134])
    return float(0.5 * (high - low))


def bench_tracking(
    pileups: Sequence[int], n_events: int, seed: int, with_jets: bool = True, report: Report = print
) -> dict[str, Any]:
    """Everything behind ``smartpix bench tracking``: events of every pile-up are simulated with a seed nothing was trained on.

    Args:
        pileups: :data:`MAIN` among them has ``n_events`` events and the window's graph, the others a third as many.
        with_jets: also :data:`JETS` jets of 10 pions over pile-up 60.

    Returns:
        :func:`measure` of the main sample, ``pileup``: of each of the others by its number, and ``jets``.

    Raises:
        InputError: pile-up 200 is not asked for, or ACTS is not installed.
    """
    check("bench tracking", "events", n_events, n_events >= 1, "at least 1")
    if MAIN not in pileups:
        raise InputError(f"bench tracking: pile-up {MAIN} must be among {list(pileups)}; the main numbers are of it")
    few = max(n_events // 3, 1)
    with tempfile.TemporaryDirectory() as folder:

        def of(pileup: int, n: int, **more: Any) -> dict[str, Any]:
            report(f"simulating {n} events of pile-up {pileup}")
            path = simulated(pileup, n, seed + pileup, Path(folder), **more)
            return measure(path, n, with_window=pileup == MAIN, report=report)

        result = {"seed": seed} | of(MAIN, n_events)
        result["pileup"] = {str(p): of(p, few) for p in pileups if p != MAIN}
        if with_jets:
            result["jets"] = of(JET_PILEUP, few, jets=JETS)
    return result


def table(result: Mapping[str, Any]) -> str:
    """Of :func:`bench_tracking`, as lines of text."""
    samples = {f"pile-up {MAIN}": result} | {f"pile-up {p}": r for p, r in result["pileup"].items()}
    if "jets" in result:
        samples["jets"] = result["jets"]
    lines = [f"{'':14s}{'':6s}{'efficiency':>11s}{'fakes':>8s}{'duplicates':>11s}{'ms':>8s}{'us/track':>9s}" + "".join(
        f"{f'{name} [{unit}]':>13s}" for name, (unit, _) in UNITS.items()
    )]  # fmt: skip
    for name, sample in samples.items():
        for who in ("ours", "acts"):
            r = sample[who]
            numbers = (
                f"{r['efficiency']:11.4f}{r['fake_rate']:8.4f}{r['duplicate_rate']:11.4f}{r['ms']:8.1f}{r['us_per_track']:9.1f}"
            )
            widths = "".join(f"{r[f'resolution_{k}_{unit}']:13.4g}" for k, (unit, _) in UNITS.items())
            lines.append(f"{name if who == 'ours' else '':14s}{who:6s}{numbers}{widths}")
        lines.append(f"{'':14s}time over ACTS's: {sample['ratio_time']:.3f}")
    for name in ("cone_graph", "window_graph"):
        g = result[name]
        quality_of = f"efficiency {g['efficiency']:.4f}, fakes {g['fake_rate']:.4f}"
        lines.append(f"{name:14s}{g['edges']:9d} edges {g['mb']:6.1f} MB {g['ms']:7.1f} ms, {quality_of}")
    for who in ("ours", "acts"):
        stages = ", ".join(f"{k} {v:.1f}" for k, v in result[who]["ms_by_stage"].items())
        lines.append(f"ms by stage, {who}: {stages}")
    return "\n".join(lines)
