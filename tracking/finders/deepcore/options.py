"""Options of DeepCore. Importing them needs no torch.

Where the published talk and the published code differ, there is an option, and its default is the code's
(vberta/DeepCore; CMS's DeepCoreSeedGenerator).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS
from smartpix.schema import check, check_ranges, check_types, one_of, ranged

__all__ = [
    "N_CELLS", "N_OVERLAPS", "N_PARAMETERS", "DeepCoreOptions", "JetOptions", "MapOptions", "SeedCuts",
    "TargetOptions", "TrainDeepCoreOptions",
]  # fmt: skip

N_CELLS = 30
"""Cells of a map to a side. Those of the first row and column stay empty, as in the published code."""
N_OVERLAPS = 3
"""Particles that a cell can tell of."""
N_PARAMETERS = 5
"""Of a particle: two shifts from the cell's centre, two angles from the jet's axis, and its momentum."""


@dataclass(frozen=True)
class MapOptions:
    """Maps of charge about the axis of a jet, one for each layer.

    Attributes:
        cell_x: size of a cell along the beam in mm. A cell has the charge of all pixels whose centres are in
            it. The default is the size of a pixel of CMS.
        cell_y: size of a cell across the beam in mm, likewise.
        layers: ``barrel``: the four inner layers of the barrel; ``all``: also the first three disks on the
            jet's side, which makes nine input channels out of six.
    """

    cell_x: float = ranged(0.15, 0.01, 1.0, "mm")
    cell_y: float = ranged(0.1, 0.01, 1.0, "mm")
    layers: str = one_of("barrel", ("barrel", "all"))

    def __post_init__(self) -> None:
        check_types("maps", self)
        check_ranges("maps", self)

    @property
    def n_layers(self) -> int:
        """Maps of charge."""
        return 4 if self.layers == "barrel" else 7

    @property
    def n_channels(self) -> int:
        """Maps of charge, and those of the jet's pseudorapidity and pT."""
        return self.n_layers + 2


@dataclass(frozen=True)
class TargetOptions:
    """What the network learns.

    Attributes:
        near: where a cell is near a particle: in a ``box`` about its cell, as in the code, or within a
            ``radius``, as in the talk.
        distance: half width of the box, or the radius, in cells. The code has 2, the talk 2 or 4.
        momentum: ``inverse``: 1 / pT in 1/GeV, as in the code; ``pt``: pT in GeV, as in the talk.
        min_pt: least pT of a particle in GeV.
    """

    near: str = one_of("box", ("box", "radius"))
    distance: float = ranged(2.0, 0.0, 15.0)
    momentum: str = one_of("inverse", ("inverse", "pt"))
    min_pt: float = ranged(1.0, 0.0, 1000.0, "GeV")

    def __post_init__(self) -> None:
        check_types("targets", self)
        check_ranges("targets", self)


@dataclass(frozen=True)
class JetOptions:
    """Jets of tracks, or of particles: cones about the hardest ones.

    Attributes:
        radius: of the cone in pseudorapidity and azimuth.
        distance_z: largest distance along the beam from the hardest one in mm.
        min_pt: least sum of pT of a jet in GeV. CMS's jets have all particles, ours the charged ones.
        max_pt: pT in GeV above which one counts as much. The pixels alone hardly measure stiffer tracks.
        min_members: fewest members of a jet.
        max_eta: largest absolute pseudorapidity of a jet's axis: the published network is for the barrel.
    """

    radius: float = ranged(0.4, 0.01, 2.0)
    distance_z: float = ranged(2.0, 0.01, 1000.0, "mm")
    min_pt: float = ranged(100.0, 0.0, 1e5, "GeV")
    max_pt: float = ranged(500.0, 1.0, 1e5, "GeV")
    min_members: int = ranged(3, 1, 1000)
    max_eta: float = ranged(1.4, 0.1, 5.0)

    def __post_init__(self) -> None:
        check_types("jets", self)
        check_ranges("jets", self)


@dataclass(frozen=True)
class SeedCuts:
    """Which answers of the network are seeds, and what a seed is worth.

    Attributes:
        thresholds: least probability of the first, second and third particle of a cell. The code has 0.85
            less 0.1 for each overlap; a later version of it (cmssw#42851) 0.7, 0.85 and 1.0.
        layer_off: by how much less it may be where a cylinder's map is empty; with maps of disks, where those
            of all four cylinders are.
        distance: seeds nearer than this in mm, in both directions of the module, may be the same.
        angle: they are the same if their pseudorapidities and azimuths are nearer than this, too; the more
            probable one stays.
        sigma_position: uncertainty of a seed's position in mm, in both directions of the module.
        sigma_angle: uncertainty of its slopes.
    """

    thresholds: tuple[float, float, float] = (0.85, 0.75, 0.65)
    layer_off: float = ranged(0.35, 0.0, 1.0)
    distance: float = ranged(0.05, 0.0, 10.0, "mm")
    angle: float = ranged(0.002, 0.0, 1.0)
    sigma_position: float = ranged(0.044, 1e-4, 10.0, "mm")
    sigma_angle: float = ranged(0.002, 1e-5, 1.0)

    def __post_init__(self) -> None:
        check_types("seeds", self)
        check_ranges("seeds", self)
        for value in self.thresholds:
            check("seeds", "thresholds", value, 0 <= value <= 1, "from 0 to 1")


@dataclass(frozen=True)
class DeepCoreOptions:
    """DeepCore as a finder.

    Attributes:
        weights: of the network: a shipped name, or a path. They say which maps it reads.
        quantile: share of true hits that a seed's cone holds on each layer, between 0 and 1.
        sigma_hit: standard deviation in mm that is added to a hit's own in both directions of its module:
            that of a merged cluster lies between its particles.
        min_hits: fewest hits of a track, each on another layer. Of four layers three hits are often chance.
        max_shared: largest share of its hits that a track may have in common with one that is there.
        jets: jets of the first pass's tracks.
        seeds: seeds of the network's answers.
    """

    weights: str = "deepcore"
    quantile: float = 0.999
    sigma_hit: float = ranged(0.015, 0.0, 1.0, "mm")
    min_hits: int = ranged(4, 3, 4)
    max_shared: float = ranged(0.5, 0.0, 1.0)
    # Farther out than the published network, and lower thresholds: benchmarks/tune_dense.py has others beside.
    jets: JetOptions = field(default_factory=lambda: JetOptions(max_eta=2.5))
    seeds: SeedCuts = field(default_factory=lambda: SeedCuts(thresholds=(0.7, 0.6, 0.5)))

    def __post_init__(self) -> None:
        check_types("deepcore", self)
        check("deepcore", "quantile", self.quantile, 0 < self.quantile < 1, "between 0 and 1")
        check_ranges("deepcore", self)


@dataclass(frozen=True)
class TrainDeepCoreOptions:
    """Training of DeepCore.

    Attributes:
        epochs: passes over the jets. Every pass sees each jet about another axis.
        batch_size: jets of a step.
        learning_rate: learning rate of Adam. It falls to 1 % along a cosine.
        seed: seed of the initial weights, the axes and the order.
        validation_share: share of every file's events, the last ones, that the report is made on.
        smear_axis: standard deviation of the axes of the training in pseudorapidity and in azimuth: those of
            a calorimeter's jets.
        smear_pt: standard deviation of the logarithm of the jets' pT.
        maps: maps of charge.
        targets: what is learned.
        jets: jets of the particles.
    """

    epochs: int = ranged(30, 1, MOST_EPOCHS)
    batch_size: int = ranged(32, 1, 100_000)
    learning_rate: float = 2e-3
    seed: int = ranged(1, 0, LARGEST_SEED)
    validation_share: float = 0.1
    smear_axis: float = ranged(0.01, 0.0, 1.0)
    smear_pt: float = ranged(0.2, 0.0, 3.0)
    maps: MapOptions = field(default_factory=MapOptions)
    targets: TargetOptions = field(default_factory=TargetOptions)
    jets: JetOptions = field(default_factory=JetOptions)

    def __post_init__(self) -> None:
        check_types("train deepcore", self)
        check_ranges("train deepcore", self)
        for name in ("learning_rate", "validation_share"):
            value = getattr(self, name)
            check("train deepcore", name, value, 0 < value < 1, "between 0 and 1")
