"""Which weights the estimates use. Importing them reads none."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check, check_ranges, check_types, one_of

__all__ = ["CONDITION_CHECKS", "MIXING", "SHIPPED", "EstimateWeights", "MixtureOptions"]

CONDITION_CHECKS = ("check", "ignore")
"""What is done about a file whose conditions are far from the estimates' training: an error, or a warning."""


@dataclass(frozen=True)
class EstimateWeights:
    """Weights of all kinds of estimates: shipped ones by name, or the path of a .safetensors.

    Attributes:
        mdn_barrel, mdn_endcap: of the networks of floating point.
        shape: of the cluster shapes; ``"auto"`` takes the shipped ones that fit the sensor.
        fixed_barrel, fixed_endcap: of the quantised networks, which give what the chip would send, bit for
            bit.
    """

    mdn_barrel: str = "mdn-barrel"
    mdn_endcap: str = "mdn-endcap"
    shape: str = "auto"
    fixed_barrel: str = "fixed-barrel"
    fixed_endcap: str = "fixed-endcap"


SHIPPED = EstimateWeights()

MIXING = ("off", "on")


@dataclass(frozen=True)
class MixtureOptions:
    """Hits of the end-caps with several possibilities of their direction.

    Attributes:
        mode: ``on`` searches edges of a hit of the end-caps from each possibility of its direction, and
            refuses files that the network for it does not fit; ``off`` searches from its one estimate.
        quantile: share of true edges that the joint test keeps at least where an end has several
            possibilities, between 0 and 1, in place of the cones'.
        endcap: weights of the network of possibilities, by name or path.
    """

    mode: str = one_of("off", MIXING)
    quantile: float = 0.9999
    endcap: str = "bimodal-endcap"

    def __post_init__(self) -> None:
        check_types("mixture", self)
        check("mixture", "quantile", self.quantile, 0 < self.quantile < 1, "between 0 and 1")
        check_ranges("mixture", self)
