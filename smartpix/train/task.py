"""What a training teaches a network: from which clusters, by which loss, and what comes after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from smartpix.estimate.descriptions import Weights
from smartpix.samples import Samples

__all__ = ["Finish", "Task"]

Rows = npt.NDArray[np.int64]

S = TypeVar("S", bound=Samples)

Finish = Callable[
    [Mapping[str, npt.NDArray[Any]], Mapping[str, Any], S, Rows, Rows],
    tuple[dict[str, Any], dict[str, Any]],
]
"""What comes after a training or before new conditions, see :attr:`Task.finish`."""


@dataclass(frozen=True)
class Task(Generic[S]):
    """What is learned of clusters of a kind.

    Attributes:
        sort: of the weights of floating point, the first part of their architecture; chip_sort: of those of
            whole numbers.
        n_outputs: of the network.
        targets: of some rows of the samples, what the loss compares with, (N, ...); in scaled units where it
            is a position.
        losses: (N,) of raw outputs (N, O) and targets.
        moved: targets of clusters that were mirrored and shifted: of targets, the signs (4,) of x, y, cot
            alpha, cot beta, and the shift (2,) along x and y in scaled units.
        load: weights by name, of the sorts that follow it; checked in full.
        finish: what comes after the training: of arrays, their description, the samples, and rows to
            calibrate and to test with, the description with all that is needed to use the weights, and what
            the test found.
    """

    sort: str
    chip_sort: str
    n_outputs: int
    targets: Callable[[S, Rows], torch.Tensor]
    losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    moved: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    load: Callable[..., Weights]
    finish: Finish[S]
