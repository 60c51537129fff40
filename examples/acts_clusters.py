"""Cones on clusters of ACTS's own geometric digitisation: a run on its CSV files, and seeds inside its chain.

    python examples/acts_clusters.py

Pions from 200 vertices through ACTS's generic detector (50 x 12.5 um pixels, 100 um thick, 3.8 T), written by
ACTS as CSV and converted. Then the chain with the shipped cluster-shape estimates, with estimates trained on
other such events, and with the window; and ACTS's chain (acts_chain.py) with seeds from cones, of the trained
estimates and of the clusters' lengths alone, beside its own seeding on the same measurements. Prints one JSON
object; times are CPU times. Needs ``smartpix[acts]``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from acts_chain import WITH_CONES, Way, compared, own_seeding, reconstruct

import tracking
from seeding.acts_reference import ALGORITHMS
from seeding.hits import Hits, make_hits
from smartpix.convert.formats import ConvertOptions, convert, detect
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.options import EstimateWeights
from smartpix.estimate.shape import ShapeEstimator
from smartpix.extras import import_acts
from smartpix.io.events import Header, iterate
from tracking.acts.clusters import length_hits
from tracking.acts.reference import WORKING_POINTS
from tracking.acts.seeder import ESTIMATES, SEEDER, cone_seeder
from tracking.acts.setup import acts_setup
from tracking.bench.events import Event
from tracking.metrics import event_truth
from tracking.options import RunOptions

FIELD, N_PIONS = 3.8, 36
N_TRAIN = 4
CHAIN_REPEATS = 3
PIXEL_VOLUMES, STRIP_VOLUMES = (7, 8, 9), (12, 13, 14, 16, 17, 18)
KEYS = (
    "n_hits", "n_edges", "n_window_edges", "edge_efficiency", "n_findable", "seed_efficiency",
    "track_efficiency", "fake_rate",
)  # fmt: skip


def digitisation(path: Path) -> Path:
    """Geometric clusters in the pixels, smeared hits in the strips."""
    axes = [
        {"bins": n, "min": -half, "max": half, "option": "open", "type": "equidistant", "value": f"bin{axis}"}
        for axis, half, n in (("X", 8.4, 1344), ("Y", 36.0, 1440))
    ]
    pixels = {"geometric": {
        "digital": False, "indices": [0, 1], "segmentation": {"binningdata": axes}, "thickness": 0.1,
        "threshold": 0.0,
        "charge-smearing": {"mean": 0.0, "stddev": 0.0, "type": "Gauss"},
    }}  # fmt: skip
    strips = {"smearing": [{"index": 0, "mean": 0.0, "stddev": 0.01, "type": "Gauss"}]}
    entries = [{"volume": v, "value": pixels} for v in PIXEL_VOLUMES] + [
        {"volume": v, "value": strips} for v in STRIP_VOLUMES
    ]
    header = {"format-version": 0, "value-identifier": "digitization-configuration"}
    path.write_text(json.dumps({"acts-geometry-hierarchy-map": header, "entries": entries}), encoding="utf-8")
    return path


def simulate(folder: Path, seed: int, n_events: int, n_vertices: int) -> None:
    """ACTS's CSV files of events with 36 pions a vertex: pT of 0.2 to 10 GeV, flat in its logarithm, |eta| <
    3.
    """
    from acts.examples import simulation

    acts = import_acts()
    folder.mkdir()
    examples, unit, quiet = acts.examples, acts.UnitConstants, acts.logging.WARNING
    random = examples.RandomNumbers(seed=seed)
    geometry = (
        detector := examples.GenericDetector(examples.GenericDetector.Config(logLevel=quiet))
    ).trackingGeometry()
    field = acts.ConstantBField(acts.Vector3(0, 0, FIELD * unit.T))
    spread = acts.Vector4(0.0125 * unit.mm, 0.0125 * unit.mm, 50 * unit.mm, 0)
    sequencer = examples.Sequencer(events=n_events, numThreads=1, logLevel=quiet, trackFpes=False)
    simulation.addParticleGun(
        sequencer, simulation.MomentumConfig(0.2 * unit.GeV, 10 * unit.GeV, True, True),
        simulation.EtaConfig(-3.0, 3.0, True),
        simulation.ParticleConfig(N_PIONS, acts.PdgParticle.ePionPlus, True), rnd=random, logLevel=quiet,
        multiplicity=n_vertices, vtxGen=examples.GaussianVertexGenerator(stddev=spread, mean=acts.Vector4(0,
        0, 0, 0)),
    )  # fmt: skip
    simulation.addFatras(sequencer, geometry, field, rnd=random, outputDirCsv=folder, logLevel=quiet)
    digi = digitisation(folder / "digi.json")
    simulation.addDigitization(
        sequencer,
        geometry,
        field,
        digiConfigFile=digi,
        rnd=random,
        outputDirCsv=folder,
        doMerge=True,
        logLevel=quiet,
    )
    sequencer.addWriter(
        examples.CsvTrackingGeometryWriter(
            level=quiet, trackingGeometry=geometry, outputDir=str(folder), writePerEvent=False
        )
    )
    sequencer.run()
    del detector


def of_lengths(clusters: ak.Array, head: Header) -> Hits:
    """Hits of what ACTS's measurements and the lengths of its clusters tell, as of
    tracking.acts.clusters.cluster_hits.
    """
    module = ak.to_numpy(clusters["module_index"])
    pixels = clusters["pixels"]
    size = np.column_stack(
        [ak.to_numpy(ak.max(pixels[n], axis=1) - ak.min(pixels[n], axis=1) + 1.0) for n in ("column", "row")]
    )
    local = np.column_stack([ak.to_numpy(clusters[n]) for n in ("local_x", "local_y")]).astype(np.float64)
    pitch = np.stack([head.detector.pitch_x, head.detector.pitch_y], axis=1)[module]
    return length_hits(clusters, local, pitch / np.sqrt(12), size, head.detector, head.field)


def in_acts(file: Path, weights: Path) -> dict[str, Any]:
    """ACTS's chain with its own seeds and with ours, by what the hits are made of."""
    acts = import_acts()
    records = [(opened.header, events[0]) for opened, events in iterate(file, step=1)]
    head = records[0][0]
    estimator = choose_estimator(head, "shape", EstimateWeights(shape=str(weights)))
    clusters = [record["clusters"] for _, record in records]
    estimates = [estimate(c, head, estimator) for c in clusters]
    place = acts_setup(acts, head.detector, head.field)
    makers: dict[str, Callable[[int], Hits]] = {
        "own": lambda k: make_hits(clusters[k], estimates[k], head.detector),
        "lengths": lambda k: of_lengths(clusters[k], head),
    }  # fmt: skip
    out: dict[str, Any] = {}
    for name, maker in makers.items():
        hits = [maker(k) for k in range(len(records))]
        events = [
            Event(c, h, event_truth(c, record["particles"], h.layer))
            for c, h, (_, record) in zip(clusters, hits, records, strict=True)
        ]
        ways = {
            "ours": Way(cone_seeder(maker, head.detector, head.field), (ESTIMATES, SEEDER), WITH_CONES),
            "acts": Way(
                own_seeding(acts, head.field), (ALGORITHMS["acts-grid"],), WORKING_POINTS["balanced"].options
            ),
        }
        chains = {key: partial(reconstruct, acts, head, place, way=way) for key, way in ways.items()}
        out[name] = compared(chains, events, CHAIN_REPEATS)
        clock = {
            key: sum(out[name][key][f"{stage}_ms"] for stage in ("seeding", "parameters", "ckf"))
            for key in ways
        }
        out[name]["ratio_time"] = clock["ours"] / clock["acts"]
    return out


def run(n_events: int, n_vertices: int, seed: int, report: Callable[[str], None]) -> dict[str, Any]:
    """All of it.

    Returns:
        ``shipped``, ``own`` and ``window``: what ``smartpix run`` says with these estimates, or without any;
            ``in_acts`` by what
        the hits are of, ``own`` or ``lengths``: of ``ours`` and ``acts`` the numbers of acts_chain.py, and
            ``ratio_time``.
    """
    result: dict[str, Any] = {
        "n_events": n_events,
        "n_train": N_TRAIN,
        "n_vertices": n_vertices,
        "n_pions": N_PIONS,
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sample, n in (("train", N_TRAIN), ("test", n_events)):
            report(f"simulating {n} events to {sample}")
            simulate(folder / sample, seed, n, n_vertices)
            convert(detect(folder / sample), folder / f"{sample}.root", ConvertOptions(field=FIELD))
            seed += 1
        weights, test = folder / "shape.safetensors", folder / "test.root"
        report("training estimates")
        ShapeEstimator.fit([folder / "train.root"], weights)
        ways = {
            "shipped": RunOptions(),
            "own": RunOptions(shape=str(weights)),
            "window": RunOptions(graph="window", gnn="gnn-window"),
        }
        for way, options in ways.items():
            summary = tracking.run(test, folder / way, options, figures=False)
            result[way] = {key: summary[key] for key in KEYS}
        report("ACTS's chain")
        return result | {"in_acts": in_acts(test, weights)}


def main(arguments: Sequence[str]) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=3, help="to test on (default: %(default)s)")
    parser.add_argument("--vertices", type=int, default=200, help="an event (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=11, help="of the simulation (default: %(default)s)")
    options = parser.parse_args(arguments)
    result = run(options.events, options.vertices, options.seed, lambda line: print(line, file=sys.stderr))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
