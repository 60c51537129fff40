"""Event files from foreign formats: one module per format, each of which recognises a path and reads it.

:mod:`smartpix.convert.format` says what a format is, :mod:`smartpix.convert.formats` asks them in turn.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.convert.acts_csv import read_acts_event
    from smartpix.convert.acts_geometry import read_acts_detector
    from smartpix.convert.acts_root import open_acts_root, read_acts_root_event
    from smartpix.convert.format import ConvertOptions, Format, Found, Source
    from smartpix.convert.formats import convert, detect, find_format, format_names, hits_of_event
    from smartpix.convert.hit_tables import Cells, Crossed, HitTables, Unmatched
    from smartpix.convert.trackml import read_trackml_detector, read_trackml_event

__all__ = [
    "Cells",
    "ConvertOptions",
    "Crossed",
    "Format",
    "Found",
    "HitTables",
    "Source",
    "Unmatched",
    "convert",
    "detect",
    "find_format",
    "format_names",
    "hits_of_event",
    "open_acts_root",
    "read_acts_detector",
    "read_acts_event",
    "read_acts_root_event",
    "read_trackml_detector",
    "read_trackml_event",
]

__getattr__ = public_names(
    __name__,
    acts_csv="read_acts_event",
    acts_geometry="read_acts_detector",
    acts_root="open_acts_root read_acts_root_event",
    format="ConvertOptions Format Found Source",
    formats="convert detect find_format format_names hits_of_event",
    hit_tables="Cells Crossed HitTables Unmatched",
    trackml="read_trackml_detector read_trackml_event",
)
