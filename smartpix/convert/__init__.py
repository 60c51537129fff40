"""Event files from foreign formats: one module per format, each of which recognises a path and reads it.

:mod:`smartpix.convert.formats` asks them in turn.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.convert.acts_csv import read_acts_event
    from smartpix.convert.acts_geometry import acts_detector
    from smartpix.convert.acts_root import open_acts_root, read_acts_root_event
    from smartpix.convert.formats import ConvertOptions, Found, convert, detect, hits_of_event
    from smartpix.convert.trackml import read_trackml_detector, read_trackml_event

__all__ = [
    "ConvertOptions",
    "Found",
    "acts_detector",
    "convert",
    "detect",
    "hits_of_event",
    "open_acts_root",
    "read_acts_event",
    "read_acts_root_event",
    "read_trackml_detector",
    "read_trackml_event",
]

__getattr__ = public_names(
    __name__,
    acts_csv="read_acts_event",
    acts_geometry="acts_detector",
    acts_root="open_acts_root read_acts_root_event",
    formats="ConvertOptions Found convert detect hits_of_event",
    trackml="read_trackml_detector read_trackml_event",
)
