"""Options of the learned cone: its filter, its training, and the finder. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from seeding.options import ConeOptions, SeedOptions
from smartpix.merged.options import SplitOptions
from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS, WIDEST
from smartpix.schema import check, check_ranges, check_types, ranged
from tracking.finders.gnn.options import WIDE

__all__ = ["FilterOptions", "PathOptions", "TrainPathOptions"]


@dataclass(frozen=True)
class FilterOptions:
    """The Kalman filter from the inside out, which the learned cone starts from and is compared with.

    Attributes:
        thickness: material of a cylinder's layer at normal incidence in radiation lengths: a module and its
            support.
        thickness_disk: material of a disk's layer, likewise.
        curvature_pt: width of the curvature prior of a path of one hit, given as the pT in GeV of a track
            with that curvature.
        sigma_d0: width of the impact parameter in mm, from the luminous region and from scattering in the
            beam pipe. A wider luminous region than the HL-LHC's adds to it.
        softest: least transverse momentum in GeV that scattering is counted with.
        repeats: linearisations of each update.
        outlier: chi2 of a hit above which its noise counts as larger, so that a wrong estimate does not throw
            the path off.
        slope_scale: factor on the errors of the slopes of all hits after the first; 0: these slopes are not
            read.
        slope_outlier: chi2 of the slopes of a hit above which they are not read.
    """

    # Those of the largest likelihood (benchmarks/tune_path.py). What scatters is thinner than modules and supports are
    # (1.65 mm of silicon): tails of scattering do not count as much as in a variance.
    thickness: float = ranged(0.0134, 0.0, 10.0, "radiation lengths")
    thickness_disk: float = ranged(0.0126, 0.0, 10.0, "radiation lengths")
    curvature_pt: float = ranged(0.41, 1e-3, 1e6, "GeV")
    sigma_d0: float = ranged(0.0132, 0.0, 1e6, "mm")
    softest: float = ranged(0.12, 1e-3, 1e6, "GeV")
    repeats: int = ranged(3, 1, 100)
    outlier: float = ranged(9.3, 1.0, 1e9)
    slope_scale: float = ranged(1.0, 0.0, 1e6)
    slope_outlier: float = ranged(13.0, 0.1, 1e9)

    def __post_init__(self) -> None:
        check_types("filter", self)
        check_ranges("filter", self)

    def cone(self) -> ConeOptions:
        """Of the path's first hit, in front of its module's material."""
        return ConeOptions(
            curvature_pt=self.curvature_pt, min_pt=self.softest, radiation_length=0.0, sigma_d0=self.sigma_d0
        )


@dataclass(frozen=True)
class TrainPathOptions:
    """Training of the learned cone.

    Attributes:
        epochs: passes over the paths.
        batch_size: number of paths of a step.
        learning_rate: largest learning rate of Nadam. It falls to 1 % along a cosine.
        hidden: numbers that a path's memory holds.
        head: width of the layer that is asked for a module.
        seed: seed of the initial weights and of the order.
        validation_share: share of the paths whose loss tells how the training goes; they are not learned
            from.
        min_pt: least transverse momentum of the particles that are followed, GeV.
        max_pt: largest transverse momentum of the particles that are followed, GeV.
        min_hits: fewest hits of a path.
        weight_power: a particle's weight falls with this power of how frequent its pT is, so that stiff ones
            count too; 0 counts every particle alike, 1 every octave of pT.
        area_weight: what a cone as large as the filter's adds to the loss by its area. Without it few wide
            cones have much of the area of all.
        filter: filter that the cone starts from.
        split: clusters of several particles, as in :class:`tracking.options.RunOptions`.
    """

    epochs: int = ranged(30, 1, MOST_EPOCHS)
    batch_size: int = ranged(512, 1, 1_000_000)
    learning_rate: float = 4e-3
    hidden: int = ranged(48, 1, WIDEST)
    head: int = ranged(48, 1, WIDEST)
    seed: int = ranged(1, 0, LARGEST_SEED)
    validation_share: float = 0.05
    min_pt: float = ranged(0.2, 0.01, 1e5, "GeV")
    max_pt: float = ranged(10.0, 0.01, 1e5, "GeV")
    min_hits: int = ranged(3, 2, 100)
    weight_power: float = ranged(0.5, 0.0, 1.0)
    area_weight: float = ranged(0.2, 0.0, 100.0)
    filter: FilterOptions = field(default_factory=FilterOptions)
    split: SplitOptions = field(default_factory=SplitOptions)

    def __post_init__(self) -> None:
        check_types("train path", self)
        check_ranges("train path", self)
        for name in ("learning_rate", "validation_share"):
            value = getattr(self, name)
            check("train path", name, value, 0 < value < 1, "between 0 and 1")
        good = self.min_pt < self.max_pt
        check("train path", "max_pt", self.max_pt, good, f"above min_pt ({self.min_pt:g})")


@dataclass(frozen=True)
class PathOptions:
    """The finder that follows paths with the learned cone.

    Attributes:
        weights: of the network: a shipped name, or a path.
        quantile: share of true hits that a gate holds, between 0 and 1.
        branches: largest number of paths that one seed is followed along at a time.
        background: hits of other particles on a square millimetre of a module. A hit counts for a path by
            how much likelier the cone makes it than these do.
        overlap_distance: largest distance in mm between two hits of a path on one layer, where modules
            overlap; 0 takes no second hit.
        min_layers: fewest layers of a track.
        max_shared: largest number of hits that a track may share with better ones.
        min_score: least mean of its hits' log-likelihood ratios that a track has.
        cone: cones of the edges, which tell the candidates of the next hit.
        seed: triplets that paths start from.
    """

    weights: str = "path"
    quantile: float = 0.9999
    branches: int = ranged(2, 1, 100)
    background: float = ranged(0.03, 1e-9, 1e6, "1/mm2")
    overlap_distance: float = ranged(10.0, 0.0, 1000.0, "mm")
    min_layers: int = ranged(4, 3, 100)
    max_shared: int = ranged(1, 0, 100)
    min_score: float = ranged(-2.0, -1e6, 1e6)
    cone: ConeOptions = WIDE
    seed: SeedOptions = field(default_factory=lambda: SeedOptions(quantile=0.999999, per_middle=3, shared=3))

    def __post_init__(self) -> None:
        check_types("path", self)
        check("path", "quantile", self.quantile, 0 < self.quantile < 1, "between 0 and 1")
        check_ranges("path", self)


@dataclass(frozen=True)
class BinnedOptions:
    """The binned LSTM of the talk, on the hits of the barrel.

    Attributes:
        phi_bins: bins of a whole turn, as the talk has 200.
        bin_z: length of a bin along the beam in mm.
        reach: bins to either side of where a seed points, in both directions, that are looked at.
        hidden: numbers that the LSTM keeps.
        epochs: passes over the seeds.
        batch_size: seeds of a step.
        learning_rate: learning rate of Nadam. It falls to 1 % along a cosine.
        seed: seed of the initial weights and of the order.
        max_shared: largest number of hits that a track may share with better ones.
        min_bin: least probability of a bin whose hit is taken.
        min_layers: fewest layers of a track, the seed's among them.
        min_probability: least mean probability of a track's bins over all layers but the seed's.
    """

    phi_bins: int = ranged(200, 8, 100_000)
    bin_z: float = ranged(5.0, 0.01, 1000.0, "mm")
    reach: int = ranged(12, 1, 100)
    hidden: int = ranged(128, 1, WIDEST)
    epochs: int = ranged(20, 1, MOST_EPOCHS)
    batch_size: int = ranged(256, 1, 1_000_000)
    learning_rate: float = 2e-3
    seed: int = ranged(1, 0, LARGEST_SEED)
    max_shared: int = ranged(1, 0, 100)
    min_bin: float = ranged(0.05, 0.0, 1.0)
    min_layers: int = ranged(3, 2, 100)
    min_probability: float = ranged(0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        check_types("binned", self)
        check_ranges("binned", self)
        good = 0 < self.learning_rate < 1
        check("binned", "learning_rate", self.learning_rate, good, "between 0 and 1")

    @property
    def side(self) -> int:
        """Bins of a window along one direction."""
        return 2 * self.reach + 1
