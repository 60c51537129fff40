"""Options of ``smartpix study smart-pixels``. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smartpix.schema import check_ranges, check_types, one_of, ranged

__all__ = ["QUICK", "SmartPixelsOptions"]


@dataclass(frozen=True)
class SmartPixelsOptions:
    """Events and trainings of the study.

    Attributes:
        pileup: collisions in each event.
        events: that each sensor and readout is judged on.
        crossings: that the estimates of each sensor and readout are trained on.
        estimates: ``mdn``, the network, or ``shape``, the cluster shapes.
        epochs: of the network's training.
        seed: of the events, which have the same particles for all; the trainings take the next one.
    """

    pileup: int = ranged(60, 1, 1000)
    events: int = ranged(4, 1, 10_000)
    crossings: int = ranged(100_000, 5_000, 100_000_000)
    estimates: str = one_of("mdn", ("mdn", "shape"))
    epochs: int = ranged(40, 1, 10_000)
    seed: int = ranged(653_001, 0, 2**31 - 2)

    def __post_init__(self) -> None:
        check_types("smart-pixels", self)
        check_ranges("smart-pixels", self)


QUICK = replace(SmartPixelsOptions(), pileup=20, events=2, crossings=40_000, epochs=20)
"""A first look: few events, and networks that are trained for a short time."""
