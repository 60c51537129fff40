"""The chain on what the chip would send: floating point beside whole numbers, with fewer and fewer bits on
the link.

    python benchmarks/quantised.py [FILE]

Without a file, 3 events of pile-up 200 are simulated first (seed 7). Writes
benchmarks/results/chain-quantised.json.
"""

import json
import sys
import tempfile

from chain import RESULTS, smartpix

LINK_BITS = (0, 10, 8, 7, 6, 5, 4)
"""Of each output; 0: all 16."""
SHOWN = ("n_edges", "reduction", "edge_efficiency", "edge_efficiency_0p5", "track_efficiency", "fake_rate")


def main(file: str | None) -> None:
    """Run the chain once for each way of estimating."""
    with tempfile.TemporaryDirectory() as folder:
        if file is None:
            file = f"{folder}/pu200.root"
            smartpix("simulate", "events", "--pileup", "200", "--events", "3", "--seed", "7", "-o", file)
        ways = {"float": ["--estimates", "mdn"]}
        ways |= {
            f"{bits or 16} bits": ["--estimates", "quantised", "--link-bits", str(bits)] for bits in LINK_BITS
        }
        results = {}
        for name, flags in ways.items():
            results[name], _ = smartpix("run", file, "-o", f"{folder}/out", "--no-figures", *flags)
            results[name]["files"] = "pu200"
            print(f"{name:8s}", *(f"{key} {results[name][key]:.4g}" for key in SHOWN))
    results["remake"] = "python benchmarks/quantised.py"
    (RESULTS / "chain-quantised.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
