"""Look-up tables of networks with their weights in the wiring, by yosys, with and without the multiplexers behind the
tables, and the mismatches of the simulated Verilog.

    python benchmarks/table_counts.py WEIGHTS [...]

Writes benchmarks/results/table-counts.json. Some minutes each; half an hour for `fixed-2s-talk`.
"""

import json
import sys
import tempfile
from pathlib import Path

from chain import RESULTS

from smartpix.export.clusters import bench_codes, load_fixed
from smartpix.export.rtl import RtlOptions, write_rtl
from tracking.bench.export import RTL_CLUSTERS

COUNTS = ("luts", "ffs", "carry")
KEYS = ("rtl_mismatches", "n_clusters", "da4ml_luts", "latency_cycles", "latency_ns", "ii_cycles")


def main(weights: list[str]) -> None:
    """Write the Verilog of each network, simulate it, and count it in both ways."""
    results = {"remake": " ".join(["python benchmarks/table_counts.py", *(Path(w).stem for w in weights)])}
    for name in weights:
        network, description = load_fixed(name)
        codes = bench_codes(network, description, RTL_CLUSTERS)
        with tempfile.TemporaryDirectory() as folder:
            wide = write_rtl(network, Path(folder) / "wide", codes, RtlOptions(cells=False), print)
            without = RtlOptions(cells=False, simulate=False, narrow_functions=True)
            narrow = write_rtl(network, Path(folder) / "narrow", codes, without, print)
        results[Path(name).stem] = {
            **{key: wide[key] for key in KEYS},
            "wide": {key: wide[key] for key in COUNTS},
            "narrow": {key: narrow[key] for key in COUNTS},
        }
        print(name, results[Path(name).stem], flush=True)
    (RESULTS / "table-counts.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
