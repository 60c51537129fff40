"""Small clusters for the tests of the link."""

import numpy as np

from smartpix.clusters import FlatClusters
from smartpix.link.codes import CodedClusters
from smartpix.link.images import Adc, boxes_of, code_images
from smartpix.simulate.options import ReadoutOptions, adc_levels

ADC = Adc(*adc_levels(ReadoutOptions(threshold=400.0, adc_bits=4)))


def random_clusters(n: int, seed: int, longest: int = 6) -> FlatClusters:
    """Clusters of random pixels with digitised charges; some are longer than the window."""
    rng = np.random.default_rng(seed)
    counts, pixels = [], []
    for k in range(n):
        rows, columns = rng.integers(1, longest + 1, 2) if k else (16, 30)
        cells = rng.permutation(rows * columns)[: rng.integers(1, rows * columns + 1)]
        counts.append(len(cells))
        place = rng.integers(20, 1000, 2)
        pixels += [(place[0] + c // columns, place[1] + c % columns) for c in np.sort(cells)]
    row, column = np.array(pixels).T
    codes = rng.integers(ADC.lowest, ADC.n_codes + ADC.lowest, (len(row), 2))
    # Every pixel has charge in some slice, or it would not be there.
    codes[~codes.any(axis=1), 1] = 1
    counts = np.array(counts)
    return FlatClusters(
        np.zeros(n, dtype=np.int32), np.arange(n) == 0, np.zeros((n, 2)), np.cumsum(counts) - counts, counts,
        row.astype(np.int16), column.astype(np.int16), ADC.charge(codes),
    )  # fmt: skip


def random_coded(n: int, seed: int, longest: int = 6) -> CodedClusters:
    """The same as the chip has them, half of them in the barrel."""
    clusters = random_clusters(n, seed, longest)
    return CodedClusters(clusters, code_images(clusters, ADC), boxes_of(clusters), np.arange(n) % 2 == 0, ADC)
