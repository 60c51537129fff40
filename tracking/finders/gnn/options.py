"""Options of the graph network's graphs and training. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from seeding.options import ConeOptions, WindowOptions
from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS, WIDEST
from smartpix.schema import check, check_types

__all__ = ["GRAPHS", "MOST_PASSES", "WIDE", "DegradeOptions", "TrainGnnOptions"]

MOST_PASSES = 20
"""Far above any network here."""
GRAPHS = ("cone", "window")
WIDE = ConeOptions(quantile=0.9999)
"""Cones of the graphs: wider than those of the seeds, since the network's screen drops most of what comes in
with them.
"""


@dataclass(frozen=True)
class DegradeOptions:
    """What is put into the events.

    Attributes:
        dead_modules: largest share of modules without hits; it varies evenly from none to this, from event to
            event.
        noise: largest share of hits added that no particle made; likewise.
    """

    dead_modules: float = 0.02
    noise: float = 0.02

    def __post_init__(self) -> None:
        check_types("degrade", self)
        for name in ("dead_modules", "noise"):
            check(
                "degrade", name, getattr(self, name), 0 <= getattr(self, name) < 1, "at least 0 and below 1"
            )


@dataclass(frozen=True)
class TrainGnnOptions:
    """Options of the training.

    Attributes:
        epochs: passes over the events, at most; screen_epochs: those of the screen, which come first.
        learning_rate: of Adam; falls to 1 % along a cosine, for the screen and again for the network.
        hidden, passes, screen: size of the network.
        keep: share of true edges the screen keeps.
        patience: stop when the held-out loss has not improved for so many epochs; the best is kept in any
            case.
        seed: of the initial weights, of the order and of what is degraded.
        validation_share: share of the events that stops the training and calibrates the scores, and again of
            those the report is made on; the last of every file.
        estimates, mdn_barrel, mdn_endcap, shape: see :class:`tracking.options.RunOptions`.
        graph, cone, window: see :class:`tracking.options.RunOptions`.
        degrade: of the events trained on; those held out are as they are.
    """

    epochs: int = 30
    screen_epochs: int = 10
    learning_rate: float = 5e-3
    hidden: int = 16
    passes: int = 2
    screen: int = 16
    keep: float = 0.9995
    patience: int = 10
    seed: int = 1
    validation_share: float = 0.15
    estimates: str = "auto"
    mdn_barrel: str = "mdn-barrel"
    mdn_endcap: str = "mdn-endcap"
    shape: str = "auto"
    graph: str = "cone"
    cone: ConeOptions = WIDE
    window: WindowOptions = field(default_factory=WindowOptions)
    degrade: DegradeOptions = field(default_factory=DegradeOptions)

    def __post_init__(self) -> None:
        check_types("train gnn", self)
        limits = dict.fromkeys(("epochs", "screen_epochs", "patience"), MOST_EPOCHS)
        for name, most in (limits | {"hidden": WIDEST, "passes": MOST_PASSES, "screen": WIDEST}).items():
            check(
                "train gnn",
                name,
                getattr(self, name),
                1 <= getattr(self, name) <= most,
                f"at least 1 and at most {most}",
            )
        check("train gnn", "learning_rate", self.learning_rate, 0 < self.learning_rate < 1, "between 0 and 1")
        check("train gnn", "graph", self.graph, self.graph in GRAPHS, f"one of {', '.join(GRAPHS)}")
        check(
            "train gnn",
            "seed",
            self.seed,
            0 <= self.seed <= LARGEST_SEED,
            f"0 or more and at most {LARGEST_SEED}",
        )
        for name in ("validation_share", "keep"):
            check("train gnn", name, getattr(self, name), 0 < getattr(self, name) < 1, "between 0 and 1")
