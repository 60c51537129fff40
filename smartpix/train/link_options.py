"""Options of the training of the learned code of the link. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.link.options import LinkOptions
from smartpix.networks.options import LARGEST_BATCH, LARGEST_SEED, MOST_EPOCHS
from smartpix.schema import check_ranges, check_types, ranged

__all__ = ["TrainLinkOptions"]


@dataclass(frozen=True)
class TrainLinkOptions:
    """Training of the learned code on the clusters of simulated events.

    Attributes:
        network: :class:`smartpix.link.options.LinkOptions`.
        epochs: passes over the clusters.
        clusters: most to train on; 0: all of the files.
        batch_size: clusters in a batch.
        learning_rate: of Adam, at the start; it falls to 0 like a cosine.
        physics: weight of the estimates' loss: how unlikely the estimate of the cluster as it was is to the
            estimate of the decoded one. 0: the loss is that of the images alone.
        rate: weight of the bits that an arithmetic code of the sent numbers takes. 0: they cost nothing.
        validation_share: share of the clusters that are held out.
        seed: of the initial weights and the order.
    """

    network: LinkOptions = field(default_factory=LinkOptions)
    epochs: int = ranged(5, 1, MOST_EPOCHS)
    clusters: int = ranged(150_000, 0, 10**9)
    batch_size: int = ranged(256, 1, LARGEST_BATCH)
    learning_rate: float = ranged(2e-3, 1e-9, 1.0)
    physics: float = ranged(1.0, 0.0, 1e6)
    rate: float = ranged(0.02, 0.0, 1e6)
    validation_share: float = ranged(0.05, 0.001, 0.5)
    seed: int = ranged(1, 0, LARGEST_SEED)

    def __post_init__(self) -> None:
        check_types("train link", self)
        check_ranges("train link", self)
