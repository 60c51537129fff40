"""Clusters for the test benches of an exported network: those it is made for, as its ADC codes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, adc_codes, from_arrays
from smartpix.estimate.base import same_sensor, sensor_words
from smartpix.estimate.descriptions import SORTS, load_sorted_weights
from smartpix.export.hls import FINISH
from smartpix.io.parquet import list_tables, read_clusters
from smartpix.merged.descriptions import COUNT_ON_CHIP
from smartpix.merged.descriptions import SORTS as COUNT_SORTS
from smartpix.samples import check_region, from_clusters, one_sensor
from smartpix.schema import InputError
from smartpix.simulate.datasets import REGION, SENSOR_TYPES, DatasetOptions, simulate_dataset
from smartpix.simulate.drift import Sensor
from smartpix.simulate.readout import ReadoutOptions

__all__ = ["bench_codes", "finish_words", "load_fixed"]

ON_CHIP = {name: sort for name, sort in (SORTS | COUNT_SORTS).items() if sort.whole}
"""Sorts of weights of whole numbers."""
MERGED = "merged"
"""Data set that networks that count are shown."""
FINISH_COUNTS = (
    "The 3 outputs are scores of one, two, and three and more particles. "
    "What follows, a matrix and the softmax, is the host's arithmetic: "
    "smartpix.merged.count.CountNetwork.of_images"
)
NOISE = 50.0
"""Of the simulated front-end, in e."""


def load_fixed(name: str | Path) -> tuple[FixedNetwork, dict[str, Any]]:
    """A quantised network by name or path, and the description of its weights.

    Raises:
        InputError: missing or damaged weights, or those of a float network.
    """
    remedy = (
        f"a float network of the estimates becomes one of whole numbers by smartpix compress CLUSTERS --from {name}, "
        f"and the graph network goes to a file that ends in .onnx or .pt; other networks have no logic"
    )
    arrays, description = load_sorted_weights(name, ON_CHIP, remedy)
    return from_arrays(arrays, description["fixed"], str(name)), description


def finish_words(description: Mapping[str, Any]) -> str:
    """What the outputs of a quantised network are, and what the host makes of them."""
    return FINISH_COUNTS if _counts(description) else FINISH


def _counts(description: Mapping[str, Any]) -> bool:
    return str(description["architecture"]).startswith(f"{COUNT_ON_CHIP}-")


def bench_codes(
    network: FixedNetwork,
    description: Mapping[str, Any],
    n: int,
    file: str | Path | None = None,
    seed: int = 1,
) -> npt.NDArray[np.int8]:
    """Codes (n, S, R, C) of clusters of the network's sensor and region, with noise.

    Args:
        network, description: of the weights.
        n: how many.
        file: take them from this data set (parquet) instead of simulating them.
        seed: of the simulation and the noise.

    Raises:
        InputError: a file of another sensor or region or with fewer clusters, or a sensor that no type has.
    """
    sensor, slices = description["sensor"], tuple(description["slices"])
    if file is None:
        types = [t for t, s in SENSOR_TYPES.items() if same_sensor(_described(s, sensor["field"]), sensor)]
        if not types:
            raise InputError(
                f"export: no sensor type is like the network's {sensor_words(sensor)}; give clusters of it "
                f"with --file"
            )
        of_region = [d for d, region in REGION.items() if region == description["region"]]
        dataset = MERGED if _counts(description) and MERGED in of_region else of_region[0]
        options = DatasetOptions(dataset, SENSOR_TYPES[types[0]], sensor["field"], slices=slices)
        clusters = simulate_dataset(options, n, seed)
    else:
        tables = list_tables(file)
        check_region(tables, description["region"])
        for table in tables:
            if table.sensor is not None and not same_sensor(table.sensor, sensor):
                raise InputError(
                    f"{table.images}: is of the sensor {sensor_words(table.sensor)}, and the network is for "
                    f"{sensor_words(sensor)}; give clusters of that sensor"
                )
        known_of_file = one_sensor(tables, sensor)
        clusters = read_clusters(file, slices, stop=n, thickness=known_of_file["thickness"], min_rows=n)
    lowest = float(min(e for e in network.edges if e > 0))
    samples = from_clusters(
        clusters, ReadoutOptions(noise=NOISE, threshold=lowest, adc_bits=0), sensor, {}, seed
    )
    return adc_codes(samples.images, network.edges)


def _described(sensor: Sensor, field: float) -> dict[str, float]:
    return DatasetOptions(sensor=sensor, field=field).described()
