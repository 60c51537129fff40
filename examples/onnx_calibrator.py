"""The ONNX calibrator in a program of one's own: clusters in, positions, directions and covariances out.

    smartpix export calibrator -o estimates.onnx --file F.root
    python examples/onnx_calibrator.py estimates.onnx F.root --json

The graph is run in onnxruntime, one event at a time. Of simulated files the share of clusters within
one sigma of the truth is told, which is 0.683 where errors are Gaussian. `inputs_of` makes the graph's inputs from plain
lists of pixels, as a program without smartpix has them.
"""

import argparse
import json

import awkward as ak
import numpy as np
import onnxruntime

from smartpix.estimate import truth_targets
from smartpix.io import iterate

ROWS, COLUMNS, CENTRE = 13, 21, (6, 10)
"""The window, and the pixel in it where the middle of a cluster's box lies."""


def inputs_of(clusters, slices):
    """Inputs of the graph from clusters: dictionaries with ``module_index``, ``truncated`` and ``pixels``."""
    n = len(clusters)
    charges = np.zeros((n, len(slices), ROWS, COLUMNS), dtype=np.float32)
    origin, extent = np.zeros((n, 2), dtype=np.int64), np.zeros((n, 3))
    for k, cluster in enumerate(clusters):
        pixels = cluster["pixels"]
        rows, columns = [p["row"] for p in pixels], [p["column"] for p in pixels]
        origin[k] = [
            (min(place) + max(place)) // 2 - c for place, c in zip((rows, columns), CENTRE, strict=True)
        ]
        last = sum(max(p[f"charge_{slices[-1]:02d}"], 0.0) for p in pixels)
        extent[k] = last, max(columns) - min(columns) + 1, max(rows) - min(rows) + 1
        for pixel in pixels:
            r, c = pixel["row"] - origin[k, 0], pixel["column"] - origin[k, 1]
            if 0 <= r < ROWS and 0 <= c < COLUMNS:
                charges[k, :, r, c] = [pixel[f"charge_{s:02d}"] for s in slices]
    return {
        "charges": charges,
        "origin": origin,
        "extent": extent,
        "truncated": np.array([c["truncated"] for c in clusters], dtype=bool),
        "module": np.array([c["module_index"] for c in clusters], dtype=np.int64),
    }


def main(arguments=None):
    """Run the graph on a file's events."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("graph", help="of smartpix export calibrator")
    parser.add_argument("file", help="event file")
    parser.add_argument("--events", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    session = onnxruntime.InferenceSession(options.graph, providers=["CPUExecutionProvider"])
    slices = json.loads(session.get_modelmeta().custom_metadata_map["slices"])
    pulls, n = [], 0
    for _, events in iterate(options.file, step=1, stop=options.events):
        clusters = events["clusters"][0]
        mean, covariance, flagged = session.run(None, inputs_of(ak.to_list(clusters), slices))
        target, good = truth_targets(clusters, 0.95)
        sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        pulls.append(((mean - target) / sigma)[good & ~flagged])
        n += len(clusters)
    within = np.mean(np.abs(np.concatenate(pulls)) < 1, axis=0)
    names = ("x", "y", "cot_alpha", "cot_beta")
    result = {"clusters": n, "within_one_sigma": dict(zip(names, within.tolist(), strict=True))}
    print(json.dumps(result, indent=None if options.json else 1))
    return result


if __name__ == "__main__":
    main()
