"""Options of GravNet and its training. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from seeding.options import ConeOptions
from smartpix.merged.options import SplitOptions
from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS
from smartpix.schema import check, check_ranges, check_types, one_of, ranged
from tracking.finders.gnn.options import WIDE, DegradeOptions, TrainGnnOptions

__all__ = [
    "LARGEST_BLOCK", "MOST_BLOCKS", "MOST_COORDINATES", "NEIGHBOURS", "OUTPUTS", "CondensationOptions", "GravNetOptions",
    "TrainGravnetOptions",
]  # fmt: skip

NEIGHBOURS = ("edges", "free")
"""Where a hit's neighbours are looked for: at the other ends of its edges, or among all hits of the graph."""
OUTPUTS = ("edges", "condensation")
"""What the network says: a score for each edge, or of each hit how much it stands for its particle, and
where.
"""
MOST_COORDINATES = 32
MOST_BLOCKS = 20
LARGEST_BLOCK = 1000
"""Far above any network here."""


@dataclass(frozen=True)
class GravNetOptions:
    """Size of the network. Letters are those of arXiv 1902.07987.

    Attributes:
        neighbours: where a hit's neighbours are looked for: ``edges``, at the other ends of its edges, or
            ``free``, among all hits of the graph.
        blocks: number of blocks, each with a learned space of its own; 0 leaves messages out.
        k: largest number of neighbours of a hit, the nearest in the learned space.
        space: S, dimensions of the learned space.
        features: F, numbers of a hit that a block gives.
        passed: P, numbers of a hit that its neighbours are told.
        hidden: width of the layer that scores an edge, or that places a hit.
        output: ``edges``, a score for each edge; or ``condensation``, for each hit a number beta and
            coordinates at which the hits of a particle gather (arXiv 2002.03605).
        coordinates: number of these coordinates.
    """

    neighbours: str = one_of("edges", NEIGHBOURS)
    blocks: int = ranged(3, 0, MOST_BLOCKS)
    k: int = ranged(40, 1, LARGEST_BLOCK)
    space: int = ranged(4, 1, LARGEST_BLOCK)
    features: int = ranged(24, 1, LARGEST_BLOCK)
    passed: int = ranged(18, 1, LARGEST_BLOCK)
    hidden: int = ranged(32, 1, LARGEST_BLOCK)
    output: str = one_of("edges", OUTPUTS)
    coordinates: int = ranged(4, 1, MOST_COORDINATES)

    def __post_init__(self) -> None:
        check_types("gravnet", self)
        check_ranges("gravnet", self)


@dataclass(frozen=True)
class CondensationOptions:
    """Object condensation: the charge of its loss, and how hits gather. Letters are those of arXiv
    2002.03605.

    Attributes:
        min_charge: q_min, the charge of a hit with beta 0.
        noise: s_B, weight of the mean beta of hits without a particle.
        min_beta: t_beta, beta from which on a hit may gather others.
        radius: t_d, largest distance at which it does; repulsion ends at 1.
    """

    min_charge: float = ranged(0.1, 0.0, 100.0)
    noise: float = ranged(1.0, 0.0, 1000.0)
    min_beta: float = ranged(0.1, 0.0, 1.0)
    radius: float = ranged(0.7, 0.0, 10.0)

    def __post_init__(self) -> None:
        check_types("condensation", self)
        check_ranges("condensation", self)


@dataclass(frozen=True)
class TrainGravnetOptions:
    """Training of GravNet on the graphs of the graph network.

    Attributes:
        network: size of the network.
        epochs: largest number of passes over the events.
        learning_rate: learning rate of Adam. It falls to 1 % along a cosine.
        pieces: number of pieces of about equal size into which the graph of an event is cut, a step of the
            training each. Pieces are whole connected components. With free neighbours an event is one piece.
        patience: epochs without progress of the held-out loss after which the training stops. The best
            network is kept in any case.
        seed: seed of the initial weights, the order and the faults of the detector.
        validation_share: share of every file's events, the last ones, that stops the training and
            calibrates the scores; and again the share that the report is made on.
        split: clusters of several particles, as in :class:`tracking.options.RunOptions`.
        cone: cones of the edges.
        degrade: faults of the events that are trained on. Held-out events stay as they are.
        condensation: of the output ``condensation``.
    """

    network: GravNetOptions = field(default_factory=GravNetOptions)
    epochs: int = ranged(30, 1, MOST_EPOCHS)
    learning_rate: float = 5e-3
    pieces: int = ranged(8, 1, 1000)
    patience: int = ranged(10, 1, MOST_EPOCHS)
    seed: int = ranged(1, 0, LARGEST_SEED)
    validation_share: float = 0.15
    split: SplitOptions = field(default_factory=SplitOptions)
    cone: ConeOptions = WIDE
    degrade: DegradeOptions = field(default_factory=DegradeOptions)
    condensation: CondensationOptions = field(default_factory=CondensationOptions)

    def __post_init__(self) -> None:
        check_types("train gravnet", self)
        check_ranges("train gravnet", self)
        for name in ("learning_rate", "validation_share"):
            check("train gravnet", name, getattr(self, name), 0 < getattr(self, name) < 1, "between 0 and 1")

    def graphs(self) -> TrainGnnOptions:
        """Options of the graphs, which are the graph network's."""
        return TrainGnnOptions(
            seed=self.seed, validation_share=self.validation_share, split=self.split, cone=self.cone,
            degrade=self.degrade,
        )  # fmt: skip
