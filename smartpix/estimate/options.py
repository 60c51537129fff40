"""Which weights the estimates use. Importing them reads none."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONDITION_CHECKS", "SHIPPED", "EstimateWeights"]

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
