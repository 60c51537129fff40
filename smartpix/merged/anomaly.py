"""How unusual a cluster is for an autoencoder that knows clusters of single particles only: options and
scores.

After arXiv 2108.03986. Two networks, each plain or variational, with the published sizes at its own inputs:

- ``dense``: 57-32-16-3-16-32-57. The plain one has the published 4,924 parameters (encoder 2,435, decoder
  2,489). The variational one has a second head of 3 for the widths: 4,975, of which its encoder has 2,486.
- ``conv`` on 19 x 3 numbers, padded to 20 x 3: 16 filters of 3 x 3 without bias, averages over 3 x 1, 32
  filters of 3 x 1 without bias, averages over 3 x 1, dense 64 -> 8: encoder 144 + 1,536 + 520 = 2,200. Dense
  8 -> 64, 32 filters of 3 x 1, stretched by 3 x 1, 16 filters of 3 x 1, stretched by 3 x 1, one filter of 3 x
  3: decoder 576 + 3,072 + 1,536 + 144 = 5,328. A variational one has 520 more in its encoder.

Scores: the squared error of the reconstruction, Kullback and Leibler's divergence of the latent Gaussian from
the standard one, and its radius, the sum of (mean / sigma)^2. The last two need a variational network, and of
that its encoder alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.schema import (
    N_COLUMNS,
    N_ROWS,
    InputError,
    check,
    check_ranges,
    check_types,
    one_of,
    origin_pixel,
    ranged,
)

__all__ = [
    "AUTOENCODERS", "DENSE_INPUTS", "AutoencoderOptions", "Halves", "autoencoder_sizes", "divergence",
    "line_sums", "radius", "true_rate",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

AUTOENCODERS = ("dense", "conv")
DENSE_WIDTHS = (32, 16)
DENSE_LATENT, CONV_LATENT = 3, 8
CONV_FILTERS = (16, 32)
FILTER = 3
POOL = 3
SUMMED_COLUMNS, SUMMED_ROWS = 17, 11
"""In the middle of the window, of which ``dense`` sees the sums."""
DENSE_INPUTS = 2 * (SUMMED_COLUMNS + SUMMED_ROWS) + 1
"""57: column and row sums of two slices, and the charge of both."""


@dataclass(frozen=True)
class AutoencoderOptions:
    """An autoencoder.

    Attributes:
        network: ``dense`` (on sums) or ``conv`` (on images).
        variational: the latent numbers are Gaussians, drawn during training.
        n_slices: slices of the images.
        n_rows: rows of the images.
        n_columns: columns of the images.
        latent: numbers in the middle; 0 takes the published 3 (dense) or 8 (conv).
        beta: share of the divergence in a variational network's loss, of the squared error the rest.
    """

    network: str = one_of("dense", AUTOENCODERS)
    variational: bool = True
    n_slices: int = ranged(2, 1, 100)
    n_rows: int = ranged(N_ROWS, 3, 200)
    n_columns: int = ranged(N_COLUMNS, 3, 200)
    latent: int = ranged(0, 0, 100)
    beta: float = ranged(0.8, 0.0, 0.999)

    def __post_init__(self) -> None:
        check_types("autoencoder", self)
        check_ranges("autoencoder", self)
        two = self.network != "dense" or self.n_slices == 2
        check("autoencoder", "n_slices", self.n_slices, two, "2 for dense, which sees 57 sums of two slices")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns of the images."""
        return self.n_slices, self.n_rows, self.n_columns

    @property
    def n_latent(self) -> int:
        """Numbers in the middle."""
        return self.latent or (DENSE_LATENT if self.network == "dense" else CONV_LATENT)

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of the inner filters and of the averages: along an axis of three places, of which
        the first filter leaves one, there is nothing to average.
        """
        rows, columns = (1 if n <= FILTER else POOL for n in self.shape[1:])
        return rows, columns

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the padded image: what the first filter leaves is averaged twice without
        rest.
        """
        rows, columns = (
            k**2 * -(-(n - FILTER + 1) // k**2) + FILTER - 1
            for n, k in zip(self.shape[1:], self.kernel, strict=True)
        )
        return rows, columns

    @property
    def map(self) -> tuple[int, int]:
        """Rows and columns of the encoder's last images."""
        rows, columns = ((n - FILTER + 1) // k**2 for n, k in zip(self.padded, self.kernel, strict=True))
        return rows, columns


@dataclass(frozen=True)
class Halves:
    """Parameters of the two halves of an autoencoder."""

    encoder: int
    decoder: int

    @property
    def all(self) -> int:
        """Of both."""
        return self.encoder + self.decoder


def autoencoder_sizes(options: AutoencoderOptions) -> Halves:
    """Parameters, counted from the layers."""
    latent, heads = options.n_latent, 2 if options.variational else 1
    if options.network == "dense":
        widths = (DENSE_INPUTS, *DENSE_WIDTHS)
        way_in = sum((n + 1) * m for n, m in zip(widths, widths[1:], strict=False))
        back = (latent, *DENSE_WIDTHS[::-1], DENSE_INPUTS)
        way_out = sum((n + 1) * m for n, m in zip(back, back[1:], strict=False))
        return Halves(way_in + heads * (widths[-1] + 1) * latent, way_out)
    first, second = CONV_FILTERS
    inner, outer = options.kernel[0] * options.kernel[1], options.n_slices * first * FILTER**2
    flat = second * options.map[0] * options.map[1]
    return Halves(
        outer + inner * first * second + heads * (flat + 1) * latent,
        (latent + 1) * flat + inner * (second * second + second * first) + outer,
    )


def line_sums(images: npt.NDArray[np.floating]) -> Floats:
    """The 57 numbers of a cluster that ``dense`` sees.

    Of each of two slices the charge of the middle 17 columns, then of the middle 11 rows, about the origin
    pixel; and the whole charge last. Where the image is smaller, they are 0.

    Args:
        images: (N, 2, R, C) charge in e.

    Raises:
        InputError: images of another number of axes or slices.
    """
    if images.ndim != 4 or images.shape[1] != 2:
        raise InputError(f"anomaly: images must be (N, 2, R, C) and are {images.shape}")
    parts: list[npt.NDArray[np.floating]] = []
    for s in range(2):
        for axis, n in ((1, SUMMED_COLUMNS), (2, SUMMED_ROWS)):
            parts.append(_middle(images[:, s].sum(axis=axis, dtype=np.float64), n))
    parts.append(images.sum(axis=(1, 2, 3), dtype=np.float64)[:, None])
    return np.concatenate(parts, axis=1)


def _middle(line: Floats, n: int) -> Floats:
    """``n`` places of lines (N, M), with the origin pixels of both at the same place."""
    first = origin_pixel(line.shape[1]) - origin_pixel(n)
    out = np.zeros((len(line), n))
    low, high = max(first, 0), min(first + n, line.shape[1])
    out[:, low - first : high - first] = line[:, low:high]
    return out


def divergence(mean: Floats, log_variance: Floats) -> Floats:
    """Kullback and Leibler's divergence (N,) of Gaussians (N, K) from the standard one, in nats."""
    return np.asarray(0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1))


def radius(mean: Floats, log_variance: Floats) -> Floats:
    """Sum (N,) of the squares of mean / sigma of Gaussians (N, K)."""
    return np.asarray((mean**2 * np.exp(-log_variance)).sum(axis=1))


def true_rate(usual: Floats, unusual: Floats, false_rate: float) -> float:
    """Share of the unusual with a higher score than all but a share ``false_rate`` of the usual; nan where
    they are fewer than one in that share, which then has no cut.

    Args:
        usual, unusual: scores of any numbers of clusters.

    Raises:
        InputError: no clusters, or a rate that is no share.
    """
    check("anomaly", "false_rate", false_rate, 0 < false_rate < 1, "between 0 and 1")
    if len(usual) == 0 or len(unusual) == 0:
        raise InputError("anomaly: there are no clusters on one side; give some of both")
    allowed = int(false_rate * len(usual) + 1e-9)
    if allowed == 0:
        return float("nan")
    cut = np.partition(usual, len(usual) - allowed - 1)[len(usual) - allowed - 1]
    return float(np.mean(np.asarray(unusual) > cut))
