"""The earth mover's distance between a cluster and its decoded image, exactly.

Both charges are scaled to a sum of one, as in arXiv 2105.01683; the distance is the least mean way in um that
charge must be moved to make one of the other. It is the solution of a linear program (SciPy's HiGHS).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import coo_array
from scipy.spatial.distance import cdist

from smartpix.schema import N_COLUMNS, N_ROWS, origin_pixel

__all__ = ["earth_movers_distance", "image_distances", "line_images"]

Floats = npt.NDArray[np.float64]

DEPTHS = 100
"""Points along a track's way through the sensor."""


def earth_movers_distance(one: Floats, other: Floats, ways: Floats) -> float:
    """Between shares (A,) and (B,), each with a sum of one, over ways (A, B)."""
    n_one, n_other = ways.shape
    if n_one == 1 or n_other == 1:
        return float(np.sum(ways * np.outer(one, other)))
    cell = np.arange(n_one * n_other)
    row = np.concatenate([cell // n_other, n_one + cell % n_other])
    sums = coo_array((np.ones(2 * len(cell)), (row, np.tile(cell, 2))), shape=(n_one + n_other, len(cell)))
    # One of the sums follows from the others.
    equal: Any = sums.tocsr()[:-1]
    solved = linprog(ways.ravel(), A_eq=equal, b_eq=np.concatenate([one, other])[:-1], method="highs")
    assert solved.fun is not None
    return float(solved.fun)


def image_distances(true: npt.NDArray[np.float32], found: npt.NDArray[np.float32], pitch: Floats) -> Floats:
    """Distances (N,) in the unit of the pitch of images (N, rows, columns), of their positive charges.

    A cluster without positive charge has none (NaN). One that has some and whose decoded image has none is as
    far off as its charge from its own farthest pixel: none decoded must not be better than a wrong one.

    Args:
        pitch: (N, 2) of rows and of columns.
    """
    distances = np.full(len(true), np.nan)
    for k, (one, other) in enumerate(zip(np.maximum(true, 0), np.maximum(found, 0), strict=True)):
        if not one.any():
            continue
        places = [np.argwhere(image > 0) * pitch[k] for image in (one, other)]
        shares = [
            (image[image > 0] / image.sum(dtype=np.float64)).astype(np.float64) for image in (one, other)
        ]
        if not other.any():
            distances[k] = float(np.max(shares[0] @ cdist(places[0], places[0])))
            continue
        ways = cdist(*places)
        distances[k] = earth_movers_distance(shares[0] / shares[0].sum(), shares[1] / shares[1].sum(), ways)
    return distances


def line_images(mean: Floats, pitch: Floats, thickness: Floats) -> npt.NDArray[np.float32]:
    """Charge (N, rows, columns), spread evenly along straight ways through the sensor: what a host that has
    estimates alone knows of a cluster. Drift and diffusion are not in it; what leaves the window is in its
    border.

    Args:
        mean: (N, 4) x and y (mm, from the centre of the window's origin pixel, at half depth), cot alpha, cot
            beta.
        pitch: (N, 2) of rows and of columns; thickness: (N,) of the sensor, all in mm.
    """
    depth = ((np.arange(DEPTHS) + 0.5) / DEPTHS - 0.5) * thickness[:, None]
    images = np.zeros((len(mean), N_ROWS, N_COLUMNS), dtype=np.float32)
    row, column = (
        np.clip(
            np.rint((mean[:, k, None] + mean[:, k + 2, None] * depth) / step[:, None]) + origin_pixel(n),
            0,
            n - 1,
        )
        for k, step, n in ((1, pitch[:, 0], N_ROWS), (0, pitch[:, 1], N_COLUMNS))
    )
    owner = np.repeat(np.arange(len(mean)), DEPTHS)
    np.add.at(images, (owner, row.ravel().astype(np.int64), column.ravel().astype(np.int64)), 1 / DEPTHS)
    return images
