"""``smartpix simulate clusters``: data sets of single clusters."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from smartpix.simulate.dataset_options import DEFAULT_TYPE, DatasetOptions, sensor_of_type
from tracking.cli.flags import option_flags, shown
from tracking.cli.irradiated import fluence_flags, irradiated
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, print_result
from tracking.cli.parser import named_path
from tracking.options import from_mapping

__all__ = ["add_simulate_clusters"]


def add_simulate_clusters(kinds: Any) -> None:
    """Add ``clusters`` to the kinds of simulation."""
    clusters = kinds.add_parser("clusters",
    help="data sets of single clusters, in the layout of the public ones", description=(
        "Simulate one of the 21 data sets of single clusters, or windows that several particles cross "
        "(--dataset merged), and write it in the layout of the public "
        "smart-pixel data sets (docs/formats.md). Charges are without noise and threshold, as the public "
        "ones. The same seed and file name give the same bytes. In the result, clusters_per_second is of the "
        "simulation alone, without writing; its first batch compiles and tabulates."
    ))  # fmt: skip
    defaults = DatasetOptions()
    option_flags(clusters, defaults, "dataset", required=True)
    clusters.add_argument("--type", type=int, default=DEFAULT_TYPE, metavar="1..7", help=(
        "sensor: 1 to 5 are 50 x 10, 12.5, 15, 20, 25 um, 6 is 100 x 25 um, all 100 um thick; 7 is 100 x 25 "
        "um, 150 um thick (default: %(default)s)"
    ))  # fmt: skip
    clusters.add_argument("-n", type=int, required=True, metavar="N", help="number of clusters")
    clusters.add_argument("--seed", type=int, required=True, metavar="N", help="seed of everything")
    clusters.add_argument(
        "--shape", type=int, nargs=2, metavar=("ROWS", "COLUMNS"),
        help=f"rows and columns of the pixel array (default: {shown((defaults.n_rows, defaults.n_columns))})",
    )  # fmt: skip
    option_flags(clusters, defaults.groups, "together", "distance", section="groups.")
    option_flags(clusters, defaults.sensor, "bias", section="sensor.")
    fluence_flags(clusters, defaults.sensor, section="sensor.")
    option_flags(clusters, defaults, "slices", "field", "radius", "pt", "from_far_side", "induction")
    clusters.add_argument("-o", "--output", type=named_path, required=True, metavar="F.parquet")
    set_flag(clusters, DatasetOptions(), "max_cot_alpha=4")
    json_flag(clusters)
    clusters.set_defaults(command_function=_simulate_clusters)


def _simulate_clusters(options: argparse.Namespace) -> None:
    values = option_values(options)
    if options.shape is not None:
        values["n_rows"], values["n_columns"] = options.shape
    sensor = sensor_of_type(options.type)
    part = values.get("sensor", {})
    if isinstance(part, dict):
        values["sensor"] = irradiated(options, part, sensor.bias)
    dataset: DatasetOptions = from_mapping(DatasetOptions(sensor=sensor), values, "--set")
    from smartpix.io.parquet import write_clusters
    from smartpix.simulate.datasets import BATCH, iterate_dataset
    from tracking.runs.progress import progress_bar

    seconds = 0.0
    with progress_bar("simulating", -(-options.n // BATCH)) as step:

        def timed() -> Iterator[Any]:
            nonlocal seconds
            batches = iterate_dataset(dataset, options.n, options.seed)
            while True:
                start = time.perf_counter()
                batch = next(batches, None)
                seconds += time.perf_counter() - start
                if batch is None:
                    return
                yield batch
                step()

        made_by = {
            "command": "smartpix simulate clusters",
            "type": options.type,
            "n": options.n,
            "seed": options.seed,
        }
        described = dataset.described()
        n_clusters = write_clusters(
            options.output, timed(), {**made_by, "options": asdict(dataset)}, described
        )
    result = {"file": str(options.output), "n_clusters": n_clusters, "n_slices": len(dataset.slices)}
    result |= {
        "n_rows": dataset.n_rows,
        "n_columns": dataset.n_columns,
        "bytes": options.output.stat().st_size,
    }
    print_result(
        options, {**result, "clusters_per_second": round(n_clusters / seconds, 1), "sensor": described}
    )
