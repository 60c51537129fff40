"""Squared errors at several resolutions, each weighted with the larger of true and predicted charge.

This is the loss of ECON-T's autoencoder (arXiv 2105.01683): neighbouring cells are summed into larger ones,
so that charge which moves by a cell costs less than charge which is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["RESOLUTIONS", "resolution_loss"]

RESOLUTIONS = (1, 2, 4)
"""Cells along each axis that are summed."""


def resolution_loss(true: Tensor, found: Tensor, sizes: Sequence[int] = RESOLUTIONS) -> Tensor:
    """Of each image (N,), of images (N, S, R, C): the sum over resolutions of the mean over cells of the
    squared error times ``max(abs(true), abs(found))``.

    A cell of ``k x k`` pixels holds their mean, so that no resolution has more weight because its sums are
    larger. Rows and columns that are missing to whole cells count as empty.
    """
    total = torch.zeros(len(true), dtype=found.dtype)
    for size in sizes:
        missing = [(-n) % size for n in true.shape[:1:-1]]
        one, other = (
            torch.nn.functional.avg_pool2d(torch.nn.functional.pad(x, (0, missing[0], 0, missing[1])), size)
            for x in (true, found)
        )
        weight = torch.maximum(one.abs(), other.abs())
        total = total + ((one - other).square() * weight).flatten(1).mean(1)
    return total
