"""The interaction network as programmable logic, with the edges' indices coming in at run time."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trigger.logic.options import LogicOptions
    from tracking.finders.trigger.logic.write import write_logic

__all__ = ["LogicOptions", "write_logic"]

__getattr__ = public_names(__name__, options="LogicOptions", write="write_logic")
