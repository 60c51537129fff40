"""Options of a beam of particles along z. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check, check_ranges, check_types, one_of, ranged

__all__ = ["KINDS", "ParticleBeamOptions"]

KINDS = ("pion", "electron", "muon", "kaon", "proton")
MOMENTA = (0.05, 1e5)


@dataclass(frozen=True)
class ParticleBeamOptions:
    """A beam along +z, as of a test of sensors: parallel, or from a spot.

    Attributes:
        particles: number in each event.
        kind: what they are: ``pion``, ``electron``, ``muon``, ``kaon`` or ``proton``.
        charge: their sign, 1 or -1; 0: either, at random.
        momentum: its range in GeV, in which it is uniform.
        start: z at which they start in mm.
        spot: standard deviations of where they start in x and y, in mm, about the beam spot's x and y.
        divergence: standard deviation of the slopes dx/dz and dy/dz; 0: parallel.
        slope: mean of the slopes dx/dz and dy/dz.
    """

    particles: int = ranged(0, 0, 1_000_000)
    kind: str = one_of("pion", KINDS)
    charge: int = ranged(1, -1, 1)
    momentum: tuple[float, float] = (120.0, 120.0)
    start: float = ranged(-100.0, -1e4, 1e4, "mm")
    spot: tuple[float, float] = (3.0, 2.0)
    divergence: float = ranged(0.0, 0.0, 1.0)
    slope: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        check_types("beam", self)
        check_ranges("beam", self)
        low, high = MOMENTA
        check(
            "beam", "momentum", self.momentum, low <= self.momentum[0] <= self.momentum[1] <= high,
            f"two values in GeV from {low:g} to {high:g}, the lower first",
        )  # fmt: skip
        check("beam", "spot", self.spot, all(0 <= s <= 1000 for s in self.spot), "two values, 0 to 1000 mm")
        check("beam", "slope", self.slope, all(abs(s) <= 1 for s in self.slope), "two values from -1 to 1")
