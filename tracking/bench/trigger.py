"""Behind ``smartpix bench trigger``: sectors of the cone's graph, the interaction network on them in floating
point and in whole numbers, its logic, and the tracks of its scores beside the chain's.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from smartpix.schema import InputError, check, check_ranges, check_types, ranged
from tracking.bench.events import Sample, load_sample, simulated
from tracking.bench.finding import check_fresh, find_in_turn, median_ms
from tracking.bench.judgement import Judgement, judge
from tracking.bench.trigger_rate import design_rate
from tracking.finder_table import make_finder
from tracking.finders.finder import Finder, training_seeds
from tracking.finders.trigger import whole
from tracking.finders.trigger.dataset import (
    LabelledEvent,
    edge_particles,
    labelled_graph,
    labelled_sectors,
)
from tracking.finders.trigger.finder import TriggerFinder
from tracking.finders.trigger.graphs import EventGraph, SectorBatch, trigger_search
from tracking.finders.trigger.logic.options import LogicOptions
from tracking.finders.trigger.options import PAPER, SectorOptions, TriggerGraphOptions, TriggerOptions
from tracking.finders.trigger.scores import Trained, load_trained
from tracking.finders.trigger.sectors import SectorGraph, make_sectors, whole_particles
from tracking.show.numbers import share

log = logging.getLogger(__name__)

__all__ = [
    "CURVE", "BenchTriggerOptions", "bench_trigger", "edge_auc", "paper_graph", "pt_rates", "sector_curve",
    "sector_numbers", "trigger_table",
]  # fmt: skip

PTS = (1.0, 2.0)
"""pT in GeV above which particles are asked for."""
PILEUP = 200
ALONE = "chain-unsplit"
"""The chain with one hit of every cluster, as the trigger has them."""
GRIDS = ((48, 16), (64, 20), (80, 24), (96, 32), (128, 40))
SIZES = ((28, 56), (40, 80), (56, 112))
CURVE = tuple((grid, size) for grid in GRIDS for size in SIZES)
"""Sectors around and along the beam, and most nodes and edges of each."""


@dataclass(frozen=True)
class BenchTriggerOptions:
    """What is measured.

    Attributes:
        weights: of the network in whole numbers, by name or path.
        float_weights: of that in floating point.
        events: most of the file, or how many are simulated.
        seed: of the events that are simulated.
        logic: write the Verilog, simulate it and count look-up tables.
        n_sectors: sectors that the Verilog is simulated on.
        interval: cycles between two sectors in logic.
    """

    weights: str = "trigger-fixed"
    float_weights: str = "trigger"
    events: int = ranged(4, 1, 100_000)
    seed: int = 642_001
    logic: bool = True
    n_sectors: int = ranged(2000, 1, 1_000_000)
    interval: int = ranged(1, 1, 256)

    def __post_init__(self) -> None:
        check_types("bench trigger", self)
        check_ranges("bench trigger", self)


def bench_trigger(
    file: str | Path | None = None,
    options: BenchTriggerOptions | None = None,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Measure the trigger on events of pile-up 200.

    Args:
        file: of simulated events; None: they are simulated.

    Returns:
        ``network``: ``parameters``, ``bits`` of its numbers, ``auc_float`` and ``auc_fixed`` of the sectors'
            edges,
        and of :func:`tracking.finders.trigger.logic.write_logic` ``luts``, ``ffs``, ``latency_cycles``,
        ``ii_cycles``, ``rtl_mismatches``, None where the logic is not asked for.
        ``rate``: of :func:`tracking.bench.trigger_rate.design_rate`, how many designs of the asked interval
            an event
        needs.
        ``sectors``: of :func:`sector_numbers`, and of tracks by whole numbers ``efficiency`` (findable
            particles
        above 1 GeV), ``fake_rate`` (tracks that count in :func:`tracking.bench.judgement.judge`), and more of
        :func:`pt_rates`. ``finders``: these rates and ``ms`` of the trigger in whole numbers and in floating
        point, and of the chain with and without splitting. ``curve``: of :func:`sector_curve`.
        ``paper``: of :func:`paper_graph`. ``unscreened``: :func:`sector_numbers` of all the cone's edges,
            also those
        that no other one continues.

    Raises:
        InputError: unusable files or weights, weights of two graphs, or events that one was trained on.
    """
    options = options or BenchTriggerOptions()
    fixed, plain = load_trained(options.weights), load_trained(options.float_weights)
    _check_weights(options, fixed, plain)
    # Before an event is simulated or found in: no interval is longer than a sector has edges.
    size = LogicOptions(nodes=fixed.sectors.nodes, edges=fixed.sectors.edges, interval=options.interval)
    with tempfile.TemporaryDirectory() as folder:
        if file is None:
            report(f"simulating {options.events} events of pile-up {PILEUP}")
            file = simulated(PILEUP, options.events, options.seed, Path(folder))
        sample = load_sample(file, options.events)
    made_by = dict(sample.header.made_by)
    finders = _finders(sample, options)
    seed = made_by.get("seed")
    if isinstance(seed, int):
        check_fresh("bench trigger", seed, {name: training_seeds(f) for name, f in finders.items()})
    events = [_labelled(sample, k, fixed.graph) for k in range(len(sample.events))]
    network = _network_numbers(events, fixed, plain)
    network |= _logic(events, fixed, size, options.n_sectors, report) if options.logic else _no_logic()
    runs = find_in_turn(finders, sample, report, repeats=1)
    rows = {
        name: pt_rates(judge(sample.events, run[0].tracks)) | {"ms": sum(median_ms(run).values())}
        for name, run in runs.items()
    }
    report("sectors of other sizes")
    sectors = sector_numbers(events, fixed.sectors)
    return {
        "n_events": len(sample.events),
        "data": made_by,
        "network": network,
        "rate": design_rate(sectors["n_used"], sectors["n_sectors"], size.interval, size.clock_ns),
        "sectors": sectors | rows["trigger"],
        "finders": rows,
        "curve": sector_curve(events, fixed.sectors),
        "paper": paper_graph(sample),
        "unscreened": sector_numbers(_unscreened(sample, fixed.graph), fixed.sectors),
    }


def _check_weights(options: BenchTriggerOptions, fixed: Trained, plain: Trained) -> None:
    check("bench trigger", "weights", options.weights, _is_whole(fixed), "weights in whole numbers")
    check(
        "bench trigger", "float_weights", options.float_weights, not _is_whole(plain),
        "weights in floating point",
    )  # fmt: skip
    if (fixed.graph, fixed.sectors) != (plain.graph, plain.sectors):
        raise InputError(
            f"bench trigger: {options.weights} and {options.float_weights} were trained on other graphs or "
            f"sectors, so that they cannot be compared; give weights that were trained alike"
        )


def _is_whole(trained: Trained) -> bool:
    return isinstance(trained.network, whole.FixedInteraction)


def _finders(sample: Sample, options: BenchTriggerOptions) -> dict[str, Finder]:
    header = sample.header
    finders: dict[str, Finder] = {
        name: TriggerFinder.for_detector(header.detector, header.field, TriggerOptions(weights=weights))
        for name, weights in (("trigger", options.weights), ("trigger-float", options.float_weights))
    }
    return finders | {name: make_finder(name, header) for name in ("chain", ALONE)}


def _labelled(sample: Sample, event: int, options: TriggerGraphOptions) -> LabelledEvent:
    search = trigger_search(sample.header.detector, sample.header.field, options)
    return labelled_graph(search, sample.events[event].hits, sample.events[event].truth, options)


def _unscreened(sample: Sample, options: TriggerGraphOptions) -> list[LabelledEvent]:
    """All the cone's edges of each event as a graph without features."""
    search = trigger_search(sample.header.detector, sample.header.field, options)
    events = []
    for event in sample.events:
        edges = search.edges(event.hits)
        inner = SectorGraph(
            event.hits.position, edges.source, edges.target, edges.curvature, edges.cot_theta, edges.chi2
        )
        rows, columns = (np.arange(n, dtype=np.int32) for n in (len(event.hits), len(edges)))
        node, edge = (np.zeros((len(of), 0), dtype=np.float32) for of in (rows, columns))
        graph = EventGraph(inner, rows, columns, node, edge)
        events.append(LabelledEvent(graph, event.truth, edge_particles(graph, event.truth)))
    return events


def pt_rates(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Efficiencies of findable particles above 1 and 2 GeV, and fakes among the tracks.

    Returns:
        ``efficiency``, ``n_findable`` above 1 GeV, ``efficiency_2`` and ``n_findable_2`` above 2 GeV;
        ``fake_rate`` and ``n_tracks`` of all that count, ``fake_rate_1`` of those of a fitted pT above 1 GeV.
    """
    result: dict[str, Any] = {}
    for pt in PTS:
        wanted = [j.truth.findable & (j.truth.pt > pt) for j in judgements]
        n = sum(int(w.sum()) for w in wanted)
        found = sum(int(np.sum(j.score.found & w)) for j, w in zip(judgements, wanted, strict=True))
        end = "" if pt == PTS[0] else f"_{pt:g}"
        result |= {f"efficiency{end}": found / max(n, 1), f"n_findable{end}": n}
    fake = np.concatenate([j.score.particle < 0 for j in judgements])
    theta, qop = (
        np.concatenate([getattr(j.parameters, name)[j.rows] for j in judgements]) for name in ("theta", "qop")
    )
    hard = np.abs(np.sin(theta)) > PTS[0] * np.abs(qop)
    return result | {
        "fake_rate": float(np.mean(fake)) if len(fake) else 0.0,
        "fake_rate_1": float(np.mean(fake[hard])) if np.any(hard) else 0.0,
        "n_tracks": len(fake),
    }


def sector_numbers(events: Sequence[LabelledEvent], options: SectorOptions) -> dict[str, Any]:
    """What is in the sectors of some events.

    Returns:
        ``nodes`` and ``edges`` that fit in; ``n_sectors`` there are and ``n_used`` that have edges, of an
        event; ``mean_edges`` and ``mean_nodes`` of all sectors before they are cut, ``edges_99`` and
        ``nodes_99`` at the quantile 0.99; ``truncated``: share of all sectors that lose edges, ``edges_cut``:
        of the edges that are in no sector; ``whole`` and ``whole_2``: share of findable particles above 1 and
        2 GeV of which one sector has all the graph's edges, ``strict`` and ``strict_2``: all their true
        edges, also those that the graph lacks.
    """
    made = [make_sectors(event.graph.graph, options) for event in events]
    n_all = sum(sectors.n_all for sectors in made)
    result: dict[str, Any] = {
        "nodes": options.nodes,
        "edges": options.edges,
        "n_sectors": options.n_phi * options.n_eta,
        "n_used": float(np.mean([len(sectors) for sectors in made])),
        "truncated": sum(int(sectors.truncated.sum()) for sectors in made) / n_all,
    }
    for name in ("edges", "nodes"):
        counts = np.zeros(n_all, dtype=np.int64)
        used = np.concatenate([getattr(sectors, f"n_{name}") for sectors in made])
        counts[: len(used)] = used
        result |= {f"mean_{name}": float(counts.mean()), f"{name}_99": float(np.quantile(counts, 0.99))}
    n_edges = sum(len(event.particle) for event in events)
    kept = sum(len(np.unique(sectors.edge[sectors.valid])) for sectors in made)
    result["edges_cut"] = 1 - kept / max(n_edges, 1)
    for pt in PTS:
        n, n_whole, n_strict = 0, 0, 0
        for event, sectors in zip(events, made, strict=True):
            truth, who = event.truth, event.particle
            wanted = truth.findable & (truth.pt > pt)
            there = whole_particles(sectors, who, len(truth.pt)) & wanted
            complete = np.bincount(who[who >= 0], minlength=len(truth.pt)) == np.bincount(
                truth.edge_particle, minlength=len(truth.pt)
            )
            n, n_whole, n_strict = (
                n + int(wanted.sum()),
                n_whole + int(there.sum()),
                n_strict + int(np.sum(there & complete)),
            )
        end = "" if pt == PTS[0] else f"_{pt:g}"
        result |= {f"whole{end}": n_whole / max(n, 1), f"strict{end}": n_strict / max(n, 1)}
    return result


def sector_curve(events: Sequence[LabelledEvent], options: SectorOptions) -> list[dict[str, Any]]:
    """:func:`sector_numbers` at the grids and sizes of :data:`CURVE`, cut by chi2 and by the order of the
    file, and of the paper's sectors of hits at several sizes.
    """
    rows = []
    for (n_phi, n_eta), (nodes, edges) in CURVE:
        for order in ("chi2", "file"):
            one = replace(options, n_phi=n_phi, n_eta=n_eta, nodes=nodes, edges=edges, order=order)
            rows.append(_curve_row(events, one))
    for overlap in (0.0, 0.1):
        for nodes, edges in (*SIZES, (1024, 2048)):
            one = replace(PAPER, nodes=nodes, edges=edges, margin_phi=overlap, margin_eta=overlap)
            rows.append(_curve_row(events, one))
    return rows


def _curve_row(events: Sequence[LabelledEvent], options: SectorOptions) -> dict[str, Any]:
    names = ("by", "n_phi", "n_eta", "margin_phi", "margin_eta", "order")
    return {name: getattr(options, name) for name in names} | sector_numbers(events, options)


def paper_graph(sample: Sample) -> dict[str, Any]:
    """The paper's own graph, sectors and sizes on the sample: geometric edges among the hits of particles
    above 2 GeV alone, as in the paper's samples, and their :func:`sector_numbers`; ``n_edges`` of an event.
    """
    options = TriggerGraphOptions(graph="geometric", features="paper", truth_pt=2.0)
    events = [_labelled(sample, k, options) for k in range(len(sample.events))]
    true = sum(int(np.sum(event.particle >= 0)) for event in events)
    n_edges = sum(len(event.particle) for event in events)
    return {
        "n_edges": n_edges / len(events),
        "purity": true / max(n_edges, 1),
        "largest": _curve_row(events, replace(PAPER, nodes=113, edges=196)),
        "throughput": _curve_row(events, PAPER),
    }


def _network_numbers(events: Sequence[LabelledEvent], fixed: Trained, plain: Trained) -> dict[str, Any]:
    assert isinstance(fixed.network, whole.FixedInteraction)
    return {
        "parameters": fixed.network.parameters,
        "bits": fixed.network.data.bits,
        "auc_float": edge_auc(plain, events, plain.sectors),
        "auc_fixed": edge_auc(fixed, events, fixed.sectors),
    }


def edge_auc(trained: Trained, events: Sequence[LabelledEvent], options: SectorOptions) -> float:
    """Area under the curve of the edges of all sectors, true against false, an edge as often as it is in one.

    Raises:
        InputError: all edges are of one kind, or there are none.
    """
    made = [labelled_sectors(event, options)[1:] for event in events]
    logits = np.concatenate([trained.logits(batch)[batch.valid] for batch, _ in made])
    label = np.concatenate([of[batch.valid] for batch, of in made])
    n_true = int(label.sum())
    if n_true in (0, len(label)):
        raise InputError(
            f"trigger: the events' sectors have {n_true} true and {len(label) - n_true} false edges, and edges of both "
            f"kinds are needed to tell them apart; give events with more particles"
        )
    return float(roc_auc_score(label, logits))


def _no_logic() -> dict[str, Any]:
    return dict.fromkeys(LOGIC_KEYS)


LOGIC_KEYS = ("luts", "ffs", "latency_cycles", "ii_cycles", "rtl_mismatches", "n_rtl_sectors")


def _logic(
    events: Sequence[LabelledEvent],
    fixed: Trained,
    size: LogicOptions,
    n_sectors: int,
    report: Callable[[str], None],
) -> dict[str, Any]:
    from tracking.finders.trigger.logic import bench_graphs, write_logic

    assert isinstance(fixed.network, whole.FixedInteraction)
    batches: list[SectorBatch] = [labelled_sectors(event, fixed.sectors)[1] for event in events]
    # Some of every event, and each other than the one before.
    graphs = bench_graphs(fixed.network, batches, n_sectors)
    with tempfile.TemporaryDirectory() as folder:
        facts = write_logic(fixed.network, Path(folder) / "logic", graphs, size, report)
    return {name: facts[name] for name in LOGIC_KEYS[:-1]} | {"n_rtl_sectors": facts["n_sectors"]}


def trigger_table(result: dict[str, Any]) -> str:
    """The main numbers as text."""
    network, sectors, rate = result["network"], result["sectors"], result["rate"]
    lines = [
        f"network: {network['parameters']} parameters, {network['bits']} bits; AUC {network['auc_float']:.4f} in "
        f"floating point, {network['auc_fixed']:.4f} in whole numbers",
        "logic: " + ", ".join(f"{name} {network[name]}" for name in LOGIC_KEYS),
        f"sectors: {sectors['n_sectors']} of {sectors['nodes']} nodes and {sectors['edges']} edges, "
        f"{sectors['n_used']:.0f} used, {sectors['mean_edges']:.1f} edges, {100 * sectors['truncated']:.2f} % cut; "
        f"whole particles above 1 GeV {sectors['whole']:.4f}, above 2 GeV {sectors['whole_2']:.4f}",
        f"rate: a sector every {rate['ii_cycles']} cycles of {rate['clock_ns']:g} ns, an event in "
        f"{rate['event_us']:.1f} us; {rate['designs']} designs for an event every {rate['crossing_ns']:g} ns",
        f"{'':14} {'> 1 GeV':>30} {'> 2 GeV':>30} {'fakes':>30} {'> 1 GeV':>8} {'ms':>6}",
    ]
    for name, row in result["finders"].items():
        lines.append(
            f"{name:14} {share(row['efficiency'], row.get('n_findable'), 30)} "
            f"{share(row['efficiency_2'], row.get('n_findable_2'), 30)} "
            f"{share(row['fake_rate'], row.get('n_tracks'), 30)} "
            f"{row['fake_rate_1']:8.4f} {row['ms']:6.0f}"
        )
    lines.append("by           grid      size       order whole   strict  cut     edges")
    for row in result["curve"]:
        lines.append(
            f"{row['by']:9} {row['n_phi']:4} x {row['n_eta']:<3} {row['nodes']:4} / {row['edges']:<5} "
            f"{row['order']:5} {row['whole']:.4f}  {row['strict']:.4f}  {row['truncated']:.4f}  "
            f"{row['mean_edges']:.1f}"
        )
    return "\n".join(lines)
