"""Which transport carries particles through a detector: ACTS's Fatras or our own propagator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from smartpix.field_map import FieldMap, read_field_map
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.simulate.options import SimulateOptions
from smartpix.simulate.particles import Particles
from smartpix.simulate.transport import Crossings, check_generic, transport
from smartpix.simulate.transport_options import TransportOptions

__all__ = ["carried", "chosen", "field_of"]


def chosen(options: SimulateOptions, detector: Detector) -> tuple[SimulateOptions, str]:
    """The options with their engine decided, and why.

    With a table of the field ``field`` becomes its Bz at the origin, which search and fit take.

    Raises:
        InputError: Fatras is asked for and does not know the detector, pyacts is missing, or an option is set
            that Fatras does not know; or a table of the field that cannot be read.
    """
    asked = options.transport
    ours = [name for name in TransportOptions.__dataclass_fields__ if name != "engine"]
    changed = [n for n in ours if getattr(asked, n) != getattr(TransportOptions(), n)]
    if asked.engine == "fatras":
        if changed:
            raise InputError(
                f"transport: {changed[0]} is given and the engine is 'fatras', which does not know it; set "
                "transport.engine = own, or leave it out"
            )
        check_generic(detector)
        return options, "as asked for"
    why = "as asked for"
    if asked.engine == "auto":
        why = (
            _unlike_generic(detector) or (changed and f"transport.{changed[0]} is not what Fatras has") or ""
        )
        if not why:
            fatras = replace(options, transport=replace(asked, engine="fatras"))
            return fatras, "the detector is ACTS's generic one"
    made = replace(options, transport=replace(asked, engine="own"))
    if asked.field_map:
        made = replace(made, field=float(_table(asked.field_map).at_origin()))
    return made, why


def _unlike_generic(detector: Detector) -> str:
    """Why Fatras cannot take a detector; empty where it can."""
    try:
        check_generic(detector)
    except InputError:
        return "the detector is not ACTS's generic one, which Fatras knows alone"
    return ""


def field_of(options: SimulateOptions) -> FieldMap | float:
    """The field: a number in T along z, or a table.

    Raises:
        InputError: the table cannot be read.
    """
    return _table(options.transport.field_map) if options.transport.field_map else options.field


@lru_cache(maxsize=4)
def _read(path: str, changed: int) -> FieldMap:
    return read_field_map(path)


def _table(path: str) -> FieldMap:
    place = Path(path)
    return _read(path, place.stat().st_mtime_ns if place.exists() else 0)


def carried(
    events: Sequence[Particles], detector: Detector, options: SimulateOptions, seed: int
) -> list[Crossings]:
    """Crossings of the particles of each event, with the engine that :func:`chosen` has decided.

    Raises:
        InputError: pyacts is missing for Fatras.
    """
    if options.transport.engine == "fatras":
        return transport(events, detector, options.field, seed)
    from smartpix.simulate.propagate import propagate

    return propagate(events, detector, field_of(options), seed, options.transport)
