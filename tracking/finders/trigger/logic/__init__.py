"""The interaction network as programmable logic, with the edges' indices coming in at run time."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trigger.logic.export import (
        bench_graphs,
        export_trigger,
        sector_logic,
        whole_network,
    )
    from tracking.finders.trigger.logic.hls import write_perceptrons
    from tracking.finders.trigger.logic.options import LogicOptions
    from tracking.finders.trigger.logic.write import write_logic

__all__ = [
    "LogicOptions",
    "bench_graphs",
    "export_trigger",
    "sector_logic",
    "whole_network",
    "write_logic",
    "write_perceptrons",
]

__getattr__ = public_names(
    __name__,
    export="bench_graphs export_trigger sector_logic whole_network",
    hls="write_perceptrons",
    options="LogicOptions",
    write="write_logic",
)
