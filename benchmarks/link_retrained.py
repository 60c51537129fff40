"""Estimates trained again on what link-4x6 brings, region by region: what the chain makes of them on events for tuning.

    smartpix train mdn TRAINING --region endcap --code link-4x6 --from mdn-endcap --augment mirror-x mirror-y \\
      --epochs 20 --patience 20 --learning-rate 1e-3 -o mdn-endcap-link-4x6.safetensors
    python benchmarks/link_retrained.py TUNING mdn-endcap-link-4x6.safetensors

Writes benchmarks/results/link-retrained.json.
"""

import json
import sys
from dataclasses import replace

from chain import RESULTS

from smartpix.clusters import flatten
from smartpix.io.events import open_events
from smartpix.link.codes import coded
from smartpix.link.images import adc_of
from smartpix.link.learned import load_link
from tracking.bench.events import records_with_truth
from tracking.bench.link_chain import decoded_records, judged_chain
from tracking.chain import Chain
from tracking.finders.training import event_seed
from tracking.options import RunOptions

CODE, BARREL = "link-4x6", "mdn-barrel-link-4x6"
N_EVENTS = 2
KEYS = (
    "reduction", "edge_efficiency", "track_efficiency", "fake_rate", "n_findable", "resolution_d0_um", "resolution_z0_um",
)  # fmt: skip


def main(file: str, endcap: str) -> None:
    """Judge each pair of estimates."""
    header, code = open_events(file).header, load_link(CODE)
    slices, adc = tuple(code.description["slices"]), adc_of(header)
    records = list(records_with_truth([file], N_EVENTS))
    decoded = [code.decoded(coded(flatten(r["clusters"], slices), header.detector, adc)) for r in records]
    pairs = {
        "neither": ("mdn-barrel", "mdn-endcap"), "barrel": (BARREL, "mdn-endcap"), "endcap": ("mdn-barrel", endcap),
        "both": (BARREL, endcap),
    }  # fmt: skip
    results = {"remake": __doc__.split("\n\n")[1], "seed": event_seed(file), "n_events": len(records)}
    for name, (barrel, of_endcap) in pairs.items():
        chain = Chain.for_header(header, replace(RunOptions(), mdn_barrel=barrel, mdn_endcap=of_endcap))
        judged = judged_chain(
            chain, records, lambda k, clusters: decoded_records(clusters, decoded[k], slices)
        )
        numbers = judged.numbers(header.field)
        results[name] = {key: numbers[key] for key in KEYS}
        print(name, results[name], flush=True)
    (RESULTS / "link-retrained.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
