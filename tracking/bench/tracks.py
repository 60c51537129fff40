"""Behind ``smartpix bench tracking``: the chain beside ACTS's on the same hits, in turn in one process, on
one thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.hits import Hits, make_hits
from smartpix.estimate.base import estimate
from smartpix.extras import import_acts
from smartpix.geometry import Detector
from smartpix.io.events import iterate, open_events
from smartpix.networks.weights import describe_weights
from smartpix.schema import InputError, check
from tracking.acts.reference import LOOSE, ActsTracks, Parameters, acts_fits, acts_tracks
from tracking.bench.seeding_sample import simulated
from tracking.chain import STAGES, Chain
from tracking.finders.gnn.graph import EDGE_FEATURES
from tracking.finders.gnn.network import load_network
from tracking.finders.paths import Tracks
from tracking.fit.resolution import RESOLUTIONS, pull_width, residuals_and_pulls, resolution
from tracking.fit.tracks import Helices
from tracking.metrics import EventTruth, TrackScore, event_truth, score_tracks
from tracking.options import RunOptions

__all__ = ["JETS", "bench_tracking", "measure", "table"]

Report = Callable[[str], None]

MAIN = 200
"""Pile-up of the sample that the first keys are of."""
JETS, JET_PILEUP = 20, 60
REPEATS = 3
MIN_PT, MIN_HITS, MAX_ETA = 0.5, 4, 2.5
"""Tracks that count: fitted pT in GeV, clusters on distinct layers; and the central ones."""
WINDOW = RunOptions(graph="window", gnn="gnn-window")


@dataclass(frozen=True)
class Event:
    """One event: its clusters, the hits made of them, and its truth."""

    clusters: ak.Array
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
        hits = make_hits(clusters, estimate(clusters, opened.header, chain.estimator), opened.header.detector)
        events.append(Event(clusters, hits, event_truth(clusters, records[0]["particles"], hits.layer)))
    if not events:
        raise InputError(f"{path}: has no events")
    return chain, events


def run_chain(chain: Chain, events: Sequence[Event]) -> tuple[list[Found], dict[str, float], int, int]:
    """Tracks of all events, mean ms by stage up to the fit, edges and their bytes (features included) an
    event.
    """
    stages = [stage for stage in STAGES if stage != "vertex"]
    found, ms, n_edges, n_bytes = [], dict.fromkeys(stages, 0.0), 0, 0
    for k, event in enumerate(events):
        result = chain.event(k, event.clusters)
        found.append(Found(result.tracks, result.helices))
        for stage in stages:
            ms[stage] += result.ms[stage] / len(events)
        n_edges += len(result.edges)
        columns = (getattr(result.edges, column.name) for column in fields(result.edges))
        n_bytes += sum(c.nbytes for c in columns if isinstance(c, np.ndarray)) + 4 * len(EDGE_FEATURES) * len(
            result.edges
        )
    return found, ms, n_edges // len(events), n_bytes // len(events)


def measure(path: str | Path, limit: int, with_parts: bool = False, report: Report = print) -> dict[str, Any]:
    """Both chains on the first events of a file.

    Args:
        with_parts: also what the fit and the cones do in the other's place.

    Returns:
        ``ours`` and ``acts``: ``efficiency`` of findable particles; of tracks with at least four hits and pT
        > 0.5 GeV ``n_tracks``, ``fake_rate``, ``duplicate_rate``, and ``fake_rate_central`` of those with
        abs(eta) < 2.5; ``ms`` an event
        from clusters with estimates (ACTS: from measurements and space points) to tracks with parameters,
        ``ms_by_stage``, ``us_per_track``; of the findable particles that both found ``resolution_*`` (68 %
        half widths), ``pull_*`` (standard deviations of those within 5) and ``pull_half_width_*``.
        ``ratio_time``; ``ms_estimate``: what the estimates take where the chip does not make them, and
        ``ratio_time_with_estimates``. ``acts_loose``: rates and ``ms`` of ACTS with
        :data:`tracking.acts.reference.LOOSE`. If asked ``window_graph``: ``edges``, ``mb``, ``ms``,
        ``efficiency``, ``fake_rate`` with the window's graph in the cones' place, ``cone_graph`` the same of
        these, and ``fit``: of
        :func:`compare_fits`.
    """
    chain, events = load(path, limit, RunOptions())
    chains = {"cone": chain}
    if with_parts:
        chains["window"] = Chain.for_header(chain.header, WINDOW)
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
    of = {name: judged(events, runs[0][0]) for name, runs in ours.items()}
    of["acts"] = judged(events, _found(theirs[0]))
    stages = _median([run[1] for run in ours["cone"]])
    ms_estimate = stages.pop("estimate")
    acts_stages = _median([{k: v for k, v in run.ms.items() if k != "total"} for run in theirs])
    loose = acts_tracks(hits, detector, field, LOOSE)
    common = [a.matched() & b.matched() for a, b in zip(of["cone"], of["acts"], strict=True)]
    result: dict[str, Any] = {
        "n_events": len(events), "n_hits": sum(len(h) for h in hits) // len(hits), "field": field,
        "ms_estimate": ms_estimate,
        "ours": rates(of["cone"]) | resolutions(of["cone"], common, field) | _times(stages),
        "acts": rates(of["acts"]) | resolutions(of["acts"], common, field) | _times(acts_stages),
    }  # fmt: skip
    result["acts_loose"] = rates(judged(events, _found(loose))) | {"ms": loose.ms["total"]}
    for chosen in ("ours", "acts"):
        result[chosen]["us_per_track"] = (
            1e3 * result[chosen]["ms"] * len(events) / max(result[chosen]["n_tracks"], 1)
        )
    result["ratio_time"] = result["ours"]["ms"] / result["acts"]["ms"]
    result["ratio_time_with_estimates"] = (result["ours"]["ms"] + ms_estimate) / result["acts"]["ms"]
    if with_parts:
        result["fit"] = compare_fits(events, ours["cone"][0][0], of["cone"], detector, field)
    for name in chains if with_parts else ():
        _, _, n_edges, n_bytes = ours[name][0]
        own, times = rates(of[name]), _median([run[1] for run in ours[name]])
        times.pop("estimate")
        result[f"{name}_graph"] = {
            "edges": n_edges, "mb": n_bytes / 1e6, "efficiency": own["efficiency"],
            "fake_rate": own["fake_rate"],
        } | _times(times)  # fmt: skip
    return result


def _found(made: ActsTracks) -> list[Found]:
    return [
        Found(tracks, parameters) for tracks, parameters in zip(made.tracks, made.parameters, strict=True)
    ]


def compare_fits(
    events: Sequence[Event],
    found: Sequence[Found],
    judged_: Sequence[Judged],
    detector: Detector,
    field: float,
) -> dict[str, Any]:
    """The fit beside ACTS's Kalman fitter on the same tracks and hits.

    Returns:
        ``ours`` and ``acts``: ``resolution_*`` and ``pull_*`` of the particles whose track both fitted, all
            its hits in it.
    """
    tracks = [f.tracks for f in found]
    fits = acts_fits([event.hits for event in events], tracks, [f.parameters for f in found], detector, field)
    theirs, whole = [], []
    for own, made, track, values, n_fitted in zip(
        judged_, found, tracks, fits.parameters, fits.n_fitted, strict=True
    ):
        theirs.append(replace(own, parameters=values))
        complete = np.zeros(len(own.truth.findable), dtype=bool)
        # ACTS's fitter takes out no outlier.
        assert isinstance(made.parameters, Helices)
        whole_ours = np.add.reduceat(np.append(made.parameters.outlier, False), track.start[:-1]) == 0
        good = (own.score.particle >= 0) & (whole_ours & (n_fitted == np.diff(track.start)))[own.rows]
        complete[own.score.particle[good]] = True
        whole.append(complete & own.matched())
    return {"ours": resolutions(judged_, whole, field), "acts": resolutions(theirs, whole, field)}


def _median(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {stage: float(np.median([run[stage] for run in runs])) for stage in runs[0]}


def _times(by_stage: Mapping[str, float]) -> dict[str, Any]:
    return {"ms": sum(by_stage.values()), "ms_by_stage": dict(by_stage)}


@dataclass(frozen=True)
class Judged:
    """The tracks of one event that count, and what they match.

    Attributes:
        parameters: of all its tracks; rows: (T,) of those that count; score: of these.
    """

    parameters: Parameters
    rows: npt.NDArray[np.int64]
    score: TrackScore
    truth: EventTruth

    def matched(self) -> npt.NDArray[np.bool_]:
        """(P,) findable particles with a track."""
        return self.score.found & self.truth.findable


def judged(events: Sequence[Event], found: Sequence[Found]) -> list[Judged]:
    """Tracks with enough hits and momentum, matched."""
    out = []
    for event, made in zip(events, found, strict=True):
        rows = made.tracks.rows()
        # A track whose fit failed may have no momentum at all, and does not count.
        with np.errstate(divide="ignore", invalid="ignore"):
            pt = np.abs(np.sin(made.parameters.theta) / made.parameters.qop)
        n_layers = np.array([len(np.unique(event.hits.layer[r])) for r in rows], dtype=np.int64)
        chosen = np.flatnonzero((n_layers >= MIN_HITS) & (pt > MIN_PT))
        score = score_tracks(event.truth, [rows[k] for k in chosen])
        out.append(Judged(made.parameters, chosen, score, event.truth))
    return out


def rates(events: Sequence[Judged]) -> dict[str, Any]:
    """Efficiency of findable particles; fakes and duplicates among the tracks that count."""
    findable = sum(int(e.truth.findable.sum()) for e in events)
    n_tracks = sum(len(e.rows) for e in events)
    # ACTS's seeding ends at cot theta 10, so that rates over all tracks are of different particles.
    central = [np.abs(1 / np.tan(e.parameters.theta[e.rows])) < np.sinh(MAX_ETA) for e in events]
    return {
        "efficiency": sum(int(e.matched().sum()) for e in events) / max(findable, 1),
        "n_findable": findable,
        "fake_rate": sum(int(np.sum(e.score.particle < 0)) for e in events) / max(n_tracks, 1),
        "fake_rate_central": sum(
            int(np.sum(c & (e.score.particle < 0))) for e, c in zip(events, central, strict=True)
        )
        / max(sum(int(c.sum()) for c in central), 1),
        "duplicate_rate": sum(int(e.score.duplicate.sum()) for e in events) / max(n_tracks, 1),
        "n_tracks": n_tracks,
    }


def resolutions(
    events: Sequence[Judged], particles: Sequence[npt.NDArray[np.bool_]], field: float
) -> dict[str, Any]:
    """Half widths of residuals and standard deviations of pulls of some particles' first tracks; None where
    there are none.
    """
    parts = []
    for event, wanted in zip(events, particles, strict=True):
        who = event.score.particle
        good = (who >= 0) & ~event.score.duplicate & np.append(wanted, False)[who]
        parts.append(residuals_and_pulls(event.parameters, event.rows[good], event.truth, who[good], field))
    residual, pull = (np.concatenate([part[k] for part in parts]) for k in range(2))
    out: dict[str, Any] = {"n_resolution": len(residual)}
    for k, (name, (key, factor)) in enumerate(RESOLUTIONS.items()):
        out[f"resolution_{key}"] = resolution(factor * residual[:, k])
        width = pull_width(pull[:, k])
        out[f"pull_{name}"] = width[1] if width else None
        out[f"pull_half_width_{name}"] = resolution(pull[:, k])
    return out


def bench_tracking(
    pileups: Sequence[int], n_events: int, seed: int, with_jets: bool = True, report: Report = print
) -> dict[str, Any]:
    """Everything behind ``smartpix bench tracking``: events of every pile-up are simulated with a seed
    nothing was trained on.

    Args:
        pileups: :data:`MAIN` among them has ``n_events`` events and the window's graph, the others a third as
            many.
        with_jets: also :data:`JETS` jets of 10 pions over pile-up 60.

    Returns:
        :func:`measure` of the main sample, ``pileup``: of each of the others by its number, and ``jets``.

    Raises:
        InputError: pile-up 200 is not asked for, or ACTS is not installed.
    """
    check("bench tracking", "events", n_events, n_events >= 1, "at least 1")
    if MAIN not in pileups:
        raise InputError(
            f"bench tracking: pile-up {MAIN} must be among {list(pileups)}; the main numbers are of it"
        )
    few = max(n_events // 3, 1)
    # What is missing is better said before the simulation.
    import_acts()
    load_network(WINDOW.gnn, WINDOW.graph)
    with tempfile.TemporaryDirectory() as folder:

        def of(pileup: int, n: int, **more: Any) -> dict[str, Any]:
            report(f"simulating {n} events of pile-up {pileup}")
            own = seed + pileup + len(more)
            _check_fresh(own)
            path = simulated(pileup, n, own, Path(folder), **more)
            return measure(path, n, with_parts=pileup == MAIN, report=report)

        result = {"seed": seed, "date": date.today().isoformat()} | of(MAIN, n_events)
        result["pileup"] = {str(p): of(p, few) for p in pileups if p != MAIN}
        if with_jets:
            result["jets"] = of(JET_PILEUP, few, jets=JETS)
    return result


def _check_fresh(seed: int) -> None:
    for name in {RunOptions().gnn, WINDOW.gnn}:
        if seed in {made.get("seed") for made in describe_weights(name)["data"]}:
            raise InputError(
                f"bench tracking: '{name}' was trained on events of seed {seed}; give another --seed"
            )


def table(result: Mapping[str, Any]) -> str:
    """Of :func:`bench_tracking`, as lines of text."""
    samples = {f"pile-up {MAIN}": result} | {f"pile-up {p}": r for p, r in result["pileup"].items()}
    if "jets" in result:
        samples["jets"] = result["jets"]
    keys = [key for key, _ in RESOLUTIONS.values()]
    head = f"{'':14s}{'':6s}{'efficiency':>11s}{'fakes':>8s}{'duplicates':>11s}{'ms':>8s}{'us/track':>9s}"
    lines = [head + "".join(f"{key:>12s}" for key in keys)]
    for name, sample in samples.items():
        for who in ("ours", "acts"):
            r = sample[who]
            numbers = f"{r['efficiency']:11.4f}{r['fake_rate']:8.4f}{r['duplicate_rate']:11.4f}{r['ms']:8.1f}{r['us_per_track']:9.1f}"
            lines.append(f"{name if who == 'ours' else '':14s}{who:6s}{numbers}{_widths(r, keys)}")
        ratios = f"{sample['ratio_time']:.3f}, with the estimates made on the CPU {sample['ratio_time_with_estimates']:.3f}"
        lines.append(f"{'':14s}time over ACTS's, from clusters with estimates: {ratios}")
        loose = sample["acts_loose"]
        what = f"efficiency {loose['efficiency']:.4f}, fakes {loose['fake_rate']:.4f}, {loose['ms']:.1f} ms"
        lines.append(f"{'':14s}ACTS with a hole and two shared hits: {what}")
    for name in ("cone_graph", "window_graph"):
        g = result[name]
        quality_of = f"efficiency {g['efficiency']:.4f}, fakes {g['fake_rate']:.4f}"
        lines.append(f"{name:14s}{g['edges']:9d} edges {g['mb']:6.1f} MB {g['ms']:7.1f} ms, {quality_of}")
    for who, title in (("ours", "our fit"), ("acts", "ACTS's")):
        widths = "".join(
            f"{'-' if (w := result['fit'][who][f'resolution_{k}']) is None else format(w, '.4g'):>12s}"
            for k in keys
        )
        lines.append(f"{title:14s}{'of the same tracks':44s}{widths}")
    for who in ("ours", "acts"):
        stages = ", ".join(f"{k} {v:.1f}" for k, v in result[who]["ms_by_stage"].items())
        lines.append(f"ms by stage, {who}: {stages}")
    return "\n".join(lines)


def _widths(resolutions: Mapping[str, Any], keys: Sequence[str]) -> str:
    values = [resolutions[f"resolution_{key}"] for key in keys]
    return "".join(f"{'-' if value is None else format(value, '.4g'):>12s}" for value in values)
