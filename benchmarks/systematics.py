r"""Joins studies of systematics on several samples into benchmarks/results/systematics.json, and draws its figure:

    smartpix study systematics --effects lorentz=-20 charge=-10,-20 tilt field dead noise threshold shift=5,100 \
      pileup=20 -o simulated
    smartpix study systematics --effects lorentz=-10 --calibrate-events 8 --events 8 -o lorentz
    smartpix study systematics TRAIN.root TUNE.root TEST.root --calibrate-events 14 --events 4 --acts \
      --effects shift=20,50 -o moved
    python benchmarks/systematics.py {simulated,lorentz,moved}/systematics.json

The files are of ``smartpix simulate events --pileup 200`` with 10, 4 and 4 events of the seeds 643001, 641001 and
642001. Each study takes some minutes of processor time, without the simulation. Needs smartpix[acts].
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smartpix.schema import InputError
from tracking.bench.systematics_plots import plot_systematics

RESULTS = Path(__file__).resolve().parent / "results" / "systematics.json"
FIGURE = Path(__file__).resolve().parents[1] / "docs" / "systematics.png"


def joined(studies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Effects of all studies, the nominal events of each, and which of these an effect is to be compared with.

    Raises:
        InputError: two studies have the same size of an effect.
    """
    result: dict[str, Any] = {"units": {}, "samples": [], "nominal": [], "sample_of": {}, "effects": {}}
    for number, study in enumerate(studies):
        result["samples"].append(study["sample"])
        result["nominal"].append(study["nominal"])
        result["units"] |= study["units"]
        for name, sizes in study["effects"].items():
            of_effect = result["effects"].setdefault(name, {})
            if twice := set(of_effect) & set(sizes):
                raise InputError(f"systematics: {name} {min(twice)} is in two studies; leave one of them out")
            of_effect |= sizes
            result["sample_of"].setdefault(name, {}).update(dict.fromkeys(sizes, number))
    return result


def main() -> None:
    """Join, keep and draw."""
    parser = argparse.ArgumentParser(description="join studies of systematics")
    parser.add_argument("studies", nargs="+", type=Path, metavar="systematics.json")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    options = parser.parse_args()
    studies = [json.loads(path.read_text(encoding="utf-8")) for path in options.studies]
    result = joined(studies)
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    plot_systematics(options.figure, result)


if __name__ == "__main__":
    main()
