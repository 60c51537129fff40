"""What radiation costs the estimates and the chain, and what calibration and training bring back; writes
benchmarks/results/irradiation.json and, with --figure, a picture of it.

    benchmarks/irradiation.sh WORK
    python benchmarks/irradiation.py WORK [STEP ...] [--figure F.png] [--json]

``sensor`` needs no file: fields, traps, collected charge and Lorentz shift of the simulated sensor. ``estimates``
takes a network on single crossings at each point of fluence and bias: the shipped one, which knows nothing of it; the same with its
covariance calibrated there; and one trained again from there. ``chain`` is the search at pile-up 200. What a step
finds is kept beside what the others found before. A network that WORK does not have is left out.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.estimate.descriptions import load_network_weights
from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.io.events import open_events
from smartpix.samples import Reading, load_samples
from smartpix.schema import TARGETS
from smartpix.simulate.drift import Sensor, drift_tables, electric_field
from smartpix.simulate.induction import Induction, response_table
from smartpix.simulate.radiation import leakage_noise
from tracking.beam_spot import chain_of_file
from tracking.bench.events import records_with_truth
from tracking.bench.link_chain import judged_chain, less
from tracking.options import RunOptions

RESULTS = Path(__file__).resolve().parent / "results" / "irradiation.json"
POINTS = {
    "0": (0.0, 100.0), "1e15": (1e15, 200.0), "5e15": (5e15, 450.0), "5e15-200V": (5e15, 200.0),
    "1e16": (1e16, 600.0),
}  # fmt: skip
"""Fluence in neq/cm2 and bias in V, by the names of the files."""
WAYS = ("unaware", "recalibrated", "retrained")
CHAINS = ("0", "5e15", "5e15-200V")
STEPS = ("sensor", "estimates", "chain")
KEPT = ("n", "nll", "half_width_68", "half_width_68_central", "pull_mean", "pull_width", "coverage68")
CHARGE_BIASES = (200.0, 300.0, 450.0, 500.0, 600.0, 800.0)
TIME = 25.0
"""ns between bunch crossings, over which a front-end integrates the leakage current at most."""


def of_sensor() -> dict[str, Any]:
    """The simulated sensor at each fluence."""
    found = {}
    for name, (fluence, bias) in POINTS.items():
        sensor = Sensor(bias=bias, fluence=fluence)
        tables = drift_tables(sensor, (3.8, 0.0, 0.0))
        field = electric_field(sensor, tables.z)
        volume = sensor.pitch_x * sensor.pitch_y * sensor.thickness
        found[name] = {
            "bias": sensor.bias,
            "trapping_ns": {k: 1 / r if r else None for k, r in
                            (("electrons", tables.trapping_e), ("holes", tables.trapping_h))},
            "field_kv_cm": dict(zip(("far_side", "lowest", "pixels"),
                                    (float(v) / 1e3 for v in (field[0], field.min(), field[-1])), strict=True)),
            "collected": collected(sensor),
            "collected_by_bias": {
                f"{volts:g}": collected(replace(sensor, bias=volts)) for volts in CHARGE_BIASES if fluence
            },
            "drift_ns": {"electrons": float(tables.tau_e[-1]), "holes": float(tables.tau_h[0])},
            "lorentz_tangent": float(-tables.shift_e[-1, 1] / sensor.thickness),
            "lorentz_shift_um": float(-1e3 * tables.lorentz_shift()[1]),
            "leakage_noise": leakage_noise(fluence, sensor.temperature, volume, TIME),
        }  # fmt: skip
    return found


def collected(sensor: Sensor) -> float:
    """Share of a straight track's charge that the 7 x 7 pixels of 50 x 50 um around it see in the end."""
    square = replace(sensor, pitch_x=0.05, pitch_y=0.05)
    table = response_table(square, (0.0, 0.0, 0.0), (19,), Induction(3, 3))
    return float(table.values.sum(axis=(3, 4)).mean())


def weights(work: Path, way: str, region: str, point: str) -> str | None:
    """Name or path of a network; None: it was not made."""
    if way == "unaware":
        return f"mdn-{region}"
    path = work / f"{way}-{region}-{point}.safetensors"
    return str(path) if path.is_file() else None


def of_estimates(work: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Quality of each network at each point, by region, point and way."""
    for region in ("barrel", "endcap"):
        for point in POINTS:
            file = work / f"test-{point}.root"
            ways = {way: weights(work, way, region, point) for way in WAYS}
            if file.is_file():
                yield f"{region} {point}", {
                    way: of_network(name, file, region) for way, name in ways.items() if name
                }  # fmt: skip


def of_network(name: str, file: Path, region: str) -> dict[str, Any]:
    """Residuals and pulls of a network on single crossings."""
    arrays, description = load_network_weights(name, "mdn")
    samples = load_samples(file, region, Reading(description["slices"]))
    network = MdnNetwork.from_arrays(arrays, description)
    mean, cholesky = network.predict_images(samples.images, samples.truncated)
    found = quality(mean, cholesky, samples.targets, samples.truncated)
    middle = np.median((samples.targets - mean)[~samples.truncated], axis=0) * [1e3, 1e3, 1, 1]
    charge = samples.images[:, -1].sum(axis=(1, 2))
    return {key: found[key] for key in KEPT} | {
        "median": dict(zip(TARGETS, middle.tolist(), strict=True)),
        "median_charge": float(np.median(charge)),
    }


def of_chain(work: Path, n_events: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The chain at pile-up 200, by point and way."""
    for point in CHAINS:
        file = work / f"pu200-{point}.root"
        found: dict[str, Any] = {}
        first = None
        for way in WAYS:
            names = [weights(work, way, region, point) for region in ("barrel", "endcap")]
            if not file.is_file() or None in names:
                continue
            run = replace(RunOptions(), mdn_barrel=names[0], mdn_endcap=names[1], conditions="ignore")
            chain, _ = chain_of_file(file, open_events(file).header, run)
            records = list(records_with_truth([file], n_events))
            judged = judged_chain(chain, records, lambda _, clusters: clusters)
            n = len(records)
            found[way] = judged.numbers(chain.header.field) | {"n_events": n, "edges": judged.n_edges / n}
            if first is None:
                first = judged
            else:
                found[way]["more_than_unaware"] = less(judged, first)
        if found:
            yield point, found


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description="what radiation costs, and what is regained")
    parser.add_argument("work", type=Path, metavar="WORK", help="folder of benchmarks/irradiation.sh")
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; default: all")
    parser.add_argument("--events", type=int, default=4, help="of pile-up 200 (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="F.json")
    parser.add_argument("--figure", type=Path, metavar="F.png")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    options = parser.parse_args()
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"unknown steps {sorted(unknown)}; there are {', '.join(STEPS)}")
    # What differs from the training is the point of it all.
    logging.getLogger("tracking").setLevel(logging.ERROR)
    output: Path = options.output
    result: dict[str, Any] = json.loads(output.read_text("utf-8")) if output.is_file() else {}
    steps = options.steps or ([] if options.figure else STEPS)
    if "sensor" in steps:
        result["sensor"] = of_sensor()
    for step, found in (
        ("estimates", of_estimates(options.work)),
        ("chain", of_chain(options.work, options.events)),
    ):
        for name, numbers in found if step in steps else ():
            result.setdefault(step, {})[name] = numbers
            print(f"{step} {name}: {json.dumps(numbers)}", file=sys.stderr, flush=True)
            output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.figure:
        from irradiation_figure import draw

        draw(result, options.figure)
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
