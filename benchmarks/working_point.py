"""Threshold and slices of the standard working point, judged by the search at pile-up 200; writes
benchmarks/results/working-point.json.

    python benchmarks/working_point.py [--epochs N] [--events N] [--json] [POINT ...]

A point is THRESHOLD/SLICES, such as 400/2,19, with the noise, the dispersion, the spread of collisions and the
clock of the standard working point; or ``ideal``: 300 e without dispersion, slices 0 and 19 from each
particle's own arrival. For each, crossings are simulated (seed 9011), networks of barrel and end-caps are
trained on them for a few epochs, all in the same way, and events of pile-up 200 (seed 9301) are searched with
their estimates. What is kept: the held-out loss, the half widths of the barrel's slopes, the edges in the
cones of the chain and the efficiency of edges. Trainings this short leave wider cones than the shipped
weights; the points are compared with one another. Some two minutes a point on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from smartpix.beam import BeamSpot
from smartpix.geometry import read_detector
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.shipped import data_path
from smartpix.simulate.events import header, simulate, simulate_crossings
from smartpix.simulate.options import GenerateOptions, ReadoutOptions, SimulateOptions
from smartpix.train.loop import train_mdn
from smartpix.train.options import TrainMdnOptions
from tracking import metrics
from tracking.chain import Chain
from tracking.options import RunOptions

RESULTS = Path(__file__).resolve().parent / "results" / "working-point.json"
POINTS = ("ideal", *(f"{t}/2,19" for t in (350, 400, 450, 500)), *(f"400/{s},19" for s in (0, 1, 3, 4)))
CROSSINGS, PER_EVENT, CROSSING_SEED, EVENT_SEED, PILEUP = 40, 5000, 9011, 9301, 200
AUGMENT = {"barrel": ("mirror-x",), "endcap": ("mirror-x", "mirror-y")}


def simulation(point: str, pileup: int) -> SimulateOptions:
    """Options of a point's simulation."""
    standard = SimulateOptions(generate=GenerateOptions(pileup=pileup))
    if point == "ideal":
        return replace(standard, readout=ReadoutOptions(), beam_spot=BeamSpot())
    threshold, slices = point.split("/")
    readout = replace(
        standard.readout, threshold=float(threshold), slices=tuple(int(s) for s in slices.split(","))
    )
    return replace(standard, readout=readout)


def measure(point: str, epochs: int, n_events: int, folder: Path) -> dict[str, Any]:
    """Simulate, train and search at one point."""
    detector = read_detector(data_path("detector.csv"))
    options, crossings = simulation(point, 0), folder / "crossings.root"
    made = header(detector, options, CROSSINGS, CROSSING_SEED, "smartpix simulate crossings")
    write_events(
        crossings, made, simulate_crossings(detector, options, CROSSINGS, PER_EVENT, CROSSING_SEED), "ttree"
    )
    weights, trained = {}, {}
    for region, augment in AUGMENT.items():
        weights[region] = folder / f"{region}.safetensors"
        training = TrainMdnOptions(epochs=epochs, augment=augment)
        trained[region] = train_mdn(crossings, region, weights[region], training, report=lambda line: None)
    options, events = simulation(point, PILEUP), folder / "events.root"
    made = header(detector, options, n_events, EVENT_SEED)
    write_events(events, made, simulate(detector, options, n_events, EVENT_SEED), "ttree")
    run = RunOptions(estimates="mdn", mdn_barrel=str(weights["barrel"]), mdn_endcap=str(weights["endcap"]))
    chain = Chain.for_header(open_events(events).header, run, report=lambda line: None)
    n_hits = n_edges = n_wanted = n_found = 0
    for _, batch in iterate(events, step=1):
        result = chain.event(0, batch[0]["clusters"])
        hits = result.hits
        truth = metrics.truth_of_hits(batch[0], hits)
        counts = metrics.score_edges(truth, result.edges)
        n_hits, n_edges = n_hits + len(hits), n_edges + len(result.edges)
        n_wanted, n_found = n_wanted + counts.n_wanted, n_found + counts.n_found
    central = trained["barrel"]["half_width_68_central"]
    return {
        "nll_barrel": trained["barrel"]["nll"], "nll_endcap": trained["endcap"]["nll"],
        "half_width_cot_alpha": central["cot_alpha"], "half_width_cot_beta": central["cot_beta"],
        "n_hits": n_hits / n_events, "n_edges": n_edges / n_events, "n_wanted": n_wanted,
        "edge_efficiency": n_found / n_wanted,
    }  # fmt: skip


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description="threshold and slices of the standard working point")
    parser.add_argument("points", nargs="*", metavar="POINT", help=f"default: {' '.join(POINTS)}")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--events", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="F.json")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    options = parser.parse_args()
    result: dict[str, Any] = {"epochs": options.epochs, "n_events": options.events, "points": {}}
    for point in options.points or POINTS:
        with tempfile.TemporaryDirectory(prefix="working-point-") as folder:
            result["points"][point] = measure(point, options.epochs, options.events, Path(folder))
        print(
            point, {k: round(v, 4) for k, v in result["points"][point].items()}, file=sys.stderr, flush=True
        )
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
