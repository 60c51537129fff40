"""``smartpix bench export``: what the chip's networks cost and resolve, and whether every exported bit is
right.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from smartpix.clusters import pixel_lists
from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.export.clusters import bench_codes, load_fixed
from smartpix.export.hls import HlsOptions, write_project
from smartpix.export.rtl import RtlOptions, write_rtl
from smartpix.samples import Samples
from smartpix.schema import InputError, check, nearest, quoted
from tracking.bench.clock import NETWORK_REPEATS, time_in_turn
from tracking.bench.clusters import TEST_SEED, chip_samples

log = logging.getLogger(__name__)

__all__ = ["FLOAT", "NETWORKS", "PUBLISHED_AREAS", "bench_export", "export_table"]

Report = Callable[[str], None]

NETWORKS = {"talk": "fixed-2s-talk", "smallest": "fixed-2s-smallest"}
"""Shipped weights: the talk's network with 2,029 parameters, and the smallest of columns that resolves as
well within 5 %.
"""
FLOAT = "mdn-2s-conv-2t-chip"
"""The talk's network in floating point on the same clusters: the same noise and threshold, charge not
digitised.
"""
FLOATS = {"talk": "mdn-2s-conv-2t-4bit", "smallest": "mdn-2s-columns-2t-4bit"}
"""Networks of the same kind in floating point, for the speed."""
TARGETS = ("x_um", "y_um", "alpha_deg", "beta_deg")
IN_COT = ("cot_alpha", "cot_beta")
"""Beside the angles in degrees: a half width depends on the unit."""
CSIM_CLUSTERS, RTL_CLUSTERS = 10_000, 2_000
PUBLISHED_AREAS = {
    "2D conv": (0.81, 1.23, 1.46), "slim MLP": (0.52, 0.78, 0.94), "1D conv": (0.39, 0.60, 0.72),
}  # fmt: skip
"""Of the smart-pixel group, no unit given: HLS, synthesis, place and route."""


def bench_export(
    names: Sequence[str] = tuple(NETWORKS),
    n_clusters: int = 50_000,
    csim_clusters: int = CSIM_CLUSTERS,
    rtl_clusters: int = RTL_CLUSTERS,
    clock_ns: float = 5.0,
    report: Report = log.info,
) -> dict[str, Any]:
    """Resolution, size, speed and exactness of the quantised networks.

    Args:
        names: of :data:`NETWORKS`.
        n_clusters: of data set 2s, type 2, that none was trained on: what the resolution is measured with.
        csim_clusters: compared in C simulation, in parallel and as stream each; rtl_clusters: in simulated
            Verilog.
        clock_ns: period of the Verilog's clock.
        report: called with a line per step.

    Returns:
        By network ``csim_mismatches``, ``rtl_mismatches``, ``luts``, ``ffs``, ``cell_area_mm2``,
        ``cell_area_mm2_28nm``, ``latency_cycles``, ``ii_cycles``, ``latency_ns``, ``parameters``,
        ``nonzero_weights``, ``hw68_ratio_to_float`` by target, :func:`speed`,
        :func:`smartpix.estimate.quality.quality` of complete clusters as ``quality``, and all facts of the
            projects; ``float`` is the reference's quality.

    Raises:
        InputError: an unknown network, missing weights, hls4ml or g++ missing.
    """
    for name in names:
        if name not in NETWORKS:
            raise InputError(
                f"bench export: network {quoted(name)} is unknown.{nearest(name, NETWORKS)} There are "
                f"{', '.join(NETWORKS)}"
            )
    check("bench export", "n_clusters", n_clusters, n_clusters >= 1000, "at least 1000")
    report(f"simulating {n_clusters} clusters")
    samples = chip_samples(n_clusters)
    reference = measured(FLOAT, samples)
    result: dict[str, Any] = {"float": {"weights": FLOAT, "quality": reference}}
    for name in names:
        weights = NETWORKS[name]
        network, description = load_fixed(weights)
        resolved = measured(weights, samples)
        facts: dict[str, Any] = {
            "weights": weights, "kind": network.kind, "parameters": network.parameters,
            "nonzero_weights": network.nonzero_weights, "hw68_ratio_to_float": ratios(resolved, reference),
            "quality": resolved,
            "csim_mismatches": 0, "csim_clusters": csim_clusters, "hls": {},
        }  # fmt: skip
        report(f"{name}: clusters per second, beside the same network in floating point")
        facts |= speed(weights, name, samples)
        codes = bench_codes(network, description, max(csim_clusters, rtl_clusters), seed=TEST_SEED + 1)
        with tempfile.TemporaryDirectory() as folder:
            for io in ("parallel", "stream"):
                report(f"{name}: C simulation, {io}")
                project = write_project(network, Path(folder) / io, codes[:csim_clusters], HlsOptions(io=io))
                facts["csim_mismatches"] += project["csim_mismatches"]
                facts["hls"][io] = {
                    k: project[k]
                    for k in ("backend", "io", "strategy", "reuse", "csim_mismatches", "n_clusters")
                }
            report(f"{name}: Verilog")
            rtl = write_rtl(
                network, Path(folder) / "rtl", codes[:rtl_clusters], RtlOptions(clock_ns=clock_ns), report
            )
        result[name] = (
            facts
            | {k: v for k, v in rtl.items() if k not in ("kind", "n_clusters")}
            | {"rtl_clusters": rtl_clusters}
        )
    return result


def speed(weights: str, name: str, samples: Samples) -> dict[str, float]:
    """Clusters per second from lists of pixels to outputs, of the whole numbers and of the same kind in
    floating point.

    Both in turn in one process on one thread, median of several after a warm-up; encoding inside the clock.
    """
    lists = pixel_lists(samples.images)
    networks = {"fixed": MdnNetwork.load(weights).fused, "float": MdnNetwork.load(FLOATS[name]).fused}
    runs = {which: partial(fused.pixels, *lists) for which, fused in networks.items()}
    times, _ = time_in_turn(runs, NETWORK_REPEATS)
    rate = {which: len(samples) / seconds for which, seconds in times.items()}
    return {"clusters_per_second": rate["fixed"], "float_clusters_per_second": rate["float"]}


def measured(weights: str | Path, samples: Samples) -> dict[str, Any]:
    """:func:`smartpix.estimate.quality.quality` of a network on clusters."""
    mean, cholesky = MdnNetwork.load(str(weights)).predict_images(samples.images, samples.truncated)
    return quality(mean, cholesky, samples.targets, samples.truncated)


def ratios(result: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, float]:
    """68 % half widths over those of the reference."""
    return {
        target: result["half_width_68"][target] / reference["half_width_68"][target]
        for target in (*TARGETS, *IN_COT)
    }


def export_table(result: Mapping[str, Any]) -> str:
    """The results of :func:`bench_export` as lines of text."""
    integers = (
        "parameters",
        "nonzero_weights",
        "csim_mismatches",
        "rtl_mismatches",
        "luts",
        "ffs",
        "latency_cycles",
        "ii_cycles",
    )
    rows = dict.fromkeys(integers, "{:d}") | {
        "cell_area_mm2": "{:.3f}", "cell_area_mm2_28nm": "{:.4f}", "latency_ns": "{:.0f}",
        "longest_path_ns": "{:.2f}",
    }  # fmt: skip
    names = [name for name in result if name in NETWORKS]
    lines = [f"{'':28s}" + "".join(f"{name:>14s}" for name in names)]
    for key, form in rows.items():
        cells = ["-" if result[n][key] is None else form.format(result[n][key]) for n in names]
        lines.append(f"{key:28s}" + "".join(f"{cell:>14s}" for cell in cells))
    for target in (*TARGETS, *IN_COT):
        values = [result[n]["hw68_ratio_to_float"][target] for n in names]
        lines.append(f"{'half width / float ' + target:28s}" + "".join(f"{v:14.3f}" for v in values))
    areas = ", ".join(f"{name} {' / '.join(f'{v:.2f}' for v in v3)}" for name, v3 in PUBLISHED_AREAS.items())
    lines.append(f"published areas (HLS / synthesis / place and route, no unit given): {areas}")
    for name in names:
        fixed, reference = result[name]["quality"], result["float"]["quality"]
        lines.append(
            f"{name}: coverage68 {fixed['coverage68']:.3f}; nll {fixed['nll']:.2f} "
            f"(float {reference['nll']:.2f})"
        )
        lines += [f"  {tool}: {text}" for tool, text in result[name]["missing"].items()]
    return "\n".join(lines)
