"""GravNet: hits exchange messages with their nearest neighbours in a space that is learned (S. R. Qasim et
al., arXiv 1902.07987), and edges are scored with what the hits then know.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.gravnet.block import GravNetBlock
    from tracking.finders.gravnet.network import GravNetNetwork, GravNetScorer, load_gravnet
    from tracking.finders.gravnet.options import TrainGravnetOptions
    from tracking.finders.gravnet.train import train_gravnet

__all__ = [
    "GravNetBlock",
    "GravNetNetwork",
    "GravNetScorer",
    "TrainGravnetOptions",
    "load_gravnet",
    "train_gravnet",
]

__getattr__ = public_names(
    __name__,
    block="GravNetBlock",
    network="GravNetNetwork GravNetScorer load_gravnet",
    options="TrainGravnetOptions",
    train="train_gravnet",
)
