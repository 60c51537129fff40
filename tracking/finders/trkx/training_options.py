"""Options of the training of HEP.TrkX's networks. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.networks.options import LARGEST_BATCH
from smartpix.schema import InputError, check_ranges, check_types, nearest, one_of, quoted, ranged
from tracking.finders.trkx.models import MODELS, check_model
from tracking.finders.trkx.options import ToyOptions, toy_options

__all__ = ["LARGEST_TRAINING_SEED", "TEST_SEED", "VALIDATION_SEED", "TrainTrkxOptions", "published_options"]

VALIDATION_SEED, TEST_SEED = 200_000, 400_000
"""What is added to the seed of a training for the toys of its curve, and for those of the numbers in the
end.
"""
LARGEST_TRAINING_SEED = 199_999
"""So that no two of the three are the same."""
MOST_SAMPLES = 10**12


@dataclass(frozen=True)
class TrainTrkxOptions:
    """Training of a network of HEP.TrkX on toys that are made as it goes, none of them twice.

    Attributes:
        model: name of the network: ``lstm-50``, ``lstm-100``, ``lstm-variable``, ``conv-2d``,
            ``conv-autoencoder-2d``, ``lstm``, ``deep-lstm``, ``bidirectional``, ``next-layer``, ``conv``,
            ``autoencoder``, ``caption``, ``caption-covariance``.
        width: factor that the numbers of its units and filters are multiplied with; 1 is the published
            network.
        samples: number of toys to learn from, rounded up to whole batches. The published trainings of planes
            of 50 pixels took 1,024,000, ten times 102,400.
        batch_size: number of toys of a step. 128 is the published size; for captions it was 256.
        learning_rate: largest learning rate of the optimiser, which is Nadam, and Adam for captions.
        schedule: ``falling``: the rate falls to 1 % along a cosine; ``constant``: it stays, as published.
        precision: precision of the products of matrices and the convolutions of the training: ``bfloat16``,
            which is several times as fast on processors that have it, or ``float32``. Weights, sums and all
            that is measured are of 32 bits in both.
        evaluations: number of points of the curve of the accuracy over the number of toys; a checkpoint is
            written at each.
        validation: number of toys that each point of the curve is measured on.
        test: number of toys that the numbers in the end are measured on; for captions the default is 40,960,
            since shares of ellipses need more of them.
        seed: seed of the initial weights and the toys. Those of the curve have this seed plus 200,000, those
            of the end this one plus 400,000. That of a covariance differs from its caption's.
        start: for ``caption-covariance`` the weights of a ``caption`` of the same toys, by name or path,
            which stay as they are.
        toy: options of the toys to learn from.
    """

    model: str = one_of("lstm-50", MODELS)
    width: float = ranged(1.0, 0.01, 10.0)
    samples: int = ranged(1_024_000, 1, MOST_SAMPLES)
    batch_size: int = ranged(128, 1, LARGEST_BATCH)
    learning_rate: float = ranged(2e-3, 1e-9, 1.0)
    schedule: str = one_of("falling", ("falling", "constant"))
    precision: str = one_of("bfloat16", ("bfloat16", "float32"))
    evaluations: int = ranged(10, 1, 100_000)
    validation: int = ranged(2048, 1, LARGEST_BATCH)
    test: int = ranged(10_240, 1, LARGEST_BATCH)
    seed: int = ranged(1, 0, LARGEST_TRAINING_SEED)
    start: str = ""
    toy: ToyOptions = field(default_factory=ToyOptions)

    def __post_init__(self) -> None:
        check_types("train trkx", self)
        check_ranges("train trkx", self)
        check_model(self.model, self.toy)
        steps = self.n_steps
        if self.evaluations > steps:
            raise InputError(
                f"train trkx: evaluations must be at most {steps}, since {self.samples} samples are {steps} batches of "
                f"batch_size {self.batch_size}, and is {self.evaluations}; give --evaluations {steps}, or more --samples"
            )
        if self.start and self.model != "caption-covariance":
            raise InputError(
                f"train trkx: --from is {quoted(self.start)}, but {self.model} starts from random weights; "
                f"leave it out"
            )

    @property
    def n_steps(self) -> int:
        """Batches of the training."""
        return -(-self.samples // self.batch_size)


def published_options(model: str, kind: str = "") -> TrainTrkxOptions:
    """The options of a network's training as published, but for the schedule of the rate and the precision.

    Args:
        kind: of the toys; those that it was published on if empty.

    Raises:
        InputError: there is no such network or kind, or the network cannot read such toys.
    """
    if model not in MODELS:
        raise InputError(
            f"train trkx: model must be one of {', '.join(MODELS)} and is {quoted(model)}.{nearest(model, MODELS)}"
        )
    toy = toy_options(kind or MODELS[model].toy)
    if toy.has_lines:
        return TrainTrkxOptions(model=model, toy=toy, batch_size=256, learning_rate=1e-3, test=40_960)
    return TrainTrkxOptions(model=model, toy=toy)
