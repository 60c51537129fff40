"""Options of the guide to a new detector. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smartpix.schema import check, check_field, check_ranges, check_types, one_of, ranged

__all__ = ["QUICK", "GuideOptions"]


@dataclass(frozen=True)
class GuideOptions:
    """What is simulated and trained for a new detector.

    Attributes:
        particles: of the events: ``collisions`` (need chromo), a ``gun`` of pions from the luminous region,
            or a ``beam`` along z; ``auto``: a beam where all layers stand across the beam line, else
            collisions if chromo is installed, else a gun.
        pileup: collisions in each event.
        gun: pions in each event of a gun; few of them make no wrong edges, which the graph network learns from.
        beam: particles in each event of a beam.
        events: that the graph network is trained on, and as many that everything is judged on.
        crossings: that the estimates are trained on.
        estimates: that the chain takes: ``mdn``, the network, or ``shape``, the cluster shapes.
        epochs: of the network of the estimates.
        graph_epochs: of the graph network; 0: the shipped one is taken.
        field: solenoid field along z in T; none: the detector's own, else 3.8.
        seed: of everything; samples take it and the five numbers after it.
    """

    particles: str = one_of("auto", ("auto", "collisions", "gun", "beam"))
    pileup: int = ranged(20, 1, 1000)
    gun: int = ranged(300, 1, 1_000_000)
    beam: int = ranged(30, 1, 1_000_000)
    events: int = ranged(12, 1, 100_000)
    crossings: int = ranged(150_000, 5_000, 100_000_000)
    estimates: str = one_of("mdn", ("mdn", "shape"))
    epochs: int = ranged(25, 1, 10_000)
    graph_epochs: int = ranged(20, 0, 10_000)
    field: tuple[float, ...] = ()
    seed: int = ranged(1, 0, 2**31 - 10)

    def __post_init__(self) -> None:
        check_types("new-detector", self)
        check_ranges("new-detector", self)
        check("new-detector", "field", self.field, len(self.field) <= 1, "one value in T")
        for field in self.field:
            check_field("new-detector", field)


QUICK = replace(GuideOptions(), events=8, crossings=40_000, epochs=20, graph_epochs=12)
"""A first look in a few minutes: few crossings, events and epochs."""
