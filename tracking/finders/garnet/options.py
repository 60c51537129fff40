"""Options of GarNet, of the sectors it looks at, and of its training. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS
from smartpix.schema import check, check_ranges, check_types, ranged

__all__ = ["LARGEST_LAYER", "MOST_VERTICES", "GarNetOptions", "SectorOptions", "TrainGarnetOptions"]

LARGEST_LAYER = 256
MOST_VERTICES = 4096
"""Far above any network here."""


@dataclass(frozen=True)
class GarNetOptions:
    """Size of the network; the defaults are the paper's.

    Attributes:
        vertices: number of vertices, a power of two; means are over so many, those that are empty too.
        aggregators: S of each layer.
        filters: F and P of each layer: what a vertex gives to aggregators, and what it gets.
        dense: units of the layers behind, before the one that answers.
    """

    vertices: int = ranged(128, 1, MOST_VERTICES)
    aggregators: tuple[int, ...] = (4, 4, 8)
    filters: tuple[int, ...] = (8, 8, 16)
    dense: tuple[int, ...] = (16, 8)

    def __post_init__(self) -> None:
        check_types("garnet", self)
        check_ranges("garnet", self)
        # A mean is then a shift.
        power = self.vertices & (self.vertices - 1) == 0
        check("garnet", "vertices", self.vertices, power, "a power of two")
        for name in ("aggregators", "filters", "dense"):
            sizes = getattr(self, name)
            good = all(1 <= n <= LARGEST_LAYER for n in sizes) and (bool(sizes) or name == "dense")
            check("garnet", name, sizes, good, f"numbers from 1 to {LARGEST_LAYER}")
        alike = len(self.aggregators) == len(self.filters)
        check("garnet", "filters", self.filters, alike, f"one for each of the aggregators {self.aggregators}")


@dataclass(frozen=True)
class SectorOptions:
    """Sectors of the detector in azimuth and pseudorapidity.

    Attributes:
        azimuths: number of sectors round the beam.
        pseudorapidities: number of sectors along the beam.
        max_eta: abs(pseudorapidity) up to which there are sectors.
        min_pt: pT in GeV above which a track is stiff.
        min_layers: distinct layers on which a stiff track must have hits in the sector.
        rotations: number of positions of the sectors' grid that events are cut in for the training.
    """

    azimuths: int = ranged(20, 1, 1000)
    pseudorapidities: int = ranged(12, 1, 1000)
    max_eta: float = ranged(2.4, 0.1, 10.0)
    min_pt: float = ranged(2.0, 0.1, 1000.0, "GeV")
    min_layers: int = ranged(3, 1, 20)
    rotations: int = ranged(2, 1, 100)

    def __post_init__(self) -> None:
        check_types("sectors", self)
        check_ranges("sectors", self)


@dataclass(frozen=True)
class TrainGarnetOptions:
    """Training of GarNet on sectors of simulated events: in floating point first, then with ternary weights.

    Attributes:
        network: size of the network.
        sectors: sectors and what is asked of them.
        epochs: passes over the sectors in floating point.
        fixed_epochs: passes over the sectors with weights and results rounded as on the chip.
        batch_size: number of sectors of a step.
        learning_rate: learning rate of Adam. It falls to 1 % along a cosine, in either part.
        seed: seed of the initial weights, of the order and of the reflections.
        held_out_share: share of every file's events, the last ones, that the report is made on.
    """

    network: GarNetOptions = field(default_factory=GarNetOptions)
    sectors: SectorOptions = field(default_factory=SectorOptions)
    epochs: int = ranged(15, 1, MOST_EPOCHS)
    fixed_epochs: int = ranged(20, 1, MOST_EPOCHS)
    batch_size: int = ranged(128, 1, 100_000)
    learning_rate: float = 4e-3
    seed: int = ranged(1, 0, LARGEST_SEED)
    held_out_share: float = 0.15

    def __post_init__(self) -> None:
        check_types("train garnet", self)
        check_ranges("train garnet", self)
        for name in ("learning_rate", "held_out_share"):
            check("train garnet", name, getattr(self, name), 0 < getattr(self, name) < 1, "between 0 and 1")
