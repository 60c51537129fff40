"""A detector by its name, or from a file: a layout in TOML, DD4hep's XML, or a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartpix.geometry import Detector, read_detector
from smartpix.layouts.dd4hep import open_data_detector
from smartpix.layouts.from_toml import read_layout
from smartpix.layouts.make import make_layout
from smartpix.layouts.options import Sensors
from smartpix.layouts.presets import FIELDS, PRESETS
from smartpix.material import Material
from smartpix.schema import InputError, nearest, quoted
from smartpix.simulate.options import SimulateOptions

__all__ = ["GENERIC", "NAMES", "NamedDetector", "named_detector", "through"]

GENERIC = "generic"
NAMES = (GENERIC, *PRESETS)


@dataclass(frozen=True)
class NamedDetector:
    """A detector, and what is known of it besides.

    Attributes:
        name: as it was asked for.
        detector: its modules.
        material: of modules, supports and beam pipe; None: a table of modules alone says nothing of it.
        field: T along z, where the name or the file says so, else None.
        missing: files that a DD4hep file includes and that are not there.
    """

    name: str
    detector: Detector
    material: Material | None = None
    field: float | None = None
    missing: tuple[str, ...] = ()


def named_detector(name: str | Path, sensors: Mapping[str, Any] | None = None) -> NamedDetector:
    """Make a detector by its name, or read it.

    Args:
        name: one of :data:`NAMES`; a file of a layout (``.toml``, docs/detectors.md), of DD4hep (``.xml``,
            the Open Data Detector's), of a detector's table (``.csv``, compressed by its ending), or of
            events (``.root``, whose header has the detector).
        sensors: fields of :class:`smartpix.layouts.Sensors` that are put on it instead of its own.

    Raises:
        InputError: an unknown name, a file that cannot be read, other sensors for a table, or pyacts is
            missing for the generic one.
    """
    text, sensors = str(name), dict(sensors or {})
    if text == GENERIC:
        return NamedDetector(text, _generic(sensors), Material())
    if text in PRESETS:
        layout = PRESETS[text]()
    elif text.endswith(".toml"):
        layout = read_layout(name)
    elif text.endswith(".xml"):
        made = open_data_detector(name)
        if sensors:
            own = made.detector
            base = Sensors(float(own.pitch_y[0]), float(own.pitch_x[0]), float(own.thickness[0]))
            made = open_data_detector(name, dataclasses.replace(base, **sensors))
        return NamedDetector(text, made.detector, made.material, made.field, made.missing)
    elif text.endswith(".root"):
        return NamedDetector(text, _of_events(name, sensors))
    elif ".csv" in Path(text).suffixes or Path(text).exists():
        _refuse(sensors, text)
        return NamedDetector(text, read_detector(name))
    else:
        raise InputError(
            f"detector {quoted(text)} is not known and no file; give one of {', '.join(NAMES)}, or a file that "
            f"ends in .toml, .xml, .csv or .root.{nearest(text, NAMES)}"
        )
    layout = dataclasses.replace(layout, sensor=dataclasses.replace(layout.sensor, **sensors))
    return NamedDetector(text, make_layout(layout), layout.material, FIELDS.get(text))


def through(detector: NamedDetector, options: SimulateOptions) -> SimulateOptions:
    """The options with the material and the field that a detector brings, where it brings some."""
    # The generic detector's material is the default, with which Fatras is chosen.
    if detector.material is None or detector.name == GENERIC:
        return options
    transport = dataclasses.replace(options.transport, material=detector.material)
    return dataclasses.replace(
        options, transport=transport, field=options.field if detector.field is None else detector.field
    )


def _refuse(sensors: Mapping[str, Any], where: str) -> None:
    """Check that a table's sensors stay as they are."""
    if sensors:
        raise InputError(
            f"{where}: pitch and thickness are given, and the table has its own; change its columns, or give a "
            f"name ({', '.join(NAMES)})"
        )


def _of_events(path: str | Path, sensors: Mapping[str, Any]) -> Detector:
    from smartpix.io.events import open_events

    _refuse(sensors, str(path))
    # Which modules are dead in these events says nothing of others.
    return dataclasses.replace(open_events(path).header.detector, dead=())


def _generic(sensors: Mapping[str, Any]) -> Detector:
    from smartpix.simulate.transport import generic_detector

    chosen = Sensors(**sensors)
    return generic_detector(chosen.pitch_u, chosen.pitch_v, chosen.thickness, chosen.endcap_thickness or None)
