"""The finder of a trigger: an interaction network on small sectors of the graph, as logic could run it (arXiv
2112.02048).
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trigger.network import InteractionNetwork
    from tracking.finders.trigger.quantized import QuantizedInteraction
    from tracking.finders.trigger.shape import InteractionBits, InteractionShape
    from tracking.finders.trigger.whole import FixedInteraction, evaluate, load_interaction, to_whole

__all__ = [
    "FixedInteraction",
    "InteractionBits",
    "InteractionNetwork",
    "InteractionShape",
    "QuantizedInteraction",
    "evaluate",
    "load_interaction",
    "to_whole",
]

__getattr__ = public_names(
    __name__,
    network="InteractionNetwork",
    quantized="QuantizedInteraction",
    shape="InteractionBits InteractionShape",
    whole="FixedInteraction evaluate load_interaction to_whole",
)
