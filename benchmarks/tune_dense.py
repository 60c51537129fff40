"""What was aimed at with the settings for jets' cores: ACTS's two points, K-means and DeepCore.

    python benchmarks/tune_dense.py [--settings N] [--seed S] [--events N] [--file F.root] [--json]

The tuning events are those of

    smartpix simulate events --pileup 60 --jets 10 --jet-particles 15 30 --jet-radius 0.03 \\
        --jet-pt 500 2000 --events 4 --seed 417002 -o cores.root

which no network was trained on and no bench judges. The search of ACTS begins with the points that there are
and goes on to settings near the best for each of :data:`AIMS`. K-means and DeepCore are scanned, one option
at a time. Writes benchmarks/results/tuned-dense.json. Needs smartpix[acts].
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from acts_measured import Bench, Measured
from acts_settings import CHAIN, SEEDING, Z_BINS, Range, Setting, chain_key, varied

from tracking.acts.reference import WORKING_POINTS
from tracking.bench.events import Sample, load_sample, simulated_sample
from tracking.bench.finding import run_finder
from tracking.bench.judgement import judge, rates
from tracking.chain import chain_finder
from tracking.finders.deepcore.finder import DeepCoreFinder
from tracking.finders.deepcore.kmeans import KMeansFinder, KMeansOptions
from tracking.finders.deepcore.options import DeepCoreOptions
from tracking.finders.finder import Finder, FinderInput
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import fit_tracks

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "tuned-dense.json"
SAMPLE, SEED = "cores", 417_002
"""The tuning events: of :data:`tracking.bench.events.SAMPLES`, with a seed that nothing else has."""
IN_TURN = 6
"""Settings of ACTS that share one filling of the events from Python."""
BEST = 4
"""Settings for each aim that others are made from."""
POINTS = ("dense", "dense-loose")

CORE_CHAIN = {
    **CHAIN,
    "outlier_chi2": Range(8.0, 300.0, log=True),
    "branches": Range(1, 8, whole=True),
    "shared_hits": Range(0, 8, whole=True),
}
"""Wider than at pile-up 200: particles share hits, and follow each other on a module."""
CORE_SEEDING = {
    **SEEDING,
    "maxSeedsPerSpM": Range(0, 10, whole=True),
    "deltaRMiddleMinSPRange": Range(0.0, 60.0),
}


def clean(measured: Measured) -> float:
    """Most particles while the fakes stay rare: each beyond one track in a thousand costs eight particles."""
    return measured.efficiency - 8 * max(0.0, measured.fakes_of_all - 0.001) - 0.2 * measured.duplicates


def loose(measured: Measured) -> float:
    """Most particles, whatever the fakes up to one track in a hundred."""
    return measured.efficiency - 2 * max(0.0, measured.fakes_of_all - 0.01) - 0.2 * measured.duplicates


AIMS: Mapping[str, Callable[[Measured], float]] = {"clean": clean, "loose": loose}
"""What is to be large."""

KMEANS: Sequence[dict[str, Any]] = (
    {}, {"fraction": 1.2}, {"fraction": 1.4}, {"fraction": 1.7}, {"fraction": 2.0}, {"fraction": 3.0},
    {"sigma": 0.1}, {"sigma": 0.2}, {"sigma": 0.5}, {"cone": 0.03}, {"cone": 0.1}, {"most_parts": 2},
    {"most_parts": 5},
)  # fmt: skip
"""Changes of :class:`KMeansOptions`; the first is none."""
DEEPCORE: Sequence[dict[str, Any]] = (
    {}, {"seeds": {"thresholds": (0.85, 0.75, 0.65)}}, {"seeds": {"thresholds": (0.5, 0.5, 0.5)}},
    {"seeds": {"thresholds": (0.7, 0.85, 1.0)}}, {"jets": {"max_eta": 1.4}}, {"jets": {"max_eta": 2.0}},
    {"jets": {"max_eta": 4.0}}, {"sigma_hit": 0.005}, {"sigma_hit": 0.03}, {"min_hits": 3},
    {"max_shared": 0.25}, {"max_shared": 0.75}, {"quantile": 0.99},
)  # fmt: skip
"""Changes of :class:`DeepCoreOptions`; the first is none."""


def setting_of(name: str) -> Setting:
    """One of ACTS's working points as the search has it."""
    point = WORKING_POINTS[name]
    cuts = point.seeding
    bins = next(key for key, edges in Z_BINS.items() if edges == list(cuts["zBinEdges"]))
    seeding = {
        **cuts, "deltaZ": cuts["deltaZMax"], "collisionRegion": cuts["collisionRegionMax"], "zBinEdges": bins,
    }  # fmt: skip
    return {
        "seeding": {key: seeding[key] for key in SEEDING},
        "chain": {key: getattr(point.options, key) for key in CHAIN},
    }


def search_acts(sample: Sample, n_settings: int, seed: int, report: Callable[[str], None]) -> dict[str, Any]:
    """ACTS's points, and so many settings near the best for each aim."""
    bench, rng = Bench(sample), np.random.default_rng(seed)
    known: dict[str, Measured] = {}
    refused = 0

    def measure(settings: Sequence[Setting]) -> None:
        nonlocal refused
        new = {chain_key(s): s for s in settings if chain_key(s) not in known}
        try:
            measured = bench.chains(list(new.values()), len(bench.hits)) if new else []
        # ACTS raises C++ errors of many kinds. One of the batch brings all of it down, so each is tried alone.
        except (RuntimeError, ValueError, TypeError):
            if len(new) > 1:
                for setting in new.values():
                    measure([setting])
            else:
                refused += 1
            return
        known.update((chain_key(m.setting), m) for m in measured)

    measure([setting_of(name) for name in POINTS])
    while len(known) + refused < n_settings + len(POINTS):
        parents = [m.setting for aim in AIMS.values() for m in best(list(known.values()), aim)]
        batch = []
        for k in range(IN_TURN):
            setting = dict(parents[rng.integers(len(parents))])
            if k % 3 != 1:
                setting["chain"] = varied(setting["chain"], CORE_CHAIN, rng, 0.12)
            if k % 3 != 0:
                setting["seeding"] = varied(setting["seeding"], CORE_SEEDING, rng, 0.12)
            batch.append(setting)
        measure(batch)
        report(f"{len(known)} of ACTS's settings")
    return {
        "points": {name: written(known[chain_key(setting_of(name))]) for name in POINTS},
        "best": {name: [written(m) for m in best(list(known.values()), aim)] for name, aim in AIMS.items()},
        "tried": [written(m) for m in known.values()],
        "n_refused": refused,
    }


def best(measured: Sequence[Measured], aim: Callable[[Measured], float]) -> list[Measured]:
    """The best for an aim, the very best first."""
    return sorted(measured, key=aim, reverse=True)[:BEST]


def written(measured: Measured) -> dict[str, Any]:
    """As JSON has it."""
    chain = {k: None if v == np.inf else v for k, v in measured.setting["chain"].items()}
    return {
        "efficiency": measured.efficiency, "fakes": measured.fakes_of_all, "duplicates": measured.duplicates,
        "ms": measured.ms, "setting": {"seeding": measured.setting["seeding"], "chain": chain},
    }  # fmt: skip


def changed(options: Any, changes: Mapping[str, Any]) -> Any:
    """Options with some of them changed; a dictionary changes options inside."""
    return replace(
        options,
        **{k: changed(getattr(options, k), v) if isinstance(v, dict) else v for k, v in changes.items()},
    )


def scan(sample: Sample, report: Callable[[str], None]) -> dict[str, Any]:
    """K-means and DeepCore behind the chain: each of the changes, and neither of both (``unsplit``)."""
    head, chain = sample.header, chain_finder(sample.header, "unsplit")
    made: dict[tuple[int, float], Tracks] = {}

    def first(event: FinderInput) -> Tracks:
        # The first search is the same for all of them.
        if len(event.hits) != len(event.clusters):
            return chain(event)
        key = len(event.hits), float(event.hits.position[:, 2].sum())
        if key not in made:
            made[key] = chain(event)
        return made[key]

    def kmeans(changes: Mapping[str, Any]) -> Finder:
        options = changed(KMeansOptions(), changes)
        return KMeansFinder(first, fit_tracks, head.detector, head.field, head.slices[-1], options)

    def deepcore(changes: Mapping[str, Any]) -> Finder:
        options = changed(DeepCoreOptions(), changes)
        return DeepCoreFinder.for_detector(
            head.detector, head.field, head.slices[-1], first, fit_tracks, options
        )

    def measured(name: str, finder: Finder, changes: Mapping[str, Any]) -> dict[str, Any]:
        r = rates(judge(sample.events, run_finder(name, finder, sample).tracks))
        report(f"{name} {dict(changes)}: {r['efficiency']:.4f}, fakes {r['fake_rate']:.4f}")
        return {
            "changes": dict(changes), "efficiency": r["efficiency"], "fakes": r["fake_rate"],
            "duplicates": r["duplicate_rate"],
        }  # fmt: skip

    return {
        "unsplit": measured("unsplit", first, {}),
        "kmeans": [measured("kmeans", kmeans(changes), changes) for changes in KMEANS],
        "deepcore": [measured("deepcore", deepcore(changes), changes) for changes in DEEPCORE],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, search, scan, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--settings", type=int, default=48, help="of ACTS, beside its points (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the search (default: %(default)s)")
    parser.add_argument("--events", type=int, default=4, help="tuning events (default: %(default)s)")
    parser.add_argument("--file", help="tuning events that are there already")
    parser.add_argument("--json", action="store_true", help="print the result too")
    parser.add_argument("-o", "--output", type=Path, default=RESULT, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    report = (lambda line: None) if options.json else partial(print, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or simulated_sample(SAMPLE, options.events, SEED, Path(folder))
        sample = load_sample(path, options.events)
    result = {
        "sample": SAMPLE,
        "seed": sample.header.made_by.get("seed"),
        "n_events": len(sample.events),
        "n_findable": sum(int(event.truth.findable.sum()) for event in sample.events),
        "search_seed": options.seed,
        "aims": {name: " ".join(str(aim.__doc__).split()) for name, aim in AIMS.items()},
        "acts": search_acts(sample, options.settings, options.seed, report),
        **scan(sample, report),
        "remake": (
            f"python benchmarks/tune_dense.py --settings {options.settings} --seed {options.seed} "
            f"--events {options.events}"
        ),
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result) if options.json else table(result))


def table(result: Mapping[str, Any]) -> str:
    """The points, the best for each aim, and the scans, as lines of text."""
    lines = [f"{'':34s}{'efficiency':>11s}{'fakes':>8s}{'dupl.':>8s}"]
    acts = result["acts"]
    rows = [(f"acts-{name}", r) for name, r in acts["points"].items()]
    rows += [(f"best, {aim}", r) for aim, found in acts["best"].items() for r in found]
    rows += [("unsplit", result["unsplit"])]
    rows += [(f"{name} {r['changes']}", r) for name in ("kmeans", "deepcore") for r in result[name]]
    lines += [f"{name:34s}{r['efficiency']:11.4f}{r['fakes']:8.4f}{r['duplicates']:8.4f}" for name, r in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
