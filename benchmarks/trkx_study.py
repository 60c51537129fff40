"""Measure what each idea of HEP.TrkX is worth, and bring its numbers and figures to the documentation.

`python benchmarks/trkx_study.py` runs `smartpix study trkx` with the results of trainings in results/trkx, writes
results/trkx.json, and copies the figures of docs/trkx.md. `--weights FOLDER` gives weights that do not ship;
`--parts A,B` measures these alone and keeps the others of results/trkx.json. Event files tell that the learned cone is
measured on them, and not on events that are simulated for it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from tracking.cli.main import main as smartpix

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
FIGURES = {
    "accuracies": "accuracies", "multiplicity": "multiplicity", "samples": "samples", "filters-conv-autoencoder-2d": "filters",
    "captions-caption-covariance": "captions", "ramp": "ramp", "next-layer": "next-layer",
}  # fmt: skip
"""Of the study, and how docs/trkx.md calls them after "trkx-"."""


def main() -> None:
    """Run the study and copy what it made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--parts", default="")
    parser.add_argument("--pileup-events", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = [*map(str, options.files), "--pileup-events", str(options.pileup_events)]
        # The study refuses what is for a part that it leaves out.
        if not options.parts or "models" in options.parts.split(","):
            flags += ["--trained", str(RESULTS / "trkx")]
        if options.weights:
            flags += ["--weights", str(options.weights)]
        if options.parts:
            shutil.copy(RESULTS / "trkx.json", folder)
            flags += ["--parts", options.parts, "--keep"]
        if smartpix(["study", "trkx", *flags, "-o", name]):
            raise SystemExit("the study failed")
        shutil.copy(folder / "trkx.json", RESULTS)
        for figure, shown in FIGURES.items():
            if (folder / f"{figure}.png").exists():
                shutil.copy(folder / f"{figure}.png", ROOT / "docs" / f"trkx-{shown}.png")
            else:
                print(f"docs/trkx-{shown}.png is as it was: the study has no {figure}.png")


if __name__ == "__main__":
    main()
