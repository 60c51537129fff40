"""What a table of the field brings where it falls towards the ends, and what times of clusters bring the
search; writes benchmarks/results/field-map.json.

    python benchmarks/field_map.py table WORK/falling.txt
    smartpix simulate events --pileup 60 --events 6 --seed 645101 --set transport.engine=own \\
        --set beam_spot.sigma_t=180 --set readout.time_resolution=30 -o WORK/uniform.root
    smartpix simulate events --pileup 60 --events 6 --seed 645101 --set transport.engine=own \\
        --set beam_spot.sigma_t=180 --set transport.field_map=WORK/falling.txt -o WORK/falling.root
    python benchmarks/field_map.py measure WORK [--json]

The events have the same particles. The table is a solenoid's to second order: Bz = B (1 - a (z^2 - r^2 /
2)) and Br = B a r z, with 30 % less on the axis at 1.6 m than the 3.8 T at the origin. ``uniform`` are
events in 3.8 T everywhere. Events in the table are reconstructed as if it were uniform (``before``) and
with it (``after``).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from smartpix.files import replace_when_done
from smartpix.io.events import Header, open_events
from tracking.bench.events import records_with_truth
from tracking.bench.judgement import resolutions
from tracking.bench.link_chain import Judged, judged_chain
from tracking.chain import Chain
from tracking.finders.gnn.options import WIDE
from tracking.fit.tracks import fit_tracks
from tracking.metrics.findable import MIN_PT
from tracking.options import RunOptions

RESULTS = Path(__file__).resolve().parent / "results" / "field-map.json"
TESLA, WEAKER, AT = 3.8, 0.3, 1600.0
"""T at the origin; by how much it is weaker on the axis at so many mm."""
TIME_SIGMA = 30.0
"""ps, as simulated."""
FORWARD = 1.5
"""Absolute pseudorapidity from which on the field on the way has fallen."""


def write_table(path: Path) -> None:
    """The table as a file."""
    a = WEAKER / AT**2
    r, z = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 400, 41), np.linspace(-AT, AT, 161)))
    columns = [r, z, TESLA * a * r * z, TESLA * (1 - a * (z**2 - r**2 / 2))]
    with replace_when_done(path) as beside:
        np.savetxt(beside, np.column_stack(columns), "%.8g", header="r z Br Bz (mm, T)")


def measured(path: Path, header: Header, n_events: int, options: RunOptions) -> tuple[dict[str, Any], Judged]:
    """The chain on a file."""
    chain = Chain.for_header(header, options)
    records = list(records_with_truth([path], n_events))
    judged = judged_chain(chain, records, lambda _, clusters: clusters)
    of_all = [j.matched() for j in judged.judgements]
    forward = [j.matched() & (np.abs(j.truth.eta) > FORWARD) for j in judged.judgements]
    found = resolutions(judged.judgements, of_all, header.field)
    ends = resolutions(judged.judgements, forward, header.field)
    numbers = judged.numbers(header.field) | {
        "events": len(records), "edges": judged.n_edges / len(records), **found,
        "forward": {key: value for key, value in ends.items() if key != "n_resolution"},
        "fit_ms": fit_ms(chain, records),
    }  # fmt: skip
    return numbers, judged


def fit_ms(chain: Chain, records: list[Any]) -> float:
    """Processor time of the fit of an event, the best of three."""
    made = chain.event(0, records[0]["clusters"])
    times = []
    for _ in range(3):
        start = process_time()
        fit_tracks(
            made.hits, made.tracks, chain.header.detector, chain.header.field, chain.options.fit,
            field_map=chain.header.field_map,
        )  # fmt: skip
        times.append(1e3 * (process_time() - start))
    return min(times)


def all_measured(work: Path, n_events: int) -> dict[str, Any]:
    """All that the page tells."""
    options = RunOptions()
    falling, uniform = (work / f"{name}.root" for name in ("falling", "uniform"))
    in_table, in_uniform = (open_events(path).header for path in (falling, uniform))
    result: dict[str, Any] = {
        "command": "python benchmarks/field_map.py measure WORK", "seed": in_uniform.made_by["seed"],
        "tesla": TESLA, "weaker": WEAKER, "at_mm": AT, "forward_eta": FORWARD, "findable_pt": MIN_PT,
    }  # fmt: skip
    result["uniform"] = measured(uniform, in_uniform, n_events, options)[0]
    result["falling"] = {
        "before": measured(falling, replace(in_table, field_map=None), n_events, options)[0],
        "after": measured(falling, in_table, n_events, options)[0],
    }
    timed = replace(options, cone=replace(WIDE, time_sigma=TIME_SIGMA))
    result["times"] = {
        "resolution_ps": TIME_SIGMA, "spread_ps": in_uniform.made_by["options"]["beam_spot"]["sigma_t"],
        "without": result["uniform"], "with": measured(uniform, in_uniform, n_events, timed)[0],
    }  # fmt: skip
    return result


def main() -> None:
    """Write the table, or measure."""
    parser = argparse.ArgumentParser(description="what a table of the field and times of clusters bring")
    parser.add_argument("what", choices=("table", "measure"))
    parser.add_argument("path", type=Path, help="the table's file; or the folder with both event files")
    parser.add_argument("--events", type=int, default=6, help="of each file (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="F.json")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    options = parser.parse_args()
    if options.what == "table":
        write_table(options.path)
        return
    logging.getLogger("tracking").setLevel(logging.ERROR)
    result = all_measured(options.path, options.events)
    text = json.dumps(result, indent=1)
    options.output.write_text(text + "\n", encoding="utf-8")
    if options.json:
        print(text)
    else:
        print(f"{options.output}: written", file=sys.stderr)


if __name__ == "__main__":
    main()
