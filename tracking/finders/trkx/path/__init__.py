"""The learned cone: a recurrent network that tells from the hits of a path where the next module is crossed,
with a covariance; and the finder that follows paths with it.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trkx.path.finder import PathFinder
    from tracking.finders.trkx.path.network import PathNetwork
    from tracking.finders.trkx.path.options import FilterOptions, PathOptions, TrainPathOptions
    from tracking.finders.trkx.path.train import train_path

__all__ = ["FilterOptions", "PathFinder", "PathNetwork", "PathOptions", "TrainPathOptions", "train_path"]

__getattr__ = public_names(
    __name__,
    finder="PathFinder",
    network="PathNetwork",
    options="FilterOptions PathOptions TrainPathOptions",
    train="train_path",
)
