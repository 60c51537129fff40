"""Whether the fit assumes the material that events were simulated with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from smartpix.io.events import Header
from smartpix.material import Material

__all__ = ["other_material"]

ALIKE = 1e-4
"""Relative difference of two materials that are taken for the same: numbers are printed with six
digits.
"""


def other_material(header: Header, fit: Material) -> str | None:
    """A line that says which material of the fit is not that of the simulation, and what to set; None
    where they agree, or the header does not say.

    ACTS's Fatras has that of the generic detector, whatever the options of the simulation are.
    """
    simulation = header.made_by.get("options")
    transport = simulation.get("transport") if isinstance(simulation, Mapping) else None
    told = transport.get("material") if isinstance(transport, Mapping) else None
    if not isinstance(transport, Mapping) or not isinstance(told, Mapping):
        return None
    true = {} if transport.get("engine") == "fatras" else told
    differing = {}
    for option in fields(Material):
        own, other = getattr(fit, option.name), true.get(option.name, getattr(Material(), option.name))
        other = tuple(other) if isinstance(other, (list, tuple)) else other
        if np.size(own) != np.size(other) or not np.allclose(own, other, rtol=ALIKE, atol=0):
            differing[option.name] = (own, other)
    # Without any material it does not matter where it would be.
    for name, of in (("pipe_radius", "pipe"), ("support_gap", "support")):
        if name in differing and not getattr(fit, of) and not true.get(of, getattr(Material(), of)):
            del differing[name]
    if not differing:
        return None
    was = ", ".join(f"{name} {_text(own)} and not {_text(other)}" for name, (own, other) in differing.items())
    fix = " ".join(f"--set fit.{name}={_text(other)}" for name, (_, other) in differing.items())
    return f"the fit assumes other material than the events were simulated with: {was}; errors and pulls are off ({fix})"


def _text(value: float | tuple[float, ...]) -> str:
    return (
        f"{value:.6g}"
        if isinstance(value, (int, float))
        else "[" + ", ".join(f"{v:.6g}" for v in value) + "]"
    )
