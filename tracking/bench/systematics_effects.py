"""What may be wrong by a little: effects of ``smartpix study systematics``. Importing them compiles
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smartpix.schema import InputError, nearest, quoted
from smartpix.simulate.options import SimulateOptions

__all__ = ["EFFECTS", "NOMINAL", "Effect", "chosen_effects", "simulation_of"]

NOMINAL = "nominal"

Change = Callable[[SimulateOptions, float], Mapping[str, Any]]


@dataclass(frozen=True)
class Effect:
    """Something that is not as the chain takes it to be.

    Attributes:
        unit: of its sizes.
        sizes: that are measured by default.
        words: what it is, for tables.
        simulation: options of the simulation for a size, as mappings by section; None: the events stay, and
            the header or the clusters differ.
    """

    unit: str
    sizes: tuple[float, ...]
    words: str
    simulation: Change | None = None


def _readout(name: str) -> Change:
    return lambda base, size: {"readout": {name: getattr(base.readout, name) * (1 + size / 100)}}


EFFECTS: Mapping[str, Effect] = {
    "shift": Effect("um", (5, 20, 50, 100), "modules shifted at random along x, y and normal"),
    "tilt": Effect("mrad", (1, 5), "modules turned at random about all axes"),
    "field": Effect("%", (1,), "header's field too strong"),
    "dead": Effect("%", (2, 5, 10), "dead modules"),
    "lorentz": Effect("%", (-5, -10, -20, 10), "Lorentz angle", lambda _, s: {"lorentz_scale": 1 + s / 100}),
    "charge": Effect("%", (-5, -10, -20, 10), "charge scale", lambda _, s: {"charge_scale": 1 + s / 100}),
    "noise": Effect("%", (20,), "noise", _readout("noise")),
    "threshold": Effect("%", (20,), "threshold", _readout("threshold")),
    "pileup": Effect("", (20, 140), "collisions in an event", lambda _, s: {"generate": {"pileup": int(s)}}),
}


def chosen_effects(words: Sequence[str], simulated: bool = True) -> dict[str, tuple[float, ...]]:
    """Sizes by effect, from words like ``shift`` and ``shift=20,50``.

    Args:
        words: none for all effects, or for all without a simulation of their own unless ``simulated``.

    Raises:
        InputError: an unknown effect, or a size that is no number.
    """
    result: dict[str, tuple[float, ...]] = {}
    for word in words or [name for name, effect in EFFECTS.items() if simulated or effect.simulation is None]:
        name, equals, sizes = word.partition("=")
        if name not in EFFECTS:
            raise InputError(
                f"--effects {quoted(word)}: unknown effect.{nearest(name, EFFECTS)} There are {', '.join(EFFECTS)}"
            )
        try:
            result[name] = tuple(float(s) for s in sizes.split(",")) if equals else EFFECTS[name].sizes
        except ValueError as error:
            raise InputError(
                f"--effects {quoted(word)}: sizes must be numbers, as in {name}=10,20"
            ) from error
    return result


def simulation_of(name: str, size: float, base: SimulateOptions) -> SimulateOptions | None:
    """Options of the simulation of an effect; None where the nominal events do."""
    from tracking.options import from_mapping

    effect = EFFECTS.get(name)
    if effect is None or effect.simulation is None:
        return None
    made: SimulateOptions = from_mapping(base, effect.simulation(base, size), name)
    return made
