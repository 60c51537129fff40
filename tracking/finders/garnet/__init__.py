"""GarNet as on an FPGA (Y. Iiyama et al., arXiv 2008.03601): does a sector of the detector hold a stiff
track? In floating point, with ternary weights, and in whole numbers.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.garnet.network import GarNet
    from tracking.finders.garnet.options import GarNetOptions, SectorOptions, TrainGarnetOptions
    from tracking.finders.garnet.train import load_garnet, train_garnet
    from tracking.finders.garnet.whole import WholeGarNet, evaluate, whole_network

__all__ = [
    "GarNet",
    "GarNetOptions",
    "SectorOptions",
    "TrainGarnetOptions",
    "WholeGarNet",
    "evaluate",
    "load_garnet",
    "train_garnet",
    "whole_network",
]

__getattr__ = public_names(
    __name__,
    network="GarNet",
    options="GarNetOptions SectorOptions TrainGarnetOptions",
    train="load_garnet train_garnet",
    whole="WholeGarNet evaluate whole_network",
)
