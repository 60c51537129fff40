"""Options of the simulation: what events draw for themselves, and particles close together. Importing them
compiles nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import REGIONS, check, check_ranges, check_types, one_of, ranged

__all__ = ["AngleOptions", "GroupOptions", "RandomiseOptions"]

GROUP_SIZES = (1, 2, 3)
DISTANCE_LAWS = ("logarithm", "area")


@dataclass(frozen=True)
class GroupOptions:
    """Particles that cross a sensor close together, so that their clusters may merge.

    Attributes:
        together: numbers of particles in a group, 1 to 3, of which each is as likely.
        distance: range of the distance of a further particle from the first, in widths of a cluster: along
            each direction of the module, one pixel and what the path covers.
        law: ``logarithm``: distances are uniform in their logarithm, many of them small; ``area``: places
            are uniform in the ring between the two distances, as in the core of a jet.
    """

    together: tuple[int, ...] = (1,)
    distance: tuple[float, float] = (0.05, 3.0)
    law: str = one_of("logarithm", DISTANCE_LAWS)

    def __post_init__(self) -> None:
        check_types("simulate", self)
        check(
            "simulate", "together", self.together,
            len(self.together) > 0 and set(self.together) <= set(GROUP_SIZES),
            f"one or more of {', '.join(map(str, GROUP_SIZES))}",
        )  # fmt: skip
        low, high = self.distance
        check(
            "simulate", "distance", self.distance, 1e-3 <= low <= high <= 100,
            "two values from 0.001 to 100 widths of a cluster, the lower first",
        )  # fmt: skip


STEEPEST = 20.0
"""Slope beyond which a path in a sensor is longer than any cluster that is read."""


@dataclass(frozen=True)
class AngleOptions:
    """Modules and directions of single crossings.

    Estimates that are trained on a range of slopes are sharper in it, and wrong beyond it.

    Attributes:
        region: whose modules are crossed: ``all``, ``barrel`` or ``endcap``.
        max_eta: of crossings of the barrel, whose pseudorapidity is uniform up to it.
        cot_alpha, cot_beta: ranges of the local slopes along x and y, in which they are then uniform; both
            are given, or none: broad.
    """

    region: str = one_of("all", ("all", *REGIONS))
    max_eta: float = ranged(3.3, 0.1, 6.0)
    cot_alpha: tuple[float, ...] = ()
    cot_beta: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_types("angles", self)
        check_ranges("angles", self)
        for name in ("cot_alpha", "cot_beta"):
            given = getattr(self, name)
            good = len(given) == 2 and -STEEPEST <= given[0] < given[1] <= STEEPEST
            check("angles", name, given, not given or good, (
                f"none, or two values from {-STEEPEST:g} to {STEEPEST:g}, the lower first"
            ))  # fmt: skip
        # A broad slope belongs to a direction as a whole, of which the other one is a part.
        check(
            "angles", "cot_beta", self.cot_beta, bool(self.cot_alpha) == bool(self.cot_beta),
            f"given with cot_alpha, which is {self.cot_alpha}, or both left out",
        )  # fmt: skip


MOST_HALF_WIDTH = 0.5


@dataclass(frozen=True)
class RandomiseOptions:
    """Ranges from which each event draws its conditions, uniformly and independently.

    Estimates that were trained on such events lose little where the truth is off by as much. All are half
    widths about the condition that is set; 0 draws nothing. Those without a unit are relative.

    Attributes:
        bias: of the bias voltage.
        temperature: of the temperature in K.
        lorentz: of the Hall mobilities, and so of the Lorentz angle.
        charge: of the charge that pixels see.
        noise: of the noise.
        threshold: of the thresholds; the ADC's edges stay.
        sigma_t: of the spread of the collisions' times.
        phase: of the clock's phase in ps, on all modules together.
    """

    bias: float = ranged(0.0, 0.0, MOST_HALF_WIDTH)
    # 50 % would be beyond where silicon's mobility is known.
    temperature: float = ranged(0.0, 0.0, 0.2)
    lorentz: float = ranged(0.0, 0.0, MOST_HALF_WIDTH)
    charge: float = ranged(0.0, 0.0, MOST_HALF_WIDTH)
    noise: float = ranged(0.0, 0.0, MOST_HALF_WIDTH)
    threshold: float = ranged(0.0, 0.0, MOST_HALF_WIDTH)
    sigma_t: float = ranged(0.0, 0.0, MOST_HALF_WIDTH)
    phase: float = ranged(0.0, 0.0, 2000.0, "ps")

    def __post_init__(self) -> None:
        check_types("randomise", self)
        check_ranges("randomise", self)
