"""Options of the training of autoencoders. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.merged.anomaly import AutoencoderOptions
from smartpix.networks.options import LARGEST_BATCH, LARGEST_SEED, MOST_EPOCHS
from smartpix.schema import check_ranges, check_types, ranged

__all__ = ["TrainAutoencoderOptions"]


@dataclass(frozen=True)
class TrainAutoencoderOptions:
    """Training of an autoencoder on clusters of single particles.

    Attributes:
        network: :class:`smartpix.merged.anomaly.AutoencoderOptions`.
        epochs: passes over the clusters.
        batch_size: clusters in a batch.
        learning_rate: of Adam, at the start; it falls to 0 like a cosine.
        seed: of the initial weights, the order and the latent numbers.
    """

    network: AutoencoderOptions = field(default_factory=AutoencoderOptions)
    epochs: int = ranged(20, 1, MOST_EPOCHS)
    batch_size: int = ranged(512, 1, LARGEST_BATCH)
    learning_rate: float = ranged(3e-3, 1e-9, 1.0)
    seed: int = ranged(1, 0, LARGEST_SEED)

    def __post_init__(self) -> None:
        check_types("train anomaly", self)
        check_ranges("train anomaly", self)
