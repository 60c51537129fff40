"""The finder of a trigger: an interaction network on small sectors of the graph, as logic could run it (arXiv
2112.02048).
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trigger.finder import TriggerFinder
    from tracking.finders.trigger.network import InteractionNetwork
    from tracking.finders.trigger.options import (
        SectorOptions,
        TrainTriggerOptions,
        TriggerGraphOptions,
        TriggerOptions,
    )
    from tracking.finders.trigger.quantized import QuantizedInteraction
    from tracking.finders.trigger.sectors import Sectors, make_sectors
    from tracking.finders.trigger.shape import InteractionBits, InteractionShape
    from tracking.finders.trigger.train import train_trigger
    from tracking.finders.trigger.whole import FixedInteraction, evaluate, load_interaction, to_whole

__all__ = [
    "FixedInteraction",
    "InteractionBits",
    "InteractionNetwork",
    "InteractionShape",
    "QuantizedInteraction",
    "SectorOptions",
    "Sectors",
    "TrainTriggerOptions",
    "TriggerFinder",
    "TriggerGraphOptions",
    "TriggerOptions",
    "evaluate",
    "load_interaction",
    "make_sectors",
    "to_whole",
    "train_trigger",
]

__getattr__ = public_names(
    __name__,
    finder="TriggerFinder",
    network="InteractionNetwork",
    options="SectorOptions TrainTriggerOptions TriggerGraphOptions TriggerOptions",
    quantized="QuantizedInteraction",
    sectors="Sectors make_sectors",
    shape="InteractionBits InteractionShape",
    train="train_trigger",
    whole="FixedInteraction evaluate load_interaction to_whole",
)
