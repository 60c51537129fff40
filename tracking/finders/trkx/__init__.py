"""The learned finders of HEP.TrkX: their toys, networks and training, and the network that predicts the next
crossing.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trkx.options import ToyOptions, toy_options
    from tracking.finders.trkx.toy_files import ToyFile, read_toys, write_toys
    from tracking.finders.trkx.toys import ToyEvents, make_toys

__all__ = ["ToyEvents", "ToyFile", "ToyOptions", "make_toys", "read_toys", "toy_options", "write_toys"]

__getattr__ = public_names(
    __name__,
    options="ToyOptions toy_options",
    toy_files="ToyFile read_toys write_toys",
    toys="ToyEvents make_toys",
)
