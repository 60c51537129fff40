"""What a file holds, for ``smartpix info``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import awkward as ak

from smartpix.io import checksums
from smartpix.io.events import iterate, open_events
from smartpix.io.parquet import describe_clusters, is_cluster_file
from smartpix.networks.weights import describe_weights
from smartpix.shipped import data_path

__all__ = ["describe_file"]


def describe_file(path: str | Path) -> dict[str, Any]:
    """What a file holds: an event file, clusters (a .parquet file or a folder of them), or weights.

    Returns:
        Counts, slices and how it was made; of events also detector, field and truth, of clusters the sensor
        and the labels, of weights architecture, options and metrics.

    Raises:
        InputError: as :func:`smartpix.io.events.open_events`, :func:`smartpix.io.parquet.describe_clusters`
            and :func:`smartpix.networks.weights.describe_weights`.
    """
    shipped = not Path(path).exists() and (data_path("weights") / f"{path}.safetensors").is_file()
    if shipped or Path(path).suffix == ".safetensors":
        return describe_weights(path)
    if is_cluster_file(path):
        return {"file": str(path), "container": "parquet", **describe_clusters(path)}
    opened = open_events(path)
    detector = opened.header.detector
    n_clusters = n_pixels = n_truncated = n_particles = 0
    for _, events in iterate(path):
        n_clusters += int(ak.sum(ak.num(events["clusters"])))
        n_pixels += int(ak.sum(ak.num(events["clusters", "pixels"], axis=2)))
        n_truncated += int(ak.sum(events["clusters", "truncated"]))
        if opened.has_particles:
            n_particles += int(ak.sum(ak.num(events["particles"])))
    layers = detector.layers
    return {
        "file": str(opened.path),
        "container": opened.container,
        "checksums": checksums.ALGORITHM if opened.checksums else "none",
        "n_events": opened.n_events,
        "n_clusters": n_clusters,
        "n_pixels": n_pixels,
        "n_truncated": n_truncated,
        "truth": opened.has_truth,
        "n_particles": n_particles,
        "field_T": opened.header.field,
        "slices": list(opened.header.slices),
        "beam_spot": asdict(opened.header.beam_spot),
        "n_modules": len(detector),
        "layers": [layers.name(i) for i in range(len(layers))],
        "pitch_mm": sorted(
            {
                (round(float(x), 6), round(float(y), 6))
                for x, y in zip(detector.pitch_x, detector.pitch_y, strict=True)
            }
        ),
        "thickness_mm": sorted({round(float(t), 6) for t in detector.thickness}),
        "made_by": dict(opened.header.made_by),
        "provenance": dict(opened.header.origin) or None,
    }
