"""DeepCore: seeds in the cores of jets, from maps of the charge in four layers (CMS, arXiv 1910.08058); and
what came before it, clusters split by K-means.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.deepcore.network import DeepCoreNetwork
    from tracking.finders.deepcore.options import DeepCoreOptions, TrainDeepCoreOptions
    from tracking.finders.deepcore.train import train_deepcore

__all__ = ["DeepCoreNetwork", "DeepCoreOptions", "TrainDeepCoreOptions", "train_deepcore"]

__getattr__ = public_names(
    __name__,
    network="DeepCoreNetwork",
    options="DeepCoreOptions TrainDeepCoreOptions",
    train="train_deepcore",
)
