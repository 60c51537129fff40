"""Behind ``smartpix bench tracking``: finders beside each other on the same hits, by default ours and
ACTS's.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.extras import import_acts
from smartpix.schema import InputError, check, quoted
from tracking.bench.acts_front import front_finders
from tracking.bench.displaced import FINDERS as DISPLACED_FINDERS
from tracking.bench.displaced import SAMPLES as DISPLACED_SAMPLES
from tracking.bench.displaced import displaced_lines, displaced_rates
from tracking.bench.events import SAMPLES, Sample, load_sample, simulated, simulated_header
from tracking.bench.finding import FinderRun, check_fresh, estimate_ms, find_in_turn, median_ms
from tracking.bench.generic import chain_ms, generic_ratio
from tracking.bench.instructions import instruction_sets
from tracking.bench.judgement import Judgement, compare_fits, judge, rates, resolutions
from tracking.bench.matched import matched_lines, matched_ratios, ratio_to_best
from tracking.finder_table import finder_maker
from tracking.finders.finder import Finder, training_seeds
from tracking.finders.tracks import Tracks
from tracking.fit.resolution import RESOLUTIONS
from tracking.show.numbers import share

log = logging.getLogger(__name__)

__all__ = ["JETS", "Roles", "bench_tracking", "beside_acts", "compare_finders", "table"]

Report = Callable[[str], None]

MAIN = 200
"""Pile-up of the sample that the first keys are of."""
JETS, JET_PILEUP = SAMPLES["jets"].jets, SAMPLES["jets"].pileup


@dataclass(frozen=True)
class Roles:
    """Who plays which part in :func:`beside_acts`: names of finders.

    Attributes:
        ours, acts: by working point. ``balanced`` of each must be there: they are compared in everything.
        front: further settings of ACTS, which only the matched ratios look at.
        window: ours on the window's graph; None: it is not measured, nor what fit and graph do by themselves.
    """

    ours: Mapping[str, str] = dataclass_field(
        default_factory=lambda: {
            "fastest": "chain-fastest", "balanced": "chain", "efficient": "chain-efficient",
        }
    )  # fmt: skip
    acts: Mapping[str, str] = dataclass_field(
        default_factory=lambda: {
            name: f"acts-{name}" for name in ("fastest", "balanced", "efficient", "gbts-fastest", "gbts")
        }
    )
    front: tuple[str, ...] = ()
    window: str | None = None

    def names(self) -> list[str]:
        """Of all finders that are needed."""
        return [
            *self.ours.values(),
            *self.acts.values(),
            *self.front,
            *([self.window] if self.window else []),
        ]


BESIDE_ACTS = Roles()
"""Of every sample by default."""
MAIN_ROLES = replace(BESIDE_ACTS, window="window")
"""Of the main one, which is large enough to compare graphs and fits."""


def compare_finders(
    sample: Sample, finders: Mapping[str, Finder], report: Report = log.info
) -> dict[str, Any]:
    """Any finders on the events of a sample.

    Returns:
        The sample's numbers, and under ``finders`` by name those of :func:`beside_acts`, but for what
        compares two; ``resolution_*`` and ``pull_*`` are of the findable particles that all of them found.
    """
    runs = find_in_turn(finders, sample, report)
    judgements = {name: judge(sample.events, made[0].tracks) for name, made in runs.items()}
    common = _found_by(list(judgements.values()))
    numbers = {name: _numbers(judgements[name], made, common, sample) for name, made in runs.items()}
    return _sample_numbers(sample) | {"finders": numbers}


def beside_acts(
    sample: Sample, finders: Mapping[str, Finder], roles: Roles = BESIDE_ACTS, report: Report = log.info
) -> dict[str, Any]:
    """The chain and ACTS on the events of a sample.

    Args:
        finders: by name, those that ``roles`` names.
        roles: which of them plays which; with a window also what the fit and the cones do in the other's
            place.

    Returns:
        ``ours`` and ``acts`` at their balanced points: ``efficiency`` of findable particles; of tracks with
        at least four hits and pT
        > 0.5 GeV ``n_tracks``, ``fake_rate``, ``duplicate_rate``, and ``fake_rate_central`` of those with
        abs(eta) < 2.5; ``ms`` of processor time an event
        from clusters with estimates (ACTS: from measurements and space points) to tracks with parameters,
        ``ms_by_stage``, ``us_per_track``; of the findable particles that both found ``resolution_*`` (68 %
        half widths), ``pull_*`` (standard deviations of those within 5) and ``pull_half_width_*``.
        Within both ``fastest``, ``balanced`` and ``efficient``, and within ``acts`` those of GBTS: rates and
        ``ms`` of each working point.
        ``ratio_time``: of the balanced points; ``matched``: of each point at matched efficiency and central
        fakes (:func:`tracking.bench.matched.matched_ratios`), on all of ACTS's points and the front.
        ``best_acts``: :func:`tracking.bench.matched.ratio_to_best` of the same, and
        ``ratio_time_to_best_acts`` its ratio; ``ms_estimate``: what the estimates take where the chip does
        not make them, and ``ratio_time_with_estimates`` that ratio with them. ``clusters_per_second``: on one
        core, from cluster records to calibrated hits; in the clock are flattening, checks, estimates and
        making the hits, but not the reading of files. ``acts_loose``: rates and
        ``ms`` of ACTS's efficient point. With a window ``window_graph``: ``edges``, ``mb``, ``ms``,
        ``efficiency``, ``fake_rate`` with the window's graph in the cones' place, ``cone_graph`` the same of
        these, and ``fit``: of :func:`tracking.bench.judgement.compare_fits`.

    Raises:
        InputError: graphs are compared, and a finder tells nothing of its graph.
    """
    runs = find_in_turn(finders, sample, report)
    judgements = {name: judge(sample.events, made[0].tracks) for name, made in runs.items()}
    us, acts = roles.ours["balanced"], roles.acts["balanced"]
    common = _found_by([judgements[us], judgements[acts]])
    points = {name: rates(judgements[name]) | {"ms": sum(median_ms(runs[name]).values())} for name in runs}
    result = _sample_numbers(sample)
    for key, name, by_point in (("ours", us, roles.ours), ("acts", acts, roles.acts)):
        result[key] = _numbers(judgements[name], runs[name], common, sample)
        result[key] |= {point: points[finder] for point, finder in by_point.items()}
    result["acts_loose"] = points[roles.acts.get("efficient", acts)]
    ours = {point: points[name] for point, name in roles.ours.items()}
    theirs = {point: points[name] for point, name in roles.acts.items()}
    theirs |= {name: points[name] for name in roles.front}
    result["matched"] = matched_ratios(ours, theirs)
    result["ratio_time"] = result["ours"]["ms"] / result["acts"]["ms"]
    result["best_acts"] = best = ratio_to_best(ours, theirs)
    result["ratio_time_to_best_acts"] = best["ratio_time"]
    result["ratio_time_with_estimates"] = best["ratio_time"] and (
        (ours[best["ours"]]["ms"] + result["ms_estimate"]) / theirs[best["acts"]]["ms"]
    )
    if roles.window:
        detector, field = sample.header.detector, sample.header.field
        result["fit"] = compare_fits(sample.events, runs[us][0].tracks, judgements[us], detector, field)
        for key, name in (("cone_graph", us), ("window_graph", roles.window)):
            found = rates(judgements[name])
            result[key] = _graph_size(name, runs[name][0].tracks)
            result[key] |= {which: found[which] for which in ("efficiency", "fake_rate")}
            result[key] |= _times(median_ms(runs[name]))
    return result


def _sample_numbers(sample: Sample) -> dict[str, Any]:
    n_hits = sum(len(event.hits) for event in sample.events)
    ms = estimate_ms(sample)
    return {
        "n_events": len(sample.events),
        "n_hits": n_hits // len(sample.events),
        "field": sample.header.field,
        "ms_estimate": ms["estimate"],
        "clusters_per_second": 1e3 * n_hits / len(sample.events) / (ms["estimate"] + ms["hits"]),
    }


def _found_by(finders: Sequence[Sequence[Judgement]]) -> list[npt.NDArray[np.bool_]]:
    """Of each event (P,) whether all of the finders found the particle."""
    return [np.all([j.matched() for j in of_event], axis=0) for of_event in zip(*finders, strict=True)]


def _numbers(
    judgements: Sequence[Judgement],
    runs: Sequence[FinderRun],
    particles: Sequence[npt.NDArray[np.bool_]],
    sample: Sample,
) -> dict[str, Any]:
    """Rates, resolutions of some particles, and times of one finder."""
    result = rates(judgements) | resolutions(judgements, particles, sample.header.field)
    result |= _times(median_ms(runs))
    result["us_per_track"] = 1e3 * result["ms"] * len(sample.events) / max(result["n_tracks"], 1)
    return result


def _times(by_stage: Mapping[str, float]) -> dict[str, Any]:
    return {"ms": sum(by_stage.values()), "ms_by_stage": dict(by_stage)}


def _graph_size(name: str, found: Sequence[Tracks]) -> dict[str, Any]:
    """Edges of an event, and their size with the features that the network reads.

    Args:
        name: of the finder, for the message; found: its tracks of each event.
    """
    graphs = [tracks.graph for tracks in found if tracks.graph is not None]
    if len(graphs) < len(found):
        raise InputError(
            f"bench tracking: graphs are compared, and the tracks of the finder {quoted(name)} come without "
            f"the size of one; give a finder that sets Tracks.graph"
        )
    n_edges, n_bytes = sum(graph.n_edges for graph in graphs), sum(graph.n_bytes for graph in graphs)
    return {"edges": n_edges // len(found), "mb": n_bytes // len(found) / 1e6}


def bench_tracking(
    pileups: Sequence[int],
    n_events: int,
    seed: int,
    with_jets: bool = True,
    with_displaced: bool = True,
    report: Report = log.info,
    finders: Sequence[str] = (),
    acts_front: str | Path | None = None,
    generic: bool = False,
) -> dict[str, Any]:
    """Everything behind ``smartpix bench tracking``: events of every pile-up are simulated with a seed
    nothing was trained on.

    Args:
        pileups: :data:`MAIN` among them has ``n_events`` events and the window's graph, the others a third as
            many.
        with_jets: also :data:`JETS` jets of 10 pions over pile-up 60.
        with_displaced: also displaced pions, and jets with a decay in flight, over pile-up 200, where no
            finders are picked.
        finders: names of :func:`tracking.finder_table.finder_names`; none: the chain beside ACTS.
        acts_front: results of ``benchmarks/tune_acts.py``, whose settings take part in the matched ratios of
            the main sample.
        generic: the chain also as it is compiled for any processor, in a process of its own.

    Returns:
        :func:`beside_acts` of the main sample, ``pileup``: of each of the others by its number, and ``jets``;
        ``displaced`` and ``b_jets`` of :func:`tracking.bench.displaced.displaced_rates`;
        ``instructions`` of :func:`tracking.bench.instructions.instruction_sets`, and ``generic`` of
        :func:`tracking.bench.generic.generic_ratio`, None if it is not asked for.
        For finders that were picked :func:`compare_finders` of each sample instead.

    Raises:
        InputError: pile-up 200 is not asked for, a finder that is unknown or cannot be loaded, or ACTS is not
            installed.
    """
    check("bench tracking", "events", n_events, n_events >= 1, "at least 1")
    if MAIN not in pileups:
        raise InputError(
            f"bench tracking: pile-up {MAIN} must be among {list(pileups)}; the main numbers are of it"
        )
    few = max(n_events // 3, 1)
    # What is missing is better said before the simulation, which takes minutes and needs ACTS as well.
    makers = {name: finder_maker(name) for name in finders or MAIN_ROLES.names()}
    import_acts()
    front = {} if acts_front is None else front_finders(acts_front)
    makers |= front
    # The header is known before the events are: all samples have its detector and field.
    planned = simulated_header(MAIN, n_events, seed)
    trained_on = {name: training_seeds(make(planned)) for name, make in makers.items()}
    paths: dict[int, Path] = {}
    with tempfile.TemporaryDirectory() as folder:

        def measured(pileup: int, n: int, **more: Any) -> dict[str, Any]:
            report(f"simulating {n} events of pile-up {pileup}")
            sample_seed = seed + pileup + len(more)
            check_fresh("bench tracking", sample_seed, trained_on)
            path = simulated(pileup, n, sample_seed, Path(folder), **more)
            # Jets have the pile-up of another sample.
            paths.setdefault(pileup, path)
            sample = load_sample(path, n)
            roles = replace(MAIN_ROLES, front=tuple(front)) if pileup == MAIN else BESIDE_ACTS
            made = {name: makers[name](sample.header) for name in finders or roles.names()}
            if finders:
                return compare_finders(sample, made, report)
            return beside_acts(sample, made, roles, report)

        result = {"seed": seed, "date": date.today().isoformat()} | measured(MAIN, n_events)
        result["pileup"] = {str(p): measured(p, few) for p in pileups if p != MAIN}
        if with_jets:
            result["jets"] = measured(JET_PILEUP, few, jets=JETS)
        if with_displaced and not finders:
            for k, (key, what) in enumerate(DISPLACED_SAMPLES.items()):
                report(f"simulating {few} events of pile-up {MAIN} for {key}")
                displaced_seed = seed + MAIN + 2 + k
                check_fresh("bench tracking", displaced_seed, trained_on)
                path = simulated(MAIN, few, displaced_seed, Path(folder), **what)
                result[key] = _displaced(load_sample(path, few), report)
        result["instructions"], result["generic"] = instruction_sets(), None
        if generic:
            report("the chain compiled for any processor")
            result["generic"] = generic_ratio(chain_ms, str(paths[MAIN]), n_events)
    return result


def _displaced(sample: Sample, report: Report) -> dict[str, Any]:
    finders = {role: finder_maker(name)(sample.header) for role, name in DISPLACED_FINDERS.items()}
    runs = find_in_turn(finders, sample, report, 1)
    judgements = {role: judge(sample.events, made[0].tracks) for role, made in runs.items()}
    return {"n_events": len(sample.events)} | displaced_rates(judgements, sample.header.field)


def table(result: Mapping[str, Any]) -> str:
    """Of :func:`bench_tracking`, as lines of text."""
    samples = {f"pile-up {MAIN}": result} | {f"pile-up {p}": r for p, r in result["pileup"].items()}
    if "jets" in result:
        samples["jets"] = result["jets"]
    keys = [key for key, _ in RESOLUTIONS.values()]
    wide = max(len(name) for name in result.get("finders", ("acts",))) + 2
    head = (
        f"{'':14s}{'':{wide}s}{'efficiency':>30s}{'fakes':>30s}{'duplicates':>30s}{'ms':>8s}{'us/track':>9s}"
    )
    lines = [head + "".join(f"{key:>12s}" for key in keys)]
    for name, sample in samples.items():
        rows = sample["finders"] if "finders" in sample else {who: sample[who] for who in ("ours", "acts")}
        for k, (who, r) in enumerate(rows.items()):
            numbers = share(r["efficiency"], r.get("n_findable"), 30)
            numbers += "".join(
                share(r[key], r.get("n_tracks"), 30) for key in ("fake_rate", "duplicate_rate")
            )
            lines.append(
                f"{'' if k else name:14s}{who:{wide}s}{numbers}{r['ms']:8.1f}{r['us_per_track']:9.1f}{_widths(r, keys)}"
            )
        if "ratio_time" in sample:
            lines += _beside_acts_lines(sample)
    for key in DISPLACED_SAMPLES:
        if key in result:
            lines += [key, *displaced_lines(result[key])]
    if "fit" in result:
        lines += _part_lines(result, keys)
    for who, r in (result.get("finders") or {who: result[who] for who in ("ours", "acts")}).items():
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in r["ms_by_stage"].items())
        lines.append(f"ms by stage, {who}: {stages}")
    if result.get("generic"):
        lines.append(
            f"ours compiled for any processor over this one: {result['generic']['ratio_generic']:.3f}"
        )
    return "\n".join(lines)


def _beside_acts_lines(sample: Mapping[str, Any]) -> list[str]:
    ratio = f"time over ACTS's, from clusters with estimates, both balanced: {sample['ratio_time']:.3f}"
    lines = [f"{'':14s}{ratio}"]
    best = sample["best_acts"]
    if best["ours"] is not None:
        pair = f"ours.{best['ours']} over the best of ACTS, acts.{best['acts']}: {best['ratio_time']:.3f}"
        made = f"with the estimates made on the CPU {sample['ratio_time_with_estimates']:.3f}"
        lines.append(f"{'':14s}{pair}, {made}")
    for side in ("ours", "acts"):
        for name, r in sample[side].items():
            if isinstance(r, dict) and "fake_rate_central" in r:
                found = share(r["efficiency"], r.get("n_findable"))
                quality = f"efficiency {found}, central fakes {r['fake_rate_central']:.4f}"
                lines.append(f"{'':14s}{side + '.' + name:18s}: {quality}, {r['ms']:.1f} ms")
    return lines + [f"{'':14s}{line}" for line in matched_lines(sample["matched"])]


def _part_lines(result: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """The window's graph beside the cones', and both fits of the same tracks."""
    lines = []
    for name in ("cone_graph", "window_graph"):
        g = result[name]
        found, fakes = share(g["efficiency"], g.get("n_findable")), share(g["fake_rate"], g.get("n_tracks"))
        quality = f"efficiency {found}, fakes {fakes}"
        lines.append(f"{name:14s}{g['edges']:9d} edges {g['mb']:6.1f} MB {g['ms']:7.1f} ms, {quality}")
    for who, title in (("ours", "our fit"), ("acts", "ACTS's")):
        lines.append(f"{title:14s}{'of the same tracks':44s}{_widths(result['fit'][who], keys)}")
    return lines


def _widths(numbers: Mapping[str, Any], keys: Sequence[str]) -> str:
    values = [numbers[f"resolution_{key}"] for key in keys]
    return "".join(f"{'-' if value is None else format(value, '.4g'):>12s}" for value in values)
