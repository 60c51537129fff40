"""Options of the graph network's graphs and training. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from seeding.options import ConeOptions, WindowOptions
from smartpix.estimate.options import CONDITION_CHECKS, SHIPPED
from smartpix.merged.options import SplitOptions
from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS, WIDEST
from smartpix.schema import check, check_types, one_of
from tracking.finders.options import BuildOptions

__all__ = [
    "DISPLACED",
    "GRAPHS",
    "MOST_PASSES",
    "NAMINGS",
    "OVER_HOLES",
    "PASSES",
    "WIDE",
    "DegradeOptions",
    "DisplacedOptions",
    "TrainGnnOptions",
]

MOST_PASSES = 20
"""Far above any network here."""
NAMINGS = ("gnn_tracking", "acorn")
"""Whose field names graphs for networks of others have."""
GRAPHS = ("cone", "window")
OVER_HOLES = {"gnn": "gnn-holes"}
"""Weights that take the place of others where modules are known to be dead: they know edges over these."""
WIDE = ConeOptions(quantile=0.9999)
"""Cones of the graphs: wider than those of the seeds, since the network's screen drops most of what comes in
with them.
"""

DISPLACED = ConeOptions(quantile=0.9999, sigma_d0=3.0, min_pt=0.7)
"""Cones of the second pass: of tracks with impact parameters of up to 10 mm, three of its widths."""
PASSES = ("prompt", "displaced")


@dataclass(frozen=True)
class DisplacedOptions:
    """The second pass of a run, over the hits that are on no track of the first.

    Attributes:
        gnn: weights of its graph network, by name or path.
        cone: its cones. Their width of the impact parameter takes the beam line's constraint away.
        build: its tracks.
    """

    gnn: str = "gnn-displaced"
    cone: ConeOptions = DISPLACED
    build: BuildOptions = field(default_factory=BuildOptions)

    def __post_init__(self) -> None:
        check_types("displaced", self)


@dataclass(frozen=True)
class DegradeOptions:
    """Faults of the detector that are put into events.

    Attributes:
        dead_modules: largest share of modules without hits. From event to event it varies evenly from
            none to this.
        noise: largest share of hits that no particle made. It varies likewise.
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
    """Training of the graph network.

    Attributes:
        epochs: largest number of passes over the events.
        screen_epochs: passes of the screen, which is trained before the network.
        learning_rate: learning rate of Adam. It falls to 1 % along a cosine, for the screen and again for
            the network.
        hidden: width of the network's layers.
        passes: message passes.
        screen: width of the screen's layers.
        keep: share of true edges that the screen keeps.
        patience: epochs without progress of the held-out loss after which the training stops. The best
            network is kept in any case.
        seed: seed of the initial weights, the order and the faults of the detector.
        validation_share: share of every file's events, the last ones, that stops the training and
            calibrates the scores; and again the share that the report is made on.
        estimates: kind of the estimates, as in :class:`tracking.options.RunOptions`: ``auto``, ``mdn`` or
            ``shape``.
        conditions: as in :class:`tracking.options.RunOptions`: ``check`` or ``ignore``.
        mdn_barrel: weights of the barrel's network, by name or path.
        mdn_endcap: weights of the end-caps' network, by name or path.
        shape: weights of the cluster-shape estimates, by name or path.
        split: clusters of several particles, as in :class:`tracking.options.RunOptions`.
        graph: edges that are scored: those in the ``cone``, or all in the ``window``.
        after: weights of a first pass, by name or path, with the options of a run: the hits of its tracks
            are left out. Empty: all hits are there.
        cone: cones of the edges.
        window: window of the edges.
        degrade: faults of the events that are trained on. Held-out events stay as they are.
        holes: whether the dead modules of the events that are trained on are known: they are looked over, and
            hits on either side of one that a particle crossed are a true edge. Else they are not, as where
            nobody knows that they are dead.
        start: weights, by name or path, that the training starts from; empty: none. Its sizes are theirs.
    """

    epochs: int = 30
    screen_epochs: int = 10
    learning_rate: float = 5e-3
    hidden: int = 16
    passes: int = 2
    screen: int = 16
    # A track has several edges, and each that the screen drops may cost it.
    keep: float = 0.9995
    patience: int = 10
    seed: int = 1
    validation_share: float = 0.15
    estimates: str = "auto"
    conditions: str = one_of(CONDITION_CHECKS[0], CONDITION_CHECKS)
    mdn_barrel: str = SHIPPED.mdn_barrel
    mdn_endcap: str = SHIPPED.mdn_endcap
    shape: str = SHIPPED.shape
    split: SplitOptions = field(default_factory=SplitOptions)
    graph: str = one_of("cone", GRAPHS)
    after: str = ""
    cone: ConeOptions = WIDE
    window: WindowOptions = field(default_factory=WindowOptions)
    degrade: DegradeOptions = field(default_factory=DegradeOptions)
    holes: bool = False
    start: str = ""

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
        check(
            "train gnn",
            "seed",
            self.seed,
            0 <= self.seed <= LARGEST_SEED,
            f"0 or more and at most {LARGEST_SEED}",
        )
        for name in ("validation_share", "keep"):
            check("train gnn", name, getattr(self, name), 0 < getattr(self, name) < 1, "between 0 and 1")
