"""What the chain makes of the front's networks at pile-up 200: each estimates the barrel's clusters.

    python benchmarks/front_chain.py [--events FILE] [WEIGHTS ...]

Without a file, 2 events of pile-up 200 are simulated first (seed 642002), with a threshold of 300 e and charges
that are not digitised: each network has an ADC of its own. The end-caps keep the shipped network of whole numbers.
Its threshold is 400 e, so that the file's conditions are not those that it was trained with. Adds each network to
benchmarks/results/front-chain.json.
"""

import argparse
import json
import tempfile
from pathlib import Path

from chain import RESULTS, smartpix

SHOWN = ("reduction", "edge_efficiency", "track_efficiency", "fake_rate", "resolution_d0_um")
SIMULATED = ("--pileup", "200", "--events", "2", "--seed", "642002", "--threshold", "300", "--adc-bits", "0")


def main(events: str | None, weights: list[str]) -> None:
    """Run the chain once for each network."""
    path = RESULTS / "front-chain.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        if events is None:
            events = f"{folder}/pu200.root"
            smartpix("simulate", "events", *SIMULATED, "-o", events)
        for name in weights:
            flags = (
                "--estimates",
                "quantised",
                "--set",
                f"fixed_barrel={name}",
                "--set",
                "conditions=ignore",
            )
            found, _ = smartpix("run", events, "-o", f"{folder}/out", "--no-figures", *flags)
            results[Path(name).stem] = {key: found[key] for key in (*SHOWN, "n_findable", "n_events")}
            print(f"{Path(name).stem:24s}", *(f"{key} {found[key]:.4g}" for key in SHOWN), flush=True)
            path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", metavar="FILE")
    parser.add_argument(
        "weights", nargs="*", default=["fixed-2s-talk", "fixed-2s-smallest"], metavar="WEIGHTS"
    )
    given = parser.parse_args()
    main(given.events, given.weights)
