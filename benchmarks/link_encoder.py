"""The link's learned encoders as adders: every number against whole numbers, and the look-up tables.

    python benchmarks/link_encoder.py FILE

FILE has simulated events. Writes benchmarks/results/link-encoder.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
from chain import RESULTS

from smartpix.estimate.mdn import MdnEstimator
from smartpix.export.link import trace_encoder
from smartpix.export.logic import estimate_luts
from smartpix.link.encoder import encode_clusters
from smartpix.link.images import adc_of, code_images
from smartpix.link.learned import load_link
from smartpix.link.samples import link_clusters
from tracking.bench.link import LEARNED

N_CLUSTERS = 2000


def main(file: str) -> None:
    """Trace each encoder, and send clusters through its adders."""
    estimator = MdnEstimator.load("fixed-barrel", "fixed-endcap")
    clusters, header = link_clusters([Path(file)], estimator.slices, N_CLUSTERS)
    adc = adc_of(header)
    codes = code_images(clusters, adc)
    results = {"remake": f"python benchmarks/link_encoder.py {Path(file).name}", "n_clusters": len(codes)}
    for region, network in estimator.networks.items():
        results[f"mdn-{region}"] = {"da4ml_luts": estimate_luts(network.fused.network)}
    for name in LEARNED:
        encoder = load_link(name).encoder
        logic = trace_encoder(encoder, (adc.lowest, adc.n_codes + adc.lowest - 1))
        found = logic.predict(codes.reshape(len(codes), -1).astype(float))
        results[name] = {
            "parameters": encoder.parameters,
            "da4ml_luts": round(logic.cost),
            "mismatches": int(np.any(found != encode_clusters(encoder, codes), axis=1).sum()),
        }
        print(name, results[name])
    (RESULTS / "link-encoder.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
