"""The chain on detectors that nothing of it was made for: a telescope, three barrel layers, the Open Data Detector,
and layouts after ITk and of a muon collider.

python benchmarks/detectors.py WORK > benchmarks/results/detectors.json

In the folder WORK every case runs its commands, from nothing to tracks; what a command writes and is there already is
not made again. ODD needs ``OpenDataDetector.xml`` in WORK's parent or named by ODD_XML. Training, test and sample
seeds differ and are in the commands.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tracking.metrics.findable import MAX_ETA, MIN_PT

BEAM = "--detector telescope --set generate.beam.particles=30 --set generate.beam.divergence=0.001"
SPOT = (
    "--detector telescope --set generate.beam.particles=30 --set generate.beam.start=0.0 "
    "--set generate.beam.spot=[0.01,0.01] --set generate.beam.divergence=0.005"
)
SHAPE = "--set estimates=shape --set shape=shape-telescope.safetensors --set split.mode=off"
MDN = (
    "--set estimates=mdn --set mdn_barrel=mdn-odd-barrel.safetensors --set mdn_endcap=mdn-odd-endcap.safetensors "
    "--set split.mode=off"
)
THREE = "--set findable_layers=3 --set build.min_hits=3"
XML = os.environ.get("ODD_XML", "../OpenDataDetector.xml")
SENSOR = "--pitch-u 0.0125 --pitch-v 0.05 --thickness 0.1 --field 3.8"
"""That of the shipped weights."""


def _own_shape(name: str, seed: int) -> list[str]:
    """A detector with its own sensors and field: the shapes of clusters, and a graph network of a few events."""
    shape = f"--set estimates=shape --set shape=shape-{name}.safetensors --set split.mode=off"
    events = f"smartpix simulate events --detector {name} --pileup 40 --events"
    return [
        f"{events} 8 --seed {seed}001 -o {name}-train.root",
        f"{events} 6 --seed {seed}002 -o {name}-test.root",
        f"smartpix train shape --detector {name} --crossings 50000 --seed {seed}101 -o shape-{name}.safetensors",
        f"smartpix train gnn {name}-train.root {shape} --epochs 20 --screen-epochs 6 -o gnn-{name}.safetensors",
        f"smartpix run {name}-test.root {shape} --set gnn=gnn-{name}.safetensors --no-figures -o run-{name}",
    ]


def _shipped_sensor(name: str, seed: int) -> list[str]:
    """A detector with modules of the shipped weights' sensor, and a graph network of a few events."""
    events = f"smartpix simulate events --detector {name} {SENSOR} --pileup 60 --events"
    return [
        f"smartpix detector {name} --no-checks --material {name}.toml -o {name}.csv",
        f"{events} 6 --seed {seed}003 -o {name}-shipped-test.root",
        f"{events} 12 --seed {seed}004 -o {name}-shipped-train.root",
        f"smartpix train gnn {name}-shipped-train.root --epochs 20 --screen-epochs 6 -o gnn-{name}-shipped.safetensors",
        f"smartpix run {name}-shipped-test.root --options {name}.toml --set gnn=gnn-{name}-shipped.safetensors "
        f"--no-figures -o run-{name}-own",
    ]


CASES: dict[str, list[str]] = {
    "telescope": [
        "smartpix train shape --detector telescope --crossings 50000 --seed 651101 -o shape-telescope.safetensors",
        f"smartpix simulate events {BEAM} --events 40 --seed 651001 -o telescope-train.root",
        f"smartpix simulate events {BEAM} --events 20 --seed 651002 -o telescope-test.root",
        f"smartpix train gnn telescope-train.root {SHAPE} --epochs 30 -o gnn-telescope.safetensors",
        f"smartpix run telescope-test.root {SHAPE} --set gnn=gnn-telescope.safetensors "
        "--set fit.straight_momentum=120 --no-figures -o run-telescope",
    ],
    "telescope, direction unknown": [
        f"smartpix train gnn telescope-train.root {SHAPE} --set cone.prior=none --epochs 30 -o gnn-none.safetensors",
        f"smartpix run telescope-test.root {SHAPE} --set cone.prior=none --set gnn=gnn-none.safetensors "
        "--set fit.straight_momentum=120 --no-figures -o run-none",
    ],
    "telescope, from a spot": [
        f"smartpix simulate events {SPOT} --events 40 --seed 651003 -o spot-train.root",
        f"smartpix simulate events {SPOT} --events 20 --seed 651004 -o spot-test.root",
        f"smartpix train gnn spot-train.root {SHAPE} --epochs 30 -o gnn-spot.safetensors",
        f"smartpix run spot-test.root {SHAPE} --set gnn=gnn-spot.safetensors --set fit.straight_momentum=120 "
        "--no-figures -o run-spot",
    ],
    "barrel3, shipped network": [
        "smartpix simulate events --detector barrel3 --pileup 20 --events 20 --seed 652002 -o b3-test.root",
        f"smartpix run b3-test.root {THREE} --no-figures -o run-b3-shipped",
    ],
    "barrel3": [
        "smartpix simulate events --detector barrel3 --pileup 20 --events 12 --seed 652001 -o b3-train.root",
        "smartpix train gnn b3-train.root --epochs 20 --screen-epochs 6 -o gnn-b3.safetensors",
        f"smartpix run b3-test.root {THREE} --set gnn=gnn-b3.safetensors --no-figures -o run-b3",
    ],
    "odd": [
        f"smartpix simulate events --detector {XML} --events 3 --seed 640101 -o odd-test.root",
        f"smartpix simulate events --detector {XML} --events 6 --seed 640201 -o odd-train.root",
        "smartpix simulate crossings --events 24 --seed 650001 --detector odd-test.root --field 3 -o oddx.root",
        "smartpix train mdn oddx.root --region barrel --epochs 25 -o mdn-odd-barrel.safetensors",
        "smartpix train mdn oddx.root --region endcap --augment mirror-x mirror-y --epochs 20 "
        "-o mdn-odd-endcap.safetensors",
        f"smartpix train gnn odd-train.root {MDN} --epochs 20 --screen-epochs 6 -o gnn-odd.safetensors",
        f"smartpix run odd-test.root {MDN} --set gnn=gnn-odd.safetensors --no-figures -o run-odd",
    ],
    "itk": _own_shape("itk", 653),
    "itk, shipped sensor": _shipped_sensor("itk", 653),
    "itk, five hits": [
        *_shipped_sensor("itk", 653)[:-1],
        "smartpix run itk-shipped-test.root --options itk.toml --set gnn=gnn-itk-shipped.safetensors "
        "--set build.min_hits=5 --no-figures -o run-itk-5",
    ],
    "muon-collider": _own_shape("muon-collider", 654),
    "muon-collider, shipped sensor": _shipped_sensor("muon-collider", 654),
}
NUMBERS = (
    "n_events", "n_hits", "n_edges", "n_window_edges", "reduction", "edge_efficiency", "edge_purity",
    "window_edge_efficiency", "n_findable", "seed_efficiency", "track_efficiency", "fake_rate", "duplicate_rate",
    "n_tracks", "pull_half_width",
)  # fmt: skip


def made(command: str, work: Path) -> Path:
    """Run a command in the folder unless its output is there, and return that."""
    words = shlex.split(command)
    output = work / words[words.index("-o") + 1]
    there = output / "summary.json" if output.suffix == "" else output
    if not there.exists():
        print(command, file=sys.stderr, flush=True)
        program = "import sys; from tracking.cli.main import main; sys.exit(main())"
        subprocess.run(
            [sys.executable, "-c", program, *words[1:], "--json"], cwd=work, check=True, stdout=sys.stderr
        )
    return there


def measured(commands: list[str], work: Path) -> dict[str, Any]:
    """Numbers of a case, with what its findable particles and cones are."""
    summary = json.loads([made(command, work) for command in commands][-1].read_text("utf-8"))
    options = summary["options"]
    chosen = {name: options["cone"][name] for name in ("prior", "sigma_slope", "quantile", "min_pt")}
    findable = {"layers": options["findable_layers"], "min_pt": MIN_PT, "max_eta": MAX_ETA}
    return {
        "commands": commands, "findable": findable, "cone": chosen, "min_hits": options["build"]["min_hits"],
        **{name: summary[name] for name in NUMBERS},
    }  # fmt: skip


def main() -> None:
    """Measure the cases that are named after the folder, or all."""
    work, *names = sys.argv[1:]
    cases = {name: measured(CASES[name], Path(work)) for name in names or CASES}
    print(json.dumps({"command": "python benchmarks/detectors.py WORK", "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
