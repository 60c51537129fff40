"""Options of the training of the estimates' networks. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.chip.options import PRICED, CompressOptions, QuantizedOptions
from smartpix.networks.options import LARGEST_BATCH, LARGEST_SEED, MOST_EPOCHS, NetworkOptions
from smartpix.schema import TARGET_SCALE, check, check_types, one_of

__all__ = [
    "AUGMENTATIONS",
    "ORDERS",
    "SCHEDULES",
    "TrainCountOptions",
    "TrainMdnOptions",
    "TrainMixtureOptions",
    "TrainingOptions",
]

AUGMENTATIONS = ("mirror-x", "mirror-y", "shift")
SCHEDULES = ("cosine", "constant")
ORDERS = ("any", "y")


@dataclass(frozen=True)
class TrainingOptions:
    """Training of a network on clusters, whatever it learns.

    Attributes:
        network: :class:`smartpix.networks.options.NetworkOptions`, or for the chip
            :class:`smartpix.chip.options.QuantizedOptions`. The clusters give the shape of its input.
        epochs: passes over the training clusters.
        batch_size: clusters in a batch.
        learning_rate: learning rate of Adam.
        schedule: course of the learning rate: ``cosine`` (it falls to 0.2 % over all epochs) or
            ``constant``.
        patience: epochs without progress of the held-out likelihood after which the training stops and
            keeps the best; 0 never stops.
        augment: changes made at random to each cluster in every pass: ``mirror-x`` (a symmetry of barrel
            and end-caps), ``mirror-y`` (of the end-caps, where the field is along z) and ``shift`` (by
            one pixel).
        seed: seed of the initial weights, the order and the augmentation.
        validation_share: share of the clusters of every file that is held out
            (:func:`smartpix.train.inputs.split`).
        compress: how a quantised network is made smaller.
        free: share of the epochs, the first ones, in which a quantised network saturates but is not
            rounded yet.
    """

    SECTION = "train"

    network: NetworkOptions | QuantizedOptions = field(default_factory=NetworkOptions)
    epochs: int = 60
    batch_size: int = 512
    learning_rate: float = 5e-3
    schedule: str = one_of("cosine", SCHEDULES)
    patience: int = 0
    augment: tuple[str, ...] = ("mirror-x",)
    seed: int = 1
    validation_share: float = 0.2
    compress: CompressOptions = field(default_factory=CompressOptions)
    free: float = 0.3

    def __post_init__(self) -> None:
        check_types(self.SECTION, self)
        for name, most in (("epochs", MOST_EPOCHS), ("batch_size", LARGEST_BATCH)):
            check(
                self.SECTION,
                name,
                getattr(self, name),
                1 <= getattr(self, name) <= most,
                f"at least 1 and at most {most}",
            )
        check(
            self.SECTION, "learning_rate", self.learning_rate, 0 < self.learning_rate < 1, "between 0 and 1"
        )
        check(self.SECTION, "patience", self.patience, self.patience >= 0, "0 or more")
        check(
            self.SECTION,
            "augment",
            self.augment,
            set(self.augment) <= set(AUGMENTATIONS),
            f"of {', '.join(AUGMENTATIONS)}",
        )
        check(
            self.SECTION,
            "seed",
            self.seed,
            0 <= self.seed <= LARGEST_SEED,
            f"0 or more and at most {LARGEST_SEED}",
        )
        check(self.SECTION, "free", self.free, 0 <= self.free < 1, "at least 0 and below 1")
        if isinstance(self.network, QuantizedOptions):
            check(
                self.SECTION,
                "patience",
                self.patience,
                self.patience == 0,
                "0 for a quantised network, whose losses jump",
            )
            by_bits = self.compress.method not in PRICED or self.network.learn_bits
            check(
                "compress",
                "method",
                self.compress.method,
                by_bits,
                f"used with learned bits (learn_bits), if it is {' or '.join(PRICED)}",
            )
        else:
            plain = self.compress == CompressOptions()
            check(
                self.SECTION,
                "compress",
                self.compress.method,
                plain,
                "left alone for a network of floating point",
            )
        check(
            self.SECTION,
            "validation_share",
            self.validation_share,
            0 < self.validation_share < 1,
            "between 0 and 1",
        )

    @property
    def free_epochs(self) -> int:
        """Epochs without rounding; at least one is with it."""
        return min(int(self.free * self.epochs), self.epochs - 1)


@dataclass(frozen=True)
class TrainMdnOptions(TrainingOptions):
    """Training of the estimates' networks.

    Attributes:
        min_share: share of its charge that one particle must have made in a cluster of an event file.
        lesson: share of the loss that comes from the teacher, if there is one.
        focus: weights of x, y, cot alpha and cot beta in the likelihood; none: all alike. A small network
            that resolves some better than it must can so give to the others.
    """

    SECTION = "train mdn"

    min_share: float = 0.95
    lesson: float = 0.5
    focus: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.SECTION, "lesson", self.lesson, 0 <= self.lesson <= 1, "between 0 and 1")
        good = len(self.focus) in (0, len(TARGET_SCALE)) and all(weight > 0 for weight in self.focus)
        check(self.SECTION, "focus", self.focus, good, "four positive weights, or none")


@dataclass(frozen=True)
class TrainMixtureOptions(TrainMdnOptions):
    """Training of networks of several components.

    Attributes:
        order: which component of a set is which particle: ``any``: the likelihood is that of all orders;
            ``y``: they are in the order of y. With all orders, every component begins at the mean of the
            particles, and leaves it late.
    """

    SECTION = "train mixture"

    order: str = one_of("any", ORDERS)


@dataclass(frozen=True)
class TrainCountOptions(TrainingOptions):
    """Training of the networks that count the particles of a cluster."""

    SECTION = "train count"

    epochs: int = 40
