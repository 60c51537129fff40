"""Twelve variables of a cluster's shape, as a calorimeter tells one shower from two by.

They are built from the quantities of the ECAL talk: energy sums around the largest pixel, the centre and the
second moments with logarithmic weights, and the ratio of the moments' principal values. CMS's own network of
twelve inputs (``EndcapPiZeroDiscriminatorAlgo`` of cms-sw/cmssw) has ratios of the same sums. For pixels, the
energy is the charge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError, check_ranges, check_types, ranged

__all__ = ["N_VARIABLES", "VARIABLES", "ShapeVariables", "shape_variables"]

Floats = npt.NDArray[np.float64]

VARIABLES = (
    "S1 / S25", "S4 / S25", "S6 / S25", "S9 / S25", "log10 S25",
    "|x|", "|y|", "sigma_xx", "sigma_yy", "sigma_xy", "lambda- / lambda+", "(S9 - S1) / (S25 - S1)",
)  # fmt: skip
"""p1 to p12."""
N_VARIABLES = len(VARIABLES)
LARGEST_RATIO = 3.0
"""Ratios of sums are cut here, on both sides: induced charge may leave next to nothing in S25."""
REACH = 2
"""Pixels on each side of the largest one in the 5 x 5 of S25."""


@dataclass(frozen=True)
class ShapeVariables:
    """How the variables weight pixels.

    Attributes:
        w0: a pixel has weight if the logarithm of its share of S25 is above -w0; CMS takes 4.7, a share of
            0.9 %.
    """

    w0: float = ranged(4.7, 0.1, 20.0)

    def __post_init__(self) -> None:
        check_types("shape variables", self)
        check_ranges("shape variables", self)


def shape_variables(images: npt.NDArray[np.floating], options: ShapeVariables | None = None) -> Floats:
    """The twelve variables of each slice of images of any size.

    - S1 is the largest pixel, the first of equals in the order of rows. S4 is the largest 2 x 2 block that
      holds it, S6 the largest block of 2 x 3 or 3 x 2 in the 3 x 3 around it that holds it, S9 that 3 x 3 and
      S25 the 5 x 5. Beyond the image there is nothing.
    - The centre and the moments are of all pixels of the image, with the weights max(0, w0 + log(E / S25)) of
      their energies E. The centre counts from the largest pixel, in pixels.
    - lambda+ and lambda- are the larger and smaller eigenvalue of the moments' matrix.

    All are 0 where S25 is not positive, and ratios with nothing below the line are 0.

    Args:
        images: (N, S, R, C) energies.
        options: None: the defaults.

    Returns:
        (N, 12 * S), those of the first slice first, in the order of :data:`VARIABLES`.

    Raises:
        InputError: images of another number of axes.
    """
    if images.ndim != 4:
        raise InputError(f"shape variables: images must be (N, S, R, C) and have {images.ndim} axes")
    w0 = (options or ShapeVariables()).w0
    n, n_slices, n_rows, n_columns = images.shape
    energy = images.reshape(n * n_slices, n_rows, n_columns).astype(np.float64)
    row, column = np.divmod(energy.reshape(len(energy), n_rows * n_columns).argmax(axis=1), n_columns)
    s1, s4, s6, s9, s25 = _sums(energy, row, column)
    good = s25 > 0
    x, y, xx, yy, xy = _moments(energy, row, column, np.where(good, s25, 1.0), w0)
    root = np.sqrt((xx - yy) ** 2 + 4 * xy**2)
    # The difference of two sums of squares may come out below zero by rounding.
    small, large = np.maximum((xx + yy - root) / 2, 0.0), (xx + yy + root) / 2
    found = np.stack(
        [
            *(_ratio(part, s25) for part in (s1, s4, s6, s9)),
            np.log10(np.maximum(s25, 1.0)),
            np.abs(x), np.abs(y), xx, yy, xy,
            _ratio(small, large), _ratio(s9 - s1, s25 - s1),
        ],
        axis=1,
    )  # fmt: skip
    return np.where(good[:, None], found, 0.0).reshape(n, n_slices * N_VARIABLES)


def _sums(
    energy: Floats, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """S1, S4, S6, S9 and S25 around the given pixels."""
    padded = np.pad(energy, ((0, 0), (REACH, REACH), (REACH, REACH)))
    offset = np.arange(2 * REACH + 1)
    around = padded[
        np.arange(len(energy))[:, None, None],
        (row[:, None] + offset)[:, :, None],
        (column[:, None] + offset)[:, None, :],
    ]

    def block(rows: slice, columns: slice) -> Floats:
        return np.asarray(around[:, rows, columns].sum(axis=(1, 2)))

    two, three = (slice(1, 3), slice(2, 4)), slice(1, 4)
    s4 = np.max([block(rows, columns) for rows in two for columns in two], axis=0)
    s6 = np.max([block(*lines) for pair in two for lines in ((pair, three), (three, pair))], axis=0)
    return around[:, REACH, REACH], s4, s6, block(three, three), block(slice(None), slice(None))


def _moments(
    energy: Floats, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], s25: Floats, w0: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Centre (x, y) from the given pixels and second moments xx, yy, xy about it, with logarithmic
    weights.
    """
    share = energy / s25[:, None, None]
    weight = np.where(share > 0, np.maximum(w0 + np.log(np.where(share > 0, share, 1.0)), 0.0), 0.0)
    total = weight.sum(axis=(1, 2))
    weight /= np.where(total > 0, total, 1.0)[:, None, None]
    by_column, by_row = weight.sum(axis=1), weight.sum(axis=2)
    dx = np.arange(energy.shape[2]) - column[:, None]
    dy = np.arange(energy.shape[1]) - row[:, None]
    x, y = (by_column * dx).sum(axis=1), (by_row * dy).sum(axis=1)
    dx, dy = dx - x[:, None], dy - y[:, None]
    xy = np.einsum("nrc,nr,nc->n", weight, dy, dx)
    return x, y, (by_column * dx**2).sum(axis=1), (by_row * dy**2).sum(axis=1), xy


def _ratio(above: Floats, below: Floats) -> Floats:
    """Cut to :data:`LARGEST_RATIO`; 0 where there is nothing below."""
    ratio = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return np.clip(ratio, -LARGEST_RATIO, LARGEST_RATIO)
