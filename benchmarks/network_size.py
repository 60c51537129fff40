"""Accuracy of the tracks against time for graph networks of several sizes; writes
benchmarks/results/network-size.json.

    python benchmarks/network_size.py [--events EVENTS.root] WEIGHTS.safetensors ...

benchmarks/network_size.sh trains the networks and calls this. Without --events 8 events of pile-up 200 are
simulated with a seed
that nothing was trained on. Inside the clock: features, screen and network, one thread, the networks in turn;
    the median of 5.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tracking.bench.events import load_sample, simulated
from tracking.bench.finding import find_in_turn, median_ms
from tracking.bench.judgement import judge, rates
from tracking.finders.gnn.finder import GraphFinder
from tracking.finders.gnn.network import load_network
from tracking.options import RunOptions

ROOT = Path(__file__).resolve().parents[1]
N_EVENTS, SEED, FINDER_REPEATS = 8, 606, 5


def main(weights: list[str], events: str | None) -> None:
    """Measure the networks of some weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = events or simulated(200, N_EVENTS, SEED, Path(folder))
        sample = load_sample(path, N_EVENTS)
        header = sample.header
        finders = {
            Path(w).stem: GraphFinder.for_detector(header.detector, header.field, RunOptions(gnn=w))
            for w in weights
        }
        runs = find_in_turn(finders, sample, print, FINDER_REPEATS)
    result = {"n_events": len(sample.events), "networks": {}}
    for (name, finder_runs), path in zip(runs.items(), weights, strict=True):
        network, made = load_network(path), rates(judge(sample.events, finder_runs[0].tracks))
        description = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
        result["networks"][name] = {
            **{key: description["options"][key] for key in ("hidden", "passes", "screen", "epochs")},
            **{key: description["metrics"][key] for key in ("parameters", "loss", "auc")},
            **{
                key: made[key]
                for key in ("efficiency", "fake_rate", "duplicate_rate", "n_findable", "n_tracks")
            },
            "ms_graph": median_ms(finder_runs)["graph"],
            "ms_after_estimates": sum(median_ms(finder_runs).values()),
        }
        assert sum(p.numel() for p in network.parameters()) == description["metrics"]["parameters"]
    (ROOT / "benchmarks" / "results" / "network-size.json").write_text(
        json.dumps(result, indent=1) + "\n", encoding="utf-8"
    )
    for name, row in result["networks"].items():
        print(name, {k: round(v, 4) for k, v in row.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events")
    parser.add_argument("weights", nargs="+")
    options = parser.parse_args()
    main(options.weights, options.events)
