"""Numbers and bits of the learned code, scanned with short trainings: distance of the charge and what the estimates resolve.

    python benchmarks/link_scan.py TRAINING JUDGED

Both are files of simulated events, of different seeds. The estimates are those of the chain, not trained again, and
barrel clusters of one particle are judged. Writes benchmarks/results/link-scan.json after each training.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from chain import RESULTS

from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.link.codes import coded
from smartpix.link.images import adc_of
from smartpix.link.learned import load_link, with_tables
from smartpix.link.options import LinkOptions
from smartpix.link.samples import link_clusters
from smartpix.samples import load_samples
from smartpix.train.link import train_link
from smartpix.train.link_options import TrainLinkOptions
from tracking.bench.link import drawn_clusters, mean_distance

LATENT, BITS = (4, 8, 16), (6, 2, 4, 9)
EPOCHS, CLUSTERS, BATCH = 4, 20_000, 64
TABLE_CLUSTERS = 20_000
DISTANCES = 200
WIDTHS = ("x_um", "y_um", "cot_alpha", "cot_beta")


def resolved(file, network, code=""):
    """Half widths of the residuals and the likelihood, of barrel clusters."""
    samples = load_samples(file, "barrel", code=code)
    found = quality(
        *network.predict_images(samples.images, samples.truncated), samples.targets, samples.truncated
    )
    return {name: found["half_width_68"][name] for name in WIDTHS} | {"nll": found["nll"], "n": found["n"]}


def main(training: str, judged: str) -> None:
    """Train each code, and judge it."""
    network = MdnNetwork.load("mdn-barrel")
    table, header = link_clusters([Path(training)], tuple(network.description["slices"]), TABLE_CLUSTERS)
    clusters, _ = link_clusters([Path(judged)], tuple(network.description["slices"]), TABLE_CLUSTERS)
    table, seen = (coded(c, header.detector, adc_of(header)) for c in (table, clusters))
    rows = drawn_clusters(seen, DISTANCES)
    results = {
        "remake": f"python benchmarks/link_scan.py {Path(training).name} {Path(judged).name}",
        "epochs": EPOCHS, "clusters": CLUSTERS, "batch_size": BATCH, "distances": DISTANCES,
        "raw": resolved(judged, network), "codes": {},
    }  # fmt: skip
    for bits in BITS:
        for latent in LATENT:
            started = time.process_time()
            options = TrainLinkOptions(
                LinkOptions(latent=latent, bits=bits),
                epochs=EPOCHS,
                clusters=CLUSTERS,
                batch_size=BATCH,
                rate=0.0,
            )
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "link.safetensors")
                trained = train_link(training, path, options)
                code = with_tables(load_link(path), table)
                sent = code(seen)
                row = {
                    "latent": latent, "bits": bits, "bits_per_cluster": float(np.mean(sent.bits)),
                    "arithmetic_bits_per_cluster": float(np.mean(sent.arithmetic_bits)),
                    "encoder_parameters": code.encoder.parameters, "physics": trained["physics"],
                    **mean_distance(seen, sent.charge[:, -1], rows, header.detector), **resolved(judged, network, path),
                    "processor_s": round(time.process_time() - started, 1),
                }  # fmt: skip
            results["codes"][f"{latent}x{bits}"] = row
            print(row, flush=True)
            (RESULTS / "link-scan.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
