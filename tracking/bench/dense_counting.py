"""Networks that count the particles of a cluster, in floating point and on the chip, on fresh groups of
crossings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.chip.fixed_point import adc_codes, from_arrays
from smartpix.export.hls import HlsOptions, write_project
from smartpix.geometry import read_detector
from smartpix.io.write import write_events
from smartpix.merged.count import CountNetwork
from smartpix.merged.descriptions import COUNT_ON_CHIP, load_count_weights
from smartpix.merged.quality import count_quality
from smartpix.merged.samples import MergedSamples, load_merged
from smartpix.samples import Reading
from smartpix.schema import InputError
from smartpix.shipped import data_path
from smartpix.simulate.events import header, simulate_crossings
from smartpix.simulate.options import GenerateOptions, GroupOptions, SimulateOptions

__all__ = ["GROUPS", "WEIGHTS", "count_numbers", "group_samples", "have_weights", "simulated_crossings"]

Report = Callable[[str], None]

WEIGHTS = {"float": "count-barrel", "chip": "fixed-count-barrel", "endcap": "count-endcap"}
"""Shipped weights of the barrel, in floating point and of whole numbers, and of the end-caps."""
OF_REGION = {"barrel": "float", "endcap": "endcap"}
"""Key of :data:`WEIGHTS` of each region's network of floating point."""
GROUPS = SimulateOptions(generate=GenerateOptions(pileup=0), groups=GroupOptions((1, 2, 3)))
"""Crossings alone, in pairs and in threes, at the standard working point."""
PER_EVENT, CSIM_CLUSTERS = 5000, 2000


def have_weights(names: Iterable[str]) -> bool:
    """Whether the weights of all these names ship with this installation."""
    try:
        for name in names:
            data_path(f"weights/{name}.safetensors")
    except InputError:
        return False
    return True


def simulated_crossings(
    path: Path, n_events: int, seed: int, options: SimulateOptions = GROUPS, per_event: int | None = None
) -> Path:
    """A file of crossings at ``path``: of groups of one to three particles, or as the options say.

    Args:
        per_event: groups or crossings of an event; None: :data:`PER_EVENT`.
    """
    detector = read_detector(data_path("detector.csv"))
    head = header(detector, options, n_events, seed, "smartpix simulate crossings")
    write_events(path, head, simulate_crossings(detector, options, n_events, per_event or PER_EVENT, seed))
    return path


def group_samples(path: Path) -> dict[str, MergedSamples]:
    """Complete clusters of a file of groups of crossings, by region: one, two and three particles alike."""
    found = {}
    for region, key in OF_REGION.items():
        slices = CountNetwork.load(WEIGHTS[key]).description["slices"]
        samples = load_merged([path], region, Reading(slices=slices))
        # Of others the networks see a part, and the chain does not ask them.
        found[region] = samples.take(np.flatnonzero(~samples.truncated))
    return found


def count_numbers(
    by_region: Mapping[str, MergedSamples], report: Report, csim_clusters: int = CSIM_CLUSTERS
) -> dict[str, Any]:
    """How well the networks count, and whether the exported one is the network on the chip, bit for bit.

    Args:
        by_region: complete clusters, as of :func:`group_samples`.
        csim_clusters: compared in the C simulation of the exported project.

    Returns:
        ``auc`` and ``auc_chip`` of two particles against one; ``csim_mismatches`` of ``csim_clusters``;
        ``float``, ``chip`` and ``endcap``: what :func:`smartpix.merged.quality.count_quality` gives.

    Raises:
        InputError: weights, hls4ml or g++ are missing, or the exported network is another one.
    """
    qualities = {}
    samples = by_region["barrel"]
    for key, name in WEIGHTS.items():
        network, of = CountNetwork.load(name), by_region["endcap" if key == "endcap" else "barrel"]
        qualities[key] = count_quality(of, network.of_images(of.images))
    arrays, description = load_count_weights(WEIGHTS["chip"], COUNT_ON_CHIP)
    fixed = from_arrays(arrays, description["fixed"], WEIGHTS["chip"])
    report(f"{WEIGHTS['chip']}: C simulation")
    codes = adc_codes(samples.images[:csim_clusters], fixed.edges)
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(fixed, Path(folder) / "project", codes, HlsOptions())
    return {
        "auc": qualities["float"]["auc"],
        "auc_chip": qualities["chip"]["auc"],
        "csim_mismatches": project["csim_mismatches"],
        "csim_clusters": len(codes),
        "n_clusters": len(samples),
        "parameters_chip": fixed.parameters,
        **qualities,
    }
