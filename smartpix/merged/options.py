"""Options of the splitting of clusters. Importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check_ranges, check_types, one_of, ranged

__all__ = ["SPLITTING", "SplitOptions"]

SPLITTING = ("auto", "on", "off")


@dataclass(frozen=True)
class SplitOptions:
    """Clusters of several particles as several hits.

    Attributes:
        mode: ``auto`` splits where the networks for it were trained for the file's sensor and the estimates
            are the MDN's; ``on`` refuses files where they were not; ``off`` never splits.
        cell: side of square cells on the modules in mm. Of a cluster, the others in the four cells nearest
            to it are counted.
        neighbours: others that there must be, or a cluster counts as of one particle. Elsewhere
            particles merge so rarely that the network errs more often.
        area: in mm2, in which two particles merge. With the number of clusters around it gives the
            probability of several particles before the pixels are looked at.
        split: probability of several particles above which a cluster gives a hit for each of two.
        three: probability of three particles, among those of several, above which it gives three.
        share: probability of several particles above which a cluster that is not split gives two hits with
            its estimate as of one particle.
        count_barrel: weights of the network that counts particles in the barrel, by name or path.
        count_endcap: weights of the end-caps' network that counts particles, by name or path.
        pair_barrel: weights of the barrel's network for two particles, by name or path.
        pair_endcap: weights of the end-caps' network for two particles, by name or path.
        triple_barrel: weights of the barrel's network for three particles, by name or path.
        triple_endcap: weights of the end-caps' network for three particles, by name or path.
    """

    mode: str = one_of("auto", SPLITTING)
    cell: float = ranged(2.0, 0.01, 100.0, "mm")
    neighbours: int = ranged(3, 1, 10_000)
    area: float = ranged(0.04, 1e-6, 1.0, "mm2")
    # Far below one half: a particle whose cluster is split in vain still has one of the two hits, and one whose
    # cluster is not split may have none.
    split: float = ranged(0.01, 0.0, 1.0)
    three: float = ranged(0.5, 0.0, 1.0)
    share: float = ranged(0.005, 0.0, 1.0)
    count_barrel: str = "count-barrel"
    count_endcap: str = "count-endcap"
    pair_barrel: str = "pair-barrel"
    pair_endcap: str = "pair-endcap"
    triple_barrel: str = "triple-barrel"
    triple_endcap: str = "triple-endcap"

    def __post_init__(self) -> None:
        check_types("split", self)
        check_ranges("split", self)
