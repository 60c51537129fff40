"""What weights in registers cost beside weights in the wiring: look-up tables, registers and cycles by yosys.

    PYTHONPATH=. python benchmarks/reload_cost.py [WEIGHTS ...]

A small network with random weights is synthesised both ways, simulated too: the reloadable one with its own weights
and with random ones. Of larger networks, by name or path, only the sizes of the reloadable design are counted. Writes
benchmarks/results/reload.json.
"""

import json
import sys
import tempfile
from pathlib import Path

from chain import RESULTS

from smartpix.export.clusters import load_fixed
from smartpix.export.reload import reloadable
from smartpix.export.rtl import RtlOptions, write_rtl
from tests.smartpix.chip.fixed_networks import random_codes, random_network

SHAPE = (2, 5, 8)
SAID = "mlp, codes (2, 5, 8), hidden 4 and 3, 14 outputs, weights of 3 bits, 0.7 not zero"
KEYS = ("luts", "ffs", "carry", "latency_cycles", "da4ml_luts", "rtl_mismatches")
LOADED = ("weight_bits", "load_cycles", "multipliers")


def main(weights: list[str]) -> None:
    """Synthesise the small network, and count the others."""
    network = random_network("mlp", shape=SHAPE, hidden=(4, 3), weight_bits=(3, 3), density=0.7)
    codes = random_codes(300, SHAPE, share=0.4)
    results = {"remake": "PYTHONPATH=. python benchmarks/reload_cost.py", "network": SAID}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("constant", "reloadable"):
            options = RtlOptions(cells=False, reloadable=name == "reloadable")
            facts = write_rtl(network, Path(folder) / name, codes, options, print)
            results[name] = {key: facts[key] for key in KEYS + LOADED if facts.get(key) is not None}
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
