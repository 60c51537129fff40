"""The learned finders of HEP.TrkX: their toys, networks and training, and the network that predicts the next
crossing.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trkx.models import MODELS
    from tracking.finders.trkx.networks import make_network
    from tracking.finders.trkx.options import ToyOptions, toy_options
    from tracking.finders.trkx.toy_files import ToyFile, read_toys, write_toys
    from tracking.finders.trkx.toys import ToyEvents, make_toys
    from tracking.finders.trkx.train import train_trkx
    from tracking.finders.trkx.trained import load_network
    from tracking.finders.trkx.training_options import TrainTrkxOptions, published_options

__all__ = [
    "MODELS", "ToyEvents", "ToyFile", "ToyOptions", "TrainTrkxOptions", "load_network", "make_network", "make_toys",
    "published_options", "read_toys", "toy_options", "train_trkx", "write_toys",
]  # fmt: skip

__getattr__ = public_names(
    __name__,
    models="MODELS",
    networks="make_network",
    options="ToyOptions toy_options",
    toy_files="ToyFile read_toys write_toys",
    toys="ToyEvents make_toys",
    train="train_trkx",
    trained="load_network",
    training_options="TrainTrkxOptions published_options",
)
