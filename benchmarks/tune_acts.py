"""The front of ACTS's chain: CPU time, efficiency and fakes of the best settings of seeding, Kalman filter
and ambiguity resolution on tuning events.

    python benchmarks/tune_acts.py [--minutes N] [--seed S] [--events N] [--file F.root] [--resume] [--json]

Events of pile-up 200 are simulated with a seed of their own, which no bench judges on. The seeding is searched
first and alone, since it is several times cheaper: by time, efficiency and number of seeds. Then the whole
chain. Both searches draw at random, then vary and mix what is on the front so far. The last fifth of the
time measures the front again, in turn, and takes medians. Writes benchmarks/results/acts-front.json.
Needs smartpix[acts].
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from acts_measured import Bench, Measured
from acts_settings import (
    ANCHORS,
    CHAIN,
    Setting,
    algorithm_of_cuts,
    chain_key,
    drawn,
    mixed,
    ranges_of,
    seeding_cuts,
    varied,
)

from tracking.bench.events import Sample, load_sample, simulated

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "acts-front.json"
SEED = 417_001
"""Of the tuning events: no sample of the benches, the training or the tests has it."""
PILEUP = 200
SEEDINGS_IN_TURN, CHAINS_IN_TURN = 12, 8
"""Settings that share one filling of the events from Python, which takes longer than ACTS's seeding."""
SHARES = {"random": 0.1, "seeding": 0.25, "chain": 0.7}
"""Shares of the time after which the search goes on to the next part."""
LEAST = 0.985
"""Efficiency below which a setting is no use, whatever it saves."""
FRONT_AT_MOST = 20
SOFT_SHARE = 0.98
"""Of the largest efficiency of particles of 0.5 to 0.9 GeV: a setting with less has given them up."""


def reaches_down(setting: Setting) -> bool:
    """Whether a setting looks for all that the cones look for: 0.5 GeV, and slopes up to 10."""
    return bool(setting["seeding"]["minPt"] <= 0.5 and setting["seeding"]["cotThetaMax"] >= 10)


def front(measured: Sequence[Measured]) -> list[Measured]:
    """Those of which no other is as good in each of time, efficiency and fakes; fastest first."""
    costs = np.array([m.costs() for m in measured])
    kept = [
        m
        for k, m in enumerate(measured)
        if not np.any(np.all(costs <= costs[k], axis=1) & np.any(costs < costs[k], axis=1))
    ]
    return sorted(kept, key=lambda m: m.ms)


def fronts(measured: Sequence[Measured], least: float) -> dict[str, list[Measured]]:
    """The front of all, and of those that look for all that the cones look for and find the soft ones too.

    Args:
        least: efficiency below which a setting is no use.
    """
    useful = [m for m in measured if m.efficiency >= least] or list(measured)
    softest = SOFT_SHARE * max(m.efficiency_soft for m in useful)
    soft = [m for m in useful if reaches_down(m.setting) and m.efficiency_soft >= softest]
    return {"findable": front(useful), "soft": front(soft) if soft else []}


class Search:
    """Measures what a proposer gives, in batches, until a time."""

    def __init__(self, rng: np.random.Generator, report: Callable[[str], None]) -> None:
        self.rng, self.report = rng, report
        self.known: dict[str, Measured] = {}
        self.refused = 0

    def measure(
        self, run: Callable[[Sequence[Setting]], list[Measured]], settings: Sequence[Setting]
    ) -> None:
        """Measure settings that are new; those that ACTS refuses are counted."""
        new = {chain_key(s): s for s in settings if chain_key(s) not in self.known}
        if not new:
            return
        try:
            results = run(list(new.values()))
        # ACTS raises C++ errors of many kinds. One of the batch brings all of it down, so each is tried alone.
        except (RuntimeError, ValueError, TypeError) as error:
            if len(new) > 1:
                for setting in new.values():
                    self.measure(run, [setting])
                return
            self.refused += 1
            self.report(f"refused: {str(error).splitlines()[0]:.90}")
            return
        self.known |= {chain_key(m.setting): m for m in results}

    def parents(self, least: float) -> list[Setting]:
        """On one of the fronts, in a new order each time."""
        both = fronts(list(self.known.values()), least)
        chosen = [m.setting for part in both.values() for m in part]
        return [chosen[k] for k in self.rng.permutation(len(chosen))]


def mate(one: Mapping[str, Any], parents: Sequence[dict[str, Any]], k: int) -> dict[str, Any]:
    """The ``k``-th of the seedings that have the same cuts as one of them."""
    same = [p for p in parents if p.keys() == one.keys()]
    return same[k % len(same)]


def search_seedings(
    search: Search, bench: Bench, begin: Sequence[Setting], random_until: float, until: float
) -> None:
    """Seedings: at random, then near the best so far; ``begin`` and the anchors come first."""
    rng = search.rng

    def run(settings: Sequence[Setting]) -> list[Measured]:
        return bench.seedings(settings, bench.few)

    search.measure(run, [{"seeding": setting["seeding"]} for setting in (*ANCHORS, *begin)])
    while time.monotonic() < until:
        parents = [p["seeding"] for p in search.parents(LEAST)]
        batch = []
        for k in range(SEEDINGS_IN_TURN):
            one = parents[k % len(parents)]
            other, ranges = mate(one, parents, k), ranges_of(one)
            if time.monotonic() < random_until:
                # Half of the cuts at random: with all of them hardly a setting finds anything.
                batch.append(mixed(drawn(ranges, rng), one, rng))
            else:
                batch.append(varied(mixed(one, other, rng) if k % 3 == 0 else one, ranges, rng))
            if k % 2:
                batch[-1] |= {
                    "minPt": min(batch[-1]["minPt"], 0.5),
                    "cotThetaMax": max(batch[-1]["cotThetaMax"], 10.0),
                }
        search.measure(run, [{"seeding": cuts} for cuts in batch])
        search.report(f"{len(search.known)} seedings, {len(parents)} on the fronts")


def search_chains(
    search: Search, bench: Bench, seedings: Sequence[Setting], begin: Sequence[Setting], until: float
) -> None:
    """Chains: what the seeding's front leads to, with options at random, then near the best so far.

    Args:
        seedings: to try; begin: whole settings to begin with, besides the anchors.
    """
    rng = search.rng

    def run(settings: Sequence[Setting]) -> list[Measured]:
        return bench.chains(settings, bench.few)

    search.measure(run, [*ANCHORS, *begin])
    waiting = [s["seeding"] for s in seedings]
    rng.shuffle(waiting)
    while time.monotonic() < until:
        parents = search.parents(LEAST)
        batch: list[Setting] = []
        for k in range(CHAINS_IN_TURN):
            one, other = parents[k % len(parents)], parents[(k + 1) % len(parents)]
            if k % 4 == 0 and waiting:
                batch.append({"seeding": waiting.pop(), "chain": one["chain"]})
            elif k % 4 == 1:
                batch.append(
                    {"seeding": one["seeding"], "chain": mixed(drawn(CHAIN, rng), one["chain"], rng)}
                )
            elif k % 4 == 2:
                batch.append({"seeding": one["seeding"], "chain": varied(other["chain"], CHAIN, rng)})
            else:
                cuts = varied(one["seeding"], ranges_of(one["seeding"]), rng, 0.1)
                if reaches_down(one):
                    cuts |= {"minPt": min(cuts["minPt"], 0.5), "cotThetaMax": max(cuts["cotThetaMax"], 10.0)}
                batch.append({"seeding": cuts, "chain": varied(one["chain"], CHAIN, rng, 0.1)})
        search.measure(run, batch)
        search.report(f"{len(search.known)} chains, {len(parents)} on the fronts")


def thinned(measured: list[Measured], most: int) -> list[Measured]:
    """Evenly chosen along a front, with both ends."""
    if len(measured) <= most:
        return measured
    return [measured[k] for k in np.unique(np.linspace(0, len(measured) - 1, most).round().astype(int))]


def measured_again(bench: Bench, chosen: Sequence[Measured], until: float) -> list[Measured]:
    """All events, in turn, at least once and until a time; medians of the times.

    The search keeps what a quiet moment made fast. Here all have the same chance.
    """
    passes: list[list[Measured]] = []
    while not passes or (time.monotonic() < until and len(passes) < 9):
        passes.append(bench.chains([m.setting for m in chosen], len(bench.hits)))
    return [
        replace(of, ms=float(np.median([p[k].ms for p in passes])),
                ms_seeding=float(np.median([p[k].ms_seeding for p in passes])))
        for k, of in enumerate(passes[-1])
    ]  # fmt: skip


def tune(
    sample: Sample,
    minutes: float,
    seed: int,
    report: Callable[[str], None],
    begin: Sequence[Setting] = (),
    keep: Callable[[dict[str, Any]], None] = lambda result: None,
) -> dict[str, Any]:
    """The fronts of a sample's events, within a time that includes everything but the simulation.

    Args:
        seed: of the search; begin: settings to begin with, such as an earlier front's.
        keep: is called with the result before the front is measured again, which may take long.
    """
    bench, rng = Bench(sample), np.random.default_rng(seed)
    start = time.monotonic()
    random_until, seeding_until, chain_until = (start + 60 * minutes * share for share in SHARES.values())
    seedings, chains = Search(rng, report), Search(rng, report)
    search_seedings(seedings, bench, begin, random_until, seeding_until)
    best = fronts(list(seedings.known.values()), LEAST)
    search_chains(
        chains, bench, [m.setting for part in best.values() for m in thinned(part, 10)], begin, chain_until
    )
    both = fronts(list(chains.known.values()), LEAST)
    chosen = {chain_key(m.setting): m for part in both.values() for m in thinned(part, FRONT_AT_MOST // 2)}
    # The anchors too, so that the gain over what was tuned by hand is known from the same passes.
    chosen |= {key: chains.known[key] for key in map(chain_key, ANCHORS) if key in chains.known}
    report(f"measuring {len(chosen)} chains again")

    def result(measured: Sequence[Measured]) -> dict[str, Any]:
        by_key = {chain_key(m.setting): m for m in measured}
        return {
            "pileup": PILEUP, "n_events": len(sample.events),
            "n_findable": sum(int(e.truth.findable.sum()) for e in sample.events),
            "made_by": sample.header.made_by, "search_seed": seed, "minutes": minutes, "n_begun_with": len(begin),
            "n_seedings": len(seedings.known), "n_chains": len(chains.known),
            "n_refused": seedings.refused + chains.refused,
            "fronts": {name: [written(m) for m in part] for name, part in fronts(measured, LEAST).items()},
            "anchors": [written(by_key[key]) for key in map(chain_key, ANCHORS) if key in by_key],
        }  # fmt: skip

    keep(result(list(chosen.values())))
    return result(measured_again(bench, list(chosen.values()), start + 60 * minutes))


def written(measured: Measured) -> dict[str, Any]:
    """As JSON has it: the numbers, ``setting`` as the search has it, and ``cuts`` as ACTS has its seeding's."""
    numbers = asdict(measured)
    setting = numbers.pop("setting")
    chain = {name: None if value == np.inf else value for name, value in setting["chain"].items()}
    return numbers | {
        "setting": {"seeding": setting["seeding"], "chain": chain},
        "algorithm": algorithm_of_cuts(setting["seeding"]),
        "cuts": seeding_cuts(setting["seeding"]),
    }


def settings_of(result: dict[str, Any]) -> list[Setting]:
    """The settings of the fronts of an earlier search."""
    entries = [entry["setting"] for part in result["fronts"].values() for entry in part]
    return [
        {
            "seeding": entry["seeding"],
            "chain": {name: np.inf if value is None else value for name, value in entry["chain"].items()},
        }
        for entry in entries
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, search, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="of the search (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the search (default: %(default)s)")
    parser.add_argument("--events", type=int, default=4, help="tuning events (default: %(default)s)")
    parser.add_argument("--file", help="tuning events that are there already")
    parser.add_argument(
        "--resume", action="store_true", help="begin with the fronts that the output file has"
    )
    parser.add_argument("--json", action="store_true", help="print the result too")
    parser.add_argument("-o", "--output", type=Path, default=RESULT, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.resume and not options.output.exists():
        parser.error(f"--resume: {options.output} is not there; leave --resume out")
    begin = settings_of(json.loads(options.output.read_text(encoding="utf-8"))) if options.resume else []
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or simulated(PILEUP, options.events, SEED, Path(folder))
        sample = load_sample(path, options.events)
    report = (lambda line: None) if options.json else partial(print, flush=True)

    def keep(result: dict[str, Any]) -> None:
        result["remake"] = (
            f"python benchmarks/tune_acts.py --minutes {options.minutes:g} --seed {options.seed}"
        )
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    result = tune(sample, options.minutes, options.seed, report, begin, keep)
    keep(result)
    print(json.dumps(result) if options.json else table(result))


def table(result: dict[str, Any]) -> str:
    """The fronts and the anchors as lines of text."""
    lines = [
        f"{'':10s}{'ms':>8s}{'seeding':>9s}{'seeds':>8s}{'efficiency':>11s}{'soft':>8s}{'fakes':>8s}{'dupl.':>8s}"
    ]
    for name, part in (*result["fronts"].items(), ("anchors", result["anchors"])):
        lines += [
            f"{name:10s}{m['ms']:8.1f}{m['ms_seeding']:9.1f}{m['seeds']:8.0f}{m['efficiency']:11.4f}"
            f"{m['efficiency_soft']:8.4f}{m['fakes']:8.4f}{m['duplicates']:8.4f}"
            for m in part
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
