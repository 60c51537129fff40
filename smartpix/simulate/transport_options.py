"""Options of the transport of particles through a detector. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.material import Material
from smartpix.schema import check_ranges, check_types, one_of, ranged

__all__ = ["ENGINES", "P_MIN", "TransportOptions"]

ENGINES = ("auto", "fatras", "own")
P_MIN = 0.05
"""GeV: particles below are dropped, by Fatras and by our own propagator."""


@dataclass(frozen=True)
class TransportOptions:
    """How particles go through the detector's field and material.

    All but ``engine`` are of our own propagator (:mod:`smartpix.simulate.propagate`).

    Attributes:
        engine: ``fatras``: ACTS's, which knows the generic detector alone; ``own``: our own propagator, for
            any detector; ``auto``: Fatras where the detector is the generic one and the other options are the
            defaults, our own elsewhere.
        material: of modules, supports and beam pipe; ``smartpix detector`` prints that of a layout by name.
        field_map: file of a table of the field, with lines ``r z Br Bz`` in mm and T, instead of the uniform
            one along z; none: uniform.
        efficiency: probability that a particle that crosses a sensor is seen in it.
        turns: how far a particle may turn in the field, in full turns; Fatras stops after half a one.
        min_momentum: particles below are dropped, in GeV.
        scattering: whether particles scatter in the material.
        ionisation: whether they lose energy by ionisation.
        bremsstrahlung: whether electrons radiate.
        knock_on: electrons that particles knock out of the material with this kinetic energy or more, in GeV,
            become particles of their own and are followed, down to as much momentum in GeV; 0: none.
    """

    engine: str = one_of("auto", ENGINES)
    material: Material = field(default_factory=Material)
    field_map: str = ""
    efficiency: float = ranged(1.0, 0.0, 1.0)
    turns: float = ranged(0.5, 0.01, 100.0)
    min_momentum: float = ranged(P_MIN, 1e-3, 1000.0, "GeV")
    scattering: bool = True
    ionisation: bool = True
    bremsstrahlung: bool = True
    knock_on: float = ranged(0.0, 0.0, 1000.0, "GeV")

    def __post_init__(self) -> None:
        check_types("transport", self)
        check_ranges("transport", self)
