"""The chain with the shipped weights in a world that is not the one of its training; writes
benchmarks/results/robustness.json.

    python benchmarks/robustness.py [--events N] [--seed S] [--json] [CONDITION ...]

Each condition is simulated at pile-up 200 with the same seed, and differs from the standard working point in
one thing. The chain takes what the file's header says, as ``smartpix run`` does. What is kept: efficiency of
findable particles, central fakes, edges in the cones, efficiency of all charged particles (docs/numbers.md),
and ACTS's rates on the same clusters at its balanced point. Some conditions are so far off that ``smartpix
run`` refuses them unless it is told to go on (``refused``). Dead modules are drawn by a seed of their own: the
clusters on them are taken away, and findable are the particles with clusters on four layers of those left.
"Unknown" beams are not in the options; "found" ones are fitted to the file's own tracks. Half an hour on
one core. Needs smartpix[acts].
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.estimate.choose import choose_estimator
from smartpix.geometry import read_detector
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from smartpix.simulate.events import header, simulate
from smartpix.simulate.options import STANDARD_BEAM, GenerateOptions, SimulateOptions
from tracking.beam_spot import chain_of_file
from tracking.bench.conditions import without_dead
from tracking.bench.events import Sample, make_event
from tracking.bench.finding import run_finder
from tracking.bench.judgement import judge, rates
from tracking.finder_table import finder_maker
from tracking.fit.options import BeamOptions
from tracking.options import RunOptions, from_mapping

RESULTS = Path(__file__).resolve().parent / "results" / "robustness.json"
STANDARD = SimulateOptions(generate=GenerateOptions(pileup=200))


@dataclass(frozen=True)
class Condition:
    """One difference from the standard working point.

    Attributes:
        simulation: values of :class:`SimulateOptions` by section.
        beam: where the chain takes the beam from.
        dead_modules: share of the modules whose clusters are taken away.
    """

    simulation: Mapping[str, Any] = field(default_factory=dict)
    beam: BeamOptions = field(default_factory=BeamOptions)
    dead_modules: float = 0.0


def readout(**values: Any) -> Condition:
    """A condition of the readout."""
    return Condition({"readout": values})


def beam(source: str, **values: float) -> Condition:
    """A beam that is elsewhere, known from the ``header``, found in the ``data``, or ``unknown``."""
    options = BeamOptions("options", spot=STANDARD_BEAM) if source == "unknown" else BeamOptions(source)
    return Condition({"beam_spot": values}, options)


PAIRS: dict[str, Callable[[float], dict[str, float]]] = {
    "bias": lambda scale: {"bias": STANDARD.bias * scale},
    "temperature": lambda scale: {"temperature": STANDARD.temperature * scale},
    "Lorentz angle": lambda scale: {"lorentz_scale": scale},
    "charge": lambda scale: {"charge_scale": scale},
}
CONDITIONS: dict[str, Condition] = {
    "standard": Condition(),
    **{
        f"{name} {sign} 10 %": Condition(make(1 + part))
        for name, make in PAIRS.items()
        for sign, part in (("+", 0.1), ("-", -0.1))
    },
    "jitter 100 ps": readout(jitter=100.0), "jitter 200 ps": readout(jitter=200.0),
    "dispersion 90 e": readout(threshold_dispersion=90.0), "noise 60 e": readout(noise=60.0),
    "common mode 30 e": readout(common_mode=30.0),
    "1 % dead pixels": readout(dead_pixels=0.01), "1 % slow pixels": readout(slow_pixels=0.01),
    "2 % dead modules": Condition(dead_modules=0.02), "5 % dead modules": Condition(dead_modules=0.05),
    "beam at 1 mm, unknown": beam("unknown", x=1.0), "beam at 1 mm, known": beam("header", x=1.0),
    "beam at 1 mm, found": beam("data", x=1.0), "beam at 2 mm, known": beam("header", x=2.0),
    "beam at 2 mm, found": beam("data", x=2.0),
}  # fmt: skip


def is_refused(about: Header) -> bool:
    """Whether ``smartpix run`` refuses a file with these words on its conditions."""
    try:
        choose_estimator(about)
    except InputError:
        return True
    return False


def measure(condition: Condition, n_events: int, seed: int, folder: Path) -> dict[str, Any]:
    """Simulate and search in one condition."""
    detector = read_detector(data_path("detector.csv"))
    options = from_mapping(STANDARD, condition.simulation, "condition")
    path = folder / "events.root"
    write_events(path, header(detector, options, n_events, seed), simulate(detector, options, n_events, seed))
    run = replace(RunOptions(), beam=condition.beam, conditions="ignore")
    chain, found = chain_of_file(path, open_events(path).header, run)
    made, tracks, n_edges, n_accepted, n_found = [], [], 0, 0, 0
    about: Header = chain.header
    for _, batch in iterate(path, step=1):
        record = without_dead(batch, len(detector.layer_index), condition.dead_modules)[0]
        event = make_event(record, about, chain.estimator)
        result = chain.event(0, record["clusters"])
        made.append(event)
        # Tracks are judged by clusters, of which some gave several hits.
        of_cluster = result.hits.cluster[result.tracks.hits]
        tracks.append(replace(result.tracks, hits=of_cluster, parameters=result.helices))
        n_edges += len(result.edges)
    judgements = judge(made, tracks)
    for judgement in judgements:
        n_accepted += int(judgement.truth.accepted.sum())
        particles = judgement.score.particle
        n_found += int(judgement.truth.accepted[np.unique(particles[particles >= 0])].sum())
    acts = None
    if condition.beam.source == "header":
        sample = Sample(about, chain.estimator, made)
        acts = rates(judge(made, run_finder("acts", finder_maker("acts-balanced")(about), sample).tracks))
    numbers = rates(judgements)
    keys = ("efficiency", "fake_rate_central")
    return {
        **numbers, "n_edges": n_edges / n_events, "physics_efficiency": n_found / max(n_accepted, 1),
        "refused": is_refused(about),
        "acts": None if acts is None else {key: acts[key] for key in keys},
        "beam_found": None if found is None else {k: getattr(found.spot, k) for k in ("x", "y", "z")},
    }  # fmt: skip


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description="the chain where the world is not that of its training")
    parser.add_argument("conditions", nargs="*", metavar="CONDITION", help="default: all")
    parser.add_argument("--events", type=int, default=6, help="of each condition (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=9401, help="of the events (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="F.json")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    options = parser.parse_args()
    if unknown := set(options.conditions) - set(CONDITIONS):
        parser.error(f"unknown conditions {sorted(unknown)}; there are {list(CONDITIONS)}")
    # What differs from the training is the point of it all.
    logging.getLogger("tracking").setLevel(logging.ERROR)
    result: dict[str, Any] = {"seed": options.seed, "n_events": options.events, "conditions": {}}
    for name in options.conditions or CONDITIONS:
        with tempfile.TemporaryDirectory(prefix="robustness-") as folder:
            numbers = measure(CONDITIONS[name], options.events, options.seed, Path(folder))
        result["conditions"][name] = numbers
        print(f"{name}: {json.dumps(numbers)}", file=sys.stderr, flush=True)
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
