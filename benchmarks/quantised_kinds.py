"""The chain at pile-up 200 on other barrel networks of whole numbers, each trained on crossings.

    PYTHONPATH=. python benchmarks/quantised_kinds.py FILE WEIGHTS [WEIGHTS ...]

FILE is `smartpix simulate events --pileup 200 --events 4 --seed 642001`. `benchmarks/quantised_kinds.sh` trains the
WEIGHTS. The end-caps' network is `fixed-endcap` in all rows. Writes benchmarks/results/chain-kinds.json.
"""

import json
import sys
import tempfile
from pathlib import Path

from chain import RESULTS, smartpix
from quantised import SHOWN

from smartpix.export.clusters import load_fixed
from smartpix.export.logic import estimate_luts


def main(file: str, weights: list[str]) -> None:
    """Run the chain on floats, and once for each network."""
    results: dict[str, object] = {"remake": "bash benchmarks/quantised_kinds.sh"}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("mdn", *weights):
            ways = (
                ["--estimates", "mdn"]
                if name == "mdn"
                else ["--estimates", "quantised", "--set", f"fixed_barrel={name}"]
            )
            found, _ = smartpix("run", file, "-o", f"{folder}/out", "--no-figures", *ways)
            row = {key: found[key] for key in ("n_events", "n_findable", "resolution_d0_um", *SHOWN)}
            if name != "mdn":
                network, description = load_fixed(name)
                row |= {
                    "kind": network.kind,
                    "da4ml_luts": estimate_luts(network),
                    "n_train": description["metrics"]["n_train"],
                    "half_width_68": description["metrics"]["half_width_68"],
                }
            results[Path(name).stem] = row
            print(Path(name).stem, *(f"{key} {row[key]:.4g}" for key in SHOWN), flush=True)
            (RESULTS / "chain-kinds.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
