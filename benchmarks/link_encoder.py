"""The link's learned encoders as Verilog beside the estimates' networks: the same tools, settings and clusters.

    python benchmarks/link_encoder.py FILE [NAME...]

FILE has simulated events. Every result is simulated by verilator on 2,000 of their clusters and compared with whole
numbers, and yosys counts look-up tables. Writes benchmarks/results/link-encoder.json; with names, only these anew.
"""

import json
import sys
import tempfile
from pathlib import Path

from chain import RESULTS

from smartpix.estimate.mdn import MdnEstimator
from smartpix.export.link import write_encoder
from smartpix.export.rtl import RtlOptions, write_rtl
from smartpix.link.images import adc_of, code_images
from smartpix.link.learned import load_link
from smartpix.link.samples import link_clusters
from tracking.bench.link import LEARNED

N_CLUSTERS = 2000
OPTIONS = RtlOptions(cells=False)
"""Standard cells of the larger encoders take more memory than a desktop has."""
KEYS = (
    "rtl_mismatches", "n_clusters", "luts", "ffs", "carry", "latency_cycles", "latency_ns", "ii_cycles", "clock_ns",
    "da4ml_luts", "register_bits", "versions", "assumptions", "missing",
)  # fmt: skip


def main(file: str, *names: str) -> None:
    """Write the Verilog of each network, and measure it."""
    estimator = MdnEstimator.load("fixed-barrel", "fixed-endcap")
    clusters, header = link_clusters([Path(file)], estimator.slices, N_CLUSTERS)
    adc = adc_of(header)
    encoded = code_images(clusters, adc)
    # The estimates' networks are of one region each: more clusters are drawn for as many of it.
    more, _ = link_clusters([Path(file)], estimator.slices, 4 * N_CLUSTERS)
    of_both, barrel = code_images(more, adc), header.detector.barrel[more.module]
    path = RESULTS / "link-encoder.json"
    results = json.loads(path.read_text(encoding="utf-8")) if names else {}
    results["remake"] = f"python benchmarks/link_encoder.py {Path(file).name}"
    regions = {f"mdn-{region}": region for region in estimator.networks}
    for name in names or (*regions, *LEARNED):
        with tempfile.TemporaryDirectory() as folder:
            if name in regions:
                network = estimator.networks[regions[name]].fused.network
                codes = of_both[barrel == (regions[name] == "barrel")][:N_CLUSTERS]
                facts = write_rtl(network, Path(folder) / "rtl", codes, OPTIONS, print)
                parameters = network.parameters
            else:
                encoder, ends = load_link(name).encoder, (adc.lowest, adc.highest)
                facts = write_encoder(encoder, Path(folder) / "rtl", encoded, ends, OPTIONS, print)
                parameters = encoder.parameters
        results[name] = {"parameters": parameters} | {key: facts[key] for key in KEYS}
        print(name, results[name], flush=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
