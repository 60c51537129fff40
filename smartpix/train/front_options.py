"""Options of the training of the front's networks. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.merged.front import FrontOptions
from smartpix.networks.options import LARGEST_BATCH, LARGEST_SEED, MOST_EPOCHS
from smartpix.schema import check, check_ranges, check_types, ranged

__all__ = ["TrainFrontOptions"]


@dataclass(frozen=True)
class TrainFrontOptions:
    """Training of a network of the front; the defaults are those of ROOT's tutorial.

    Attributes:
        network: :class:`smartpix.merged.front.FrontOptions`.
        epochs: passes over the clusters.
        batch_size: clusters in a batch.
        learning_rate: of Adam.
        weight_decay: pull of the weights to 0, as an addition to the loss.
        shift: in every pass, each cluster is a copy shifted at random by up to so many pixels along both
            axes.
        seed: of the initial weights, the order and the shifts.
    """

    network: FrontOptions = field(default_factory=FrontOptions)
    epochs: int = ranged(20, 1, MOST_EPOCHS)
    batch_size: int = ranged(100, 2, LARGEST_BATCH)
    learning_rate: float = ranged(1e-3, 1e-9, 1.0)
    weight_decay: float = ranged(0.0, 0.0, 1.0)
    shift: int = ranged(0, 0, 10, "pixels")
    seed: int = ranged(1, 0, LARGEST_SEED)

    def __post_init__(self) -> None:
        check_types("train front", self)
        check_ranges("train front", self)
        # Shape variables are counted from the largest pixel, wherever it is.
        moves = self.network.network != "ecal-shape" or self.shift == 0
        check("train front", "shift", self.shift, moves, "0 for ecal-shape, which does not see the place")
