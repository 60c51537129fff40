"""Layouts of pixel detectors: cylinders, inclined rings, disks, planes, and whole detectors made of them."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.layouts.checks import Report, check_layout
    from smartpix.layouts.dd4hep import open_data_detector
    from smartpix.layouts.make import Layout, make_layout
    from smartpix.layouts.options import Cylinder, Disk, Inclined, Plane, Sensors
    from smartpix.layouts.presets import PRESETS

__all__ = [
    "PRESETS",
    "Cylinder",
    "Disk",
    "Inclined",
    "Layout",
    "Plane",
    "Report",
    "Sensors",
    "check_layout",
    "make_layout",
    "open_data_detector",
]

__getattr__ = public_names(
    __name__,
    checks="Report check_layout",
    dd4hep="open_data_detector",
    make="Layout make_layout",
    options="Cylinder Disk Inclined Plane Sensors",
    presets="PRESETS",
)
