"""The clusters that the benchmarks of estimates are measured on, which no network was trained on."""

from __future__ import annotations

from dataclasses import asdict, replace

from smartpix.export.clusters import NOISE
from smartpix.samples import Samples, from_clusters
from smartpix.simulate.datasets import SENSOR_TYPES, DatasetOptions, simulate_dataset
from smartpix.simulate.readout import ReadoutOptions

__all__ = ["CHIP", "CHIP_2_BITS", "CHIP_4_BITS", "TEST_CLUSTERS", "TEST_SEED", "chip_samples"]

TEST_SEED = 9001
"""The trainings in data/make.sh use others."""
TEST_CLUSTERS = DatasetOptions(sensor=SENSOR_TYPES[2])
"""Type 2 of data set 2s, the published one: 50 x 12.5 x 100 um."""
CHIP = ReadoutOptions(noise=NOISE, threshold=300.0, adc_bits=0)
"""Realistic noise and threshold (e), before the ADC."""
CHIP_4_BITS = ReadoutOptions(noise=NOISE, threshold=300.0, adc_bits=4)
"""The same with the ADC of the talk's network."""
CHIP_2_BITS = ReadoutOptions(noise=NOISE, threshold=340.0, adc_bits=2, adc_max=3600.0)
"""Two bits as the published networks have them: a higher threshold, and a coarser scale."""


def chip_samples(n: int) -> Samples:
    """Test clusters as the chip's networks see them: slices 0 and 19, with noise and threshold."""
    options = replace(TEST_CLUSTERS, slices=(0, 19))
    clusters = simulate_dataset(options, n, TEST_SEED)
    return from_clusters(clusters, CHIP, options.described(), {"readout": asdict(CHIP)}, TEST_SEED)
