"""ROOT's toy for networks on images: round against slightly oval spots of 10,000 entries, with noise.

It is what ROOT's tutorial ``TMVA_CNN_Classification`` fills: a histogram of 16 x 16 bins over 10 x 10 units.
Each image has 10,000 entries of a Gaussian without correlation, cut at the histogram's edges. Its mean is
drawn evenly from 3 to 7 units along each axis, so that a spot's place says nothing. The background's widths
are (3, 3), the signal's (3.1, 2.9). As in ``TH1::FillRandom``, a bin's chance is the density at its centre.
Each bin then gets Gaussian noise of 5 entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.schema import check, check_ranges, check_types, ranged

__all__ = ["ToyOptions", "toy_images"]

LENGTH = 10.0
"""Of the histogram along both axes, units."""
DRAWN = 1000
"""Images drawn at a time."""


@dataclass(frozen=True)
class ToyOptions:
    """The toy's images; the defaults are the tutorial's.

    Attributes:
        n_images: images of each class.
        n_rows: rows of an image.
        n_columns: columns of an image.
        n_entries: entries of an image.
        sigma: width of the background's spots along both axes.
        difference: what the signal's spots are wider along x, and narrower along y.
        noise: of each bin, in entries.
        mean: least and largest mean of a spot along both axes, in units.
        seed: of all that is drawn.
    """

    n_images: int = ranged(5000, 1, 1_000_000)
    n_rows: int = ranged(16, 2, 200)
    n_columns: int = ranged(16, 2, 200)
    n_entries: int = ranged(10_000, 1, 1_000_000_000)
    sigma: float = ranged(3.0, 0.1, 100.0, "units")
    difference: float = ranged(0.1, 0.0, 100.0, "units")
    noise: float = ranged(5.0, 0.0, 1e6, "entries")
    mean: tuple[float, float] = (3.0, 7.0)
    seed: int = ranged(1, 0, 2**32 - 1)

    def __post_init__(self) -> None:
        check_types("toy", self)
        check_ranges("toy", self)
        check(
            "toy", "difference", self.difference, self.difference < self.sigma, f"below sigma, {self.sigma}"
        )
        good = 0 <= self.mean[0] <= self.mean[1] <= LENGTH
        check("toy", "mean", self.mean, good, f"two ascending numbers from 0 to {LENGTH:g}")


def toy_images(options: ToyOptions | None = None) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The toy's images and their classes.

    Args:
        options: None: the tutorial's.

    Returns:
        (N, 1, R, C) entries with noise and (N,) classes, 0 (background) and 1 (signal), in turn.
    """
    options = options or ToyOptions()
    rng = np.random.default_rng(options.seed)
    n = 2 * options.n_images
    label = np.arange(n) % 2
    images = np.empty((n, 1, options.n_rows, options.n_columns), dtype=np.float32)
    for first in range(0, n, DRAWN):
        part = slice(first, first + DRAWN)
        chance = _chances(label[part], options, rng)
        shape = images[part].shape
        entries = rng.multinomial(options.n_entries, chance).reshape(shape)
        images[part] = entries + rng.normal(0.0, options.noise, shape)
    return images, label


def _chances(
    label: npt.NDArray[np.int64], options: ToyOptions, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(N, R * C) chances of the bins of spots with means of their own."""
    mean = rng.uniform(*options.mean, (len(label), 2))
    lines = []
    for axis, (n_bins, sign) in enumerate(((options.n_columns, 1), (options.n_rows, -1))):
        centre = (np.arange(n_bins) + 0.5) * LENGTH / n_bins
        width = options.sigma + sign * options.difference * label
        line = np.exp(-0.5 * ((centre - mean[:, axis, None]) / width[:, None]) ** 2)
        lines.append(line / line.sum(axis=1, keepdims=True))
    columns, rows = lines
    return np.asarray((rows[:, :, None] * columns[:, None, :]).reshape(len(label), -1))
