"""Options of the trigger's network: its graphs, the sectors these are cut into, and its training. Importing
them needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from seeding.options import ConeOptions
from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS, WIDEST
from smartpix.schema import check, check_ranges, check_types, one_of, ranged
from tracking.finders.gnn.options import WIDE
from tracking.finders.options import BuildOptions
from tracking.finders.trigger.shape import FEWEST_BITS, MOST_BITS

__all__ = [
    "FEATURES",
    "GRAPHS",
    "ORDERS",
    "PAPER",
    "SectorOptions",
    "TrainTriggerOptions",
    "TriggerGraphOptions",
    "TriggerOptions",
]  # fmt: skip

GRAPHS = ("cone", "geometric")
FEATURES = ("paper", "estimates", "kinks", "all")
WAYS = ("helix", "position")
ORDERS = ("chi2", "file")
MOST_NODES = 100_000
MOST_CELLS = 4096


@dataclass(frozen=True)
class SectorOptions:
    """How a graph is cut into sectors that overlap, each of so many nodes and edges at most.

    Attributes:
        by: what an edge's sector is decided by: its own ``helix`` with the beam line (azimuth at ``radius``
            and pseudorapidity), or the ``position`` of its two hits, which must both be inside.
        n_phi: sectors around the beam.
        n_eta: sectors along pseudorapidity.
        max_eta: pseudorapidity at which the sectors end, to either side.
        margin_phi: how far a sector reaches into its neighbours in azimuth, to either side, in rad.
        margin_eta: how far it reaches into its neighbours in pseudorapidity, to either side.
        radius: distance from the beam in mm at which an edge's helix gives its azimuth.
        nodes: most hits of a sector.
        edges: most edges of a sector.
        order: what is cut first where there are more: edges of the largest ``chi2``, or the last ones in the
            order of the ``file``, as in the paper.
    """

    by: str = one_of("helix", WAYS)
    n_phi: int = ranged(96, 1, MOST_CELLS)
    n_eta: int = ranged(32, 1, MOST_CELLS)
    max_eta: float = ranged(4.0, 0.1, 10.0)
    margin_phi: float = ranged(0.006, 0.0, 3.0, "rad")
    margin_eta: float = ranged(0.02, 0.0, 10.0)
    radius: float = ranged(40.0, 0.0, 1000.0, "mm")
    nodes: int = ranged(28, 2, MOST_NODES)
    edges: int = ranged(56, 1, MOST_NODES)
    order: str = one_of("chi2", ORDERS)

    def __post_init__(self) -> None:
        check_types("sectors", self)
        check_ranges("sectors", self)


PAPER = SectorOptions(by="position", n_phi=8, n_eta=2, margin_phi=0.0, margin_eta=0.0, order="file")
"""Those of arXiv 2112.02048, cut to the size of its throughput design."""


@dataclass(frozen=True)
class TriggerGraphOptions:
    """Which edges there are, and what the network is told of them.

    Attributes:
        graph: edges that the ``cone`` allows and another edge continues, or the ``geometric`` ones of the
            paper.
        features: ``paper``: places of hits alone. ``estimates``: also the directions that clusters give, and
            how well the edge fits these. ``kinks``: beside the paper's the chi2 of that fit, and how well the
                best
            edges before and after an edge continue it. ``all`` of these.
        cone: cones of the edges.
        phi_slope: largest abs(dphi / dr) of a geometric edge in rad / mm.
        max_z0: largest abs(z0) of a geometric edge in mm. The paper's code has 15 m, which cuts hardly
            anything.
        truth_pt: pT in GeV below which the hits of particles are left out before geometric edges are made,
            and those of no particle, as in the paper's samples; 0: all hits stay.
    """

    graph: str = one_of("cone", GRAPHS)
    features: str = one_of("kinks", FEATURES)
    cone: ConeOptions = field(default_factory=lambda: replace(WIDE, min_pt=0.9))
    phi_slope: float = ranged(6e-4, 1e-6, 1.0, "rad/mm")
    max_z0: float = ranged(15_000.0, 1e-3, 1e6, "mm")
    truth_pt: float = ranged(0.0, 0.0, 1000.0, "GeV")

    def __post_init__(self) -> None:
        check_types("trigger graph", self)
        check_ranges("trigger graph", self)


@dataclass(frozen=True)
class TriggerOptions:
    """The finder that scores sectors.

    Attributes:
        weights: of its network, by name or path. They say which graphs and sectors it was trained on.
        sectors: sectors; None: those that the weights were trained on.
        build: its tracks.
    """

    weights: str = "trigger-fixed"
    sectors: SectorOptions | None = None
    # Findable particles have hits on four layers, and three hits are often chance.
    build: BuildOptions = field(default_factory=lambda: BuildOptions(min_hits=4))

    def __post_init__(self) -> None:
        check_types("trigger", self)


@dataclass(frozen=True)
class TrainTriggerOptions:
    """Training of the trigger's network (arXiv 2112.02048).

    Attributes:
        hidden: width of the layers: 8 or 40 in the paper.
        epochs: passes over the sectors.
        batch_size: sectors of a step.
        learning_rate: learning rate of Adam. It falls to 1 % along a cosine.
        seed: seed of the initial weights and the order.
        validation_share: share of every file's events, the last ones, that the report is made on.
        bits: of the numbers on the chip, weights and activations; 0: floating point.
        start: weights in floating point, by name or path, that the quantised training starts from; empty:
            none.
        graph: edges and features.
        sectors: sectors.
    """

    hidden: int = ranged(8, 1, WIDEST)
    epochs: int = ranged(40, 1, MOST_EPOCHS)
    batch_size: int = ranged(256, 1, 100_000)
    learning_rate: float = ranged(5e-3, 1e-9, 1.0)
    seed: int = ranged(1, 0, LARGEST_SEED)
    validation_share: float = ranged(0.2, 1e-6, 0.9)
    bits: int = ranged(0, 0, MOST_BITS)
    start: str = ""
    graph: TriggerGraphOptions = field(default_factory=TriggerGraphOptions)
    sectors: SectorOptions = field(default_factory=SectorOptions)

    def __post_init__(self) -> None:
        check_types("train trigger", self)
        check_ranges("train trigger", self)
        known = self.bits == 0 or self.bits >= FEWEST_BITS
        check("train trigger", "bits", self.bits, known, f"0 or from {FEWEST_BITS} to {MOST_BITS}")
