"""What weights in registers cost beside weights in the wiring: look-up tables and registers by yosys, the longest path
in standard cells by opensta, cycles.

    PYTHONPATH=. python benchmarks/reload_cost.py fixed-2s-sums [WEIGHTS ...]

A small network with random weights is synthesised both ways, simulated too: the reloadable one with its own weights
and with random ones. The first of the WEIGHTS, by name or path, is simulated and synthesised with its weights in the
wiring. Of it and of the others only the sizes of the reloadable design are counted. Writes
benchmarks/results/reload.json.
"""

import json
import sys
import tempfile
from pathlib import Path

from chain import RESULTS

from smartpix.export.clusters import bench_codes, load_fixed
from smartpix.export.reload import reloadable
from smartpix.export.rtl import RtlOptions, write_rtl
from tests.smartpix.chip.fixed_networks import random_codes, random_network
from tracking.bench.export import RTL_CLUSTERS

SHAPE = (2, 5, 8)
SAID = "mlp, codes (2, 5, 8), hidden 4 and 3, 14 outputs, weights of 3 bits, 0.7 not zero"
KEYS = (
    "luts",
    "ffs",
    "carry",
    "latency_cycles",
    "da4ml_luts",
    "n_clusters",
    "rtl_mismatches",
    "longest_path_ns",
)
LOADED = ("weight_bits", "load_cycles", "multipliers")


def main(weights: list[str]) -> None:
    """Synthesise the small network, and count the others."""
    network = random_network("mlp", shape=SHAPE, hidden=(4, 3), weight_bits=(3, 3), density=0.7)
    codes = random_codes(300, SHAPE, share=0.4)
    results = {
        "remake": " ".join(
            ["PYTHONPATH=. python benchmarks/reload_cost.py", *(Path(w).stem for w in weights)]
        ),
        "network": SAID,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in ("constant", "reloadable"):
            options = RtlOptions(reloadable=name == "reloadable")
            facts = write_rtl(network, Path(folder) / name, codes, options, print)
            results[name] = {key: facts[key] for key in KEYS + LOADED if facts.get(key) is not None}
        for name in weights[:1]:
            known, description = load_fixed(name)
            codes = bench_codes(known, description, RTL_CLUSTERS)
            facts = write_rtl(known, Path(folder) / "known", codes, RtlOptions(cells=False), print)
            results["in_wiring"] = {
                "weights": Path(name).stem,
                **{key: facts[key] for key in KEYS if facts.get(key) is not None},
            }
    results["not_synthesised"] = {}
    for name in weights:
        design = reloadable(load_fixed(name)[0], RtlOptions().depth, RtlOptions().load_bits)
        results["not_synthesised"][Path(name).stem] = {
            "register_bits": design.register_bits,
            "latency_cycles": design.latency,
            **{key: getattr(design, key) for key in LOADED},
        }
    (RESULTS / "reload.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
