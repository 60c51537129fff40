"""Benchmarks behind ``smartpix bench``: the estimates' networks against the published ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.estimate.base import same_sensor, sensor_words
from smartpix.estimate.calibrate import cluster_shapes
from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.quality import degrees, quality, residual_widths, weighted_half_width
from smartpix.io.parquet import list_tables, read_clusters
from smartpix.samples import Samples, check_region, from_clusters, one_sensor
from smartpix.schema import InputError, check, nearest, quoted
from smartpix.simulate.datasets import REGION, simulate_dataset
from smartpix.simulate.readout import ReadoutOptions
from tracking.bench.clock import NETWORK_REPEATS, time_in_turn
from tracking.bench.clusters import CHIP, CHIP_2_BITS, CHIP_4_BITS, TEST_CLUSTERS, TEST_SEED

log = logging.getLogger(__name__)

__all__ = ["VARIANTS", "Variant", "bench_mdn", "mdn_table", "network_speed"]

Floats = npt.NDArray[np.float64]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Variant:
    """One benchmarked network.

    Attributes:
        weights: shipped weights.
        readout: of the clusters it is tested on, as it was trained; None: noise-free charges without
            threshold.
        published: its counterpart's figures: name, source, and by target ``[mean, standard deviation, 68 %
            half width]``.
    """

    weights: str
    readout: ReadoutOptions | None
    published: Mapping[str, Any] | None = None


_SOURCE = "smart-pix/smart-pixels-ml, pull request 46, summary plots; 50 x 12.5 x 100 um"


def _published(
    name: str, x: Sequence[float], y: Sequence[float], alpha: Sequence[float], beta: Sequence[float]
) -> dict[str, Any]:
    return {"name": name, "source": _SOURCE, "x_um": x, "y_um": y, "alpha_deg": alpha, "beta_deg": beta}


VARIANTS: dict[str, Variant] = {
    "conv-20t-float": Variant(
        "mdn-2s-conv-20t-float", None,
        _published("2D conv, 20 slices, float", (0.51, 5.16, 5.37), (0.05, 1.26, 1.32), (0.12, 1.21, 1.01),
        (0.03, 1.29, 1.45)),
    ),
    "conv-2t-float": Variant(
        "mdn-2s-conv-2t-float", None,
        _published("2D conv, 2 slices, float", (0.13, 8.78, 7.67), (-0.14, 2.04, 1.82), (0.34, 1.74, 1.32),
        (0.00, 2.22, 2.48)),
    ),
    "conv-2t-4bit": Variant(
        "mdn-2s-conv-2t-4bit", CHIP_4_BITS,
        {
            "name": "2D conv, 2,029 parameters, 4-bit input", "source": "the smart-pixel talk",
            "standard_deviation": {"x_um": 11.6, "y_um": 2.94, "cot_alpha": 0.53, "cot_beta": 0.077},
            "nll": -4.8,
        },
    ),
    "mlp-2t-float": Variant(
        "mdn-2s-mlp-2t-float", None,
        _published("full MLP, 2 slices, float", (-0.41, 6.52, 6.48), (0.05, 1.58, 1.62), (0.12, 1.29, 1.18),
        (-0.26, 1.51, 1.75)),
    ),
    "mlp-2t-2bit": Variant(
        "mdn-2s-mlp-2t-2bit", CHIP_2_BITS,
        _published("full MLP, 2-bit input", (-0.12, 7.08, 7.22), (0.00, 1.69, 1.81), (-0.68, 0.97, 1.93),
        (0.40, 2.01, 1.90)),
    ),
    "columns-2t-float": Variant("mdn-2s-columns-2t-float", None),
    "columns-2t-chip": Variant("mdn-2s-columns-2t-chip", CHIP),
    "columns-2t-4bit": Variant("mdn-2s-columns-2t-4bit", CHIP_4_BITS),
}  # fmt: skip
"""Variants by name; the first five have a published counterpart."""


def bench_mdn(
    variants: Sequence[str],
    n_clusters: int = 50_000,
    file: str | Path | None = None,
    threads: int = 1,
    report: Report = log.info,
    sensor: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Quality and speed of the shipped networks on clusters none was trained on.

    Truncated clusters, which the chain flags and widens, are left out of the metrics as of the training;
    ``all_clusters`` has them. Noise-free, 5 to 13 % are truncated, since induction below any threshold
    reaches the border of the array; the published figures are made without such a cut.

    Args:
        variants: names of :data:`VARIANTS`.
        n_clusters: test clusters of data set 2s, type 2, simulated with a seed of their own.
        file: take the clusters from this data set instead.
        threads: of torch, whose speed is compared; the fused kernels use one.
        report: called with a line per step.
        sensor: pitch_x, pitch_y, thickness (mm) and field (T) of the file's clusters; needed if it does not
            say.

    Returns:
        By variant :func:`smartpix.estimate.quality.quality`, ``all_clusters`` (``n`` and
        :func:`smartpix.estimate.quality.residual_widths`, truncated ones included), ``parameters``,
            ``readout``, ``published`` and :func:`network_speed`.

    Raises:
        InputError: unknown variant, missing weights, unusable file or one of another sensor or region, a
            sensor without a file.
    """
    for name in variants:
        if name not in VARIANTS:
            raise InputError(
                f"bench mdn: variant {quoted(name)} is unknown.{nearest(name, VARIANTS)} There are "
                f"{', '.join(VARIANTS)}"
            )
    check("bench mdn", "n_clusters", n_clusters, n_clusters >= 1000, "at least 1000")
    trained = TEST_CLUSTERS.described()
    networks = {name: MdnNetwork.load(VARIANTS[name].weights) for name in variants}
    if file is None:
        if sensor is not None:
            raise InputError(
                "bench mdn: --type says what sensor the clusters of a file are of; give the --file as well"
            )
        report(f"simulating {n_clusters} clusters")
        clusters = simulate_dataset(TEST_CLUSTERS, n_clusters, TEST_SEED)
    else:
        tables = list_tables(file)
        check_region(tables, REGION[TEST_CLUSTERS.dataset])
        file_sensor = one_sensor(tables, sensor)
        if not same_sensor(file_sensor, trained):
            raise InputError(
                f"{file}: is of the sensor {sensor_words(file_sensor)}, and the networks of this benchmark "
                f"are for {sensor_words(trained)}"
            )
        used = sorted({s for network in networks.values() for s in network.description["slices"]})
        clusters = read_clusters(file, used, stop=n_clusters, thickness=file_sensor["thickness"])
    results = {}
    for name in variants:
        variant, network = VARIANTS[name], networks[name]
        report(f"{name}: {variant.weights}")
        samples = from_clusters(
            clusters.select(network.description["slices"]), variant.readout, trained, {}, TEST_SEED
        )
        mean, cholesky = network.predict_images(samples.images, samples.truncated)
        metrics = network.description["metrics"]
        results[name] = {
            **quality(mean, cholesky, samples.targets, samples.truncated),
            "all_clusters": {"n": len(mean), **residual_widths(mean, samples.targets)},
            "alpha_deg_flat_in_cot_alpha": _flat_in_cot_alpha(mean, samples.targets, ~samples.truncated),
            "parameters": metrics["parameters"],
            "slices": network.description["slices"],
            "readout": None if variant.readout is None else asdict(variant.readout),
            "published": variant.published,
            **network_speed(network, samples, threads),
        }
    return results


def _flat_in_cot_alpha(mean: Floats, targets: Floats, good: npt.NDArray[np.bool_]) -> float:
    """68 % half width of alpha in degrees if cot alpha were flat: ours is flat in pseudorapidity, so each
    counts sqrt(1 + cot^2). Alpha in degrees depends on how cot alpha is spread more than on anything else."""
    residual = degrees(targets[good, 2]) - degrees(mean[good, 2])
    return weighted_half_width(residual, np.sqrt(1 + targets[good, 2] ** 2))


def network_speed(network: MdnNetwork, samples: Samples, threads: int) -> dict[str, float]:
    """Clusters per second from lists of fired pixels to the network's raw outputs, fused and with the torch
    module.

    Both in turn in one process, median of several after a warm-up. Inside the clock for torch: filling the
    windows, encoding, the module; for the fused kernels: everything. ``difference`` is the largest between
    their outputs, relative to the output where that is above 1; ``fused_error`` and ``torch_error`` are
    likewise those of each to the module in double precision.
    ``estimates_per_second`` has the calibrated means and covariances as well.
    """
    import torch

    from smartpix.clusters import fill_windows, pixel_lists
    from smartpix.networks.modules import build, encode
    from smartpix.networks.options import NetworkOptions

    options = NetworkOptions(**network.description["network"])
    module = build(options)
    module.load_state_dict({k: torch.from_numpy(v) for k, v in network.arrays.items()})
    module.eval()
    lists = pixel_lists(samples.images)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)

    def with_torch() -> npt.NDArray[np.float32]:
        images = fill_windows(*lists, n_rows=options.n_rows, n_columns=options.n_columns)
        with torch.inference_mode():
            parts = [module(encode(part, options)) for part in torch.split(torch.from_numpy(images), 4096)]
            return torch.cat(parts).numpy()

    def fused() -> npt.NDArray[Any]:
        return network.fused.pixels(*lists)

    def estimates() -> Any:
        shape = cluster_shapes(*lists[:4], lists[4][:, -1].astype(np.float64))
        return network.finish(network.fused.pixels(*lists), shape)

    try:
        times, outputs = time_in_turn(
            {"torch": with_torch, "fused": fused, "estimates": estimates}, NETWORK_REPEATS
        )
    finally:
        torch.set_num_threads(before)
    images = torch.from_numpy(fill_windows(*lists, n_rows=options.n_rows, n_columns=options.n_columns))
    module.double()
    with torch.inference_mode():
        exact = torch.cat(
            [module(encode(part.double(), options)) for part in torch.split(images, 4096)]
        ).numpy()
    rate = {name: len(samples) / seconds for name, seconds in times.items()}
    return {
        "clusters_per_second": rate["fused"],
        "torch_clusters_per_second": rate["torch"],
        "speedup": rate["fused"] / rate["torch"],
        "estimates_per_second": rate["estimates"],
        "difference": _difference(outputs["fused"], outputs["torch"]),
        "fused_error": _difference(outputs["fused"], exact),
        "torch_error": _difference(outputs["torch"], exact),
    }


def _difference(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    return float((np.abs(a - b) / np.maximum(np.abs(b), 1.0)).max())


def mdn_table(results: Mapping[str, Any]) -> str:
    """68 % half widths and more of :func:`bench_mdn` as lines of text, published counterparts in brackets.

    All are of complete clusters; ``cut`` is the share of the truncated ones.
    """
    columns = ("x_um", "y_um", "alpha_deg", "beta_deg", "cot_alpha", "cot_beta")
    lines = [
        f"{'variant':18s}"
        + "".join(f"{c:>16s}" for c in columns)
        + "    |cot a|<2      nll  cover68    cut  M/s  speedup"
    ]
    for name, r in results.items():
        published = r["published"] or {}
        cells = [
            f"{r['half_width_68'][c]:8.3g}" + (f" ({published[c][2]:.3g})" if c in published else "").ljust(8)
            for c in columns
        ]
        central = r["half_width_68_central"].get("cot_alpha", float("nan"))
        lines.append(
            f"{name:18s}{''.join(cells)}{central:13.3f}{r['nll']:9.2f}{r['coverage68']:9.3f}"
            f"{r['truncated']:7.1%}{r['clusters_per_second'] / 1e6:5.2f}{r['speedup']:9.1f}"
        )
    return "\n".join(lines)
