"""The cones on clusters of ACTS's own geometric digitisation; writes benchmarks/results/acts-clusters.json.

    python benchmarks/acts_clusters.py

Pions through ACTS's generic detector (50 x 12.5 um pixels, 100 um thick, 3.8 T), written by ACTS as CSV, converted, and run with
the shipped cluster-shape estimates, with estimates trained on 30 other such events, and with the window. No times. Needs ACTS.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import acts
from acts import examples
from acts.examples import simulation

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "acts-clusters.json"
SMARTPIX = Path(sys.executable).with_name("smartpix")
FIELD, N_PIONS = 3.8, 700
# Seed and number of events of each sample.
SAMPLES = {"train": (11, 30), "test": (12, 5)}
PIXEL_VOLUMES, STRIP_VOLUMES = (7, 8, 9), (12, 13, 14, 16, 17, 18)
KEYS = (
    "n_hits", "n_edges", "n_window_edges", "edge_efficiency", "n_findable", "seed_efficiency", "track_efficiency", "fake_rate",
)  # fmt: skip


def digitisation(path: Path) -> Path:
    """Geometric clusters in the pixels, smeared hits in the strips."""
    axes = [
        {"bins": n, "min": -half, "max": half, "option": "open", "type": "equidistant", "value": f"bin{axis}"}
        for axis, half, n in (("X", 8.4, 1344), ("Y", 36.0, 1440))
    ]
    pixels = {"geometric": {
        "digital": False, "indices": [0, 1], "segmentation": {"binningdata": axes}, "thickness": 0.1, "threshold": 0.0,
        "charge-smearing": {"mean": 0.0, "stddev": 0.0, "type": "Gauss"},
    }}  # fmt: skip
    strips = {"smearing": [{"index": 0, "mean": 0.0, "stddev": 0.01, "type": "Gauss"}]}
    entries = [{"volume": v, "value": pixels} for v in PIXEL_VOLUMES] + [{"volume": v, "value": strips} for v in STRIP_VOLUMES]
    header = {"format-version": 0, "value-identifier": "digitization-configuration"}
    path.write_text(json.dumps({"acts-geometry-hierarchy-map": header, "entries": entries}))
    return path


def simulate(folder: Path, seed: int, n_events: int) -> None:
    """ACTS's CSV files of events with pions of 0.4 to 10 GeV, |eta| < 3, from one vertex each."""
    folder.mkdir()
    unit, quiet = acts.UnitConstants, acts.logging.WARNING
    random = examples.RandomNumbers(seed=seed)
    geometry = (detector := examples.GenericDetector(examples.GenericDetector.Config(logLevel=quiet))).trackingGeometry()
    field = acts.ConstantBField(acts.Vector3(0, 0, FIELD * unit.T))
    spread = acts.Vector4(0.0125 * unit.mm, 0.0125 * unit.mm, 50 * unit.mm, 0)
    sequencer = examples.Sequencer(events=n_events, numThreads=1, logLevel=quiet, trackFpes=False)
    simulation.addParticleGun(
        sequencer, simulation.MomentumConfig(0.4 * unit.GeV, 10 * unit.GeV, True), simulation.EtaConfig(-3.0, 3.0, True),
        simulation.ParticleConfig(N_PIONS, acts.PdgParticle.ePionPlus, True), rnd=random, logLevel=quiet,
        vtxGen=examples.GaussianVertexGenerator(stddev=spread, mean=acts.Vector4(0, 0, 0, 0)),
    )  # fmt: skip
    simulation.addFatras(sequencer, geometry, field, rnd=random, outputDirCsv=folder, logLevel=quiet)
    digi = digitisation(folder / "digi.json")
    simulation.addDigitization(
        sequencer, geometry, field, digiConfigFile=digi, rnd=random, outputDirCsv=folder, doMerge=True, logLevel=quiet
    )
    sequencer.addWriter(
        examples.CsvTrackingGeometryWriter(level=quiet, trackingGeometry=geometry, outputDir=str(folder), writePerEvent=False)
    )
    sequencer.run()
    del detector


def smartpix(*arguments: str) -> dict[str, object]:
    """What a command prints with --json."""
    done = subprocess.run([str(SMARTPIX), *arguments, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure, write and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sample, (seed, n_events) in SAMPLES.items():
            simulate(folder / sample, seed, n_events)
            smartpix("convert", "acts-csv", str(folder / sample), "--field", str(FIELD), "-o", f"{folder}/{sample}.root")
        own = f"{folder}/shape.safetensors"
        smartpix("train", "shape", f"{folder}/train.root", "-o", own)
        result: dict[str, object] = {"samples": SAMPLES, "n_pions": N_PIONS, "remake": "python benchmarks/acts_clusters.py"}
        ways = {
            "shipped": (), "own": ("--set", f"shape={own}"), "window": ("--set", "graph=window", "--set", "gnn=gnn-window"),
        }  # fmt: skip
        for way, options in ways.items():
            run = smartpix("run", f"{folder}/test.root", "-o", f"{folder}/{way}", "--no-figures", *options)
            result[way] = {key: run[key] for key in KEYS}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
