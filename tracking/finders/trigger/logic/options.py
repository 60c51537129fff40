"""Options of the interaction network in logic. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check, check_ranges, check_types, ranged

__all__ = ["LogicOptions"]


@dataclass(frozen=True)
class LogicOptions:
    """Size of a sector in logic, how its work is spread over time, and what is measured.

    Attributes:
        nodes: most nodes of a sector. The paper's design has 28.
        edges: most edges of a sector. The paper's design has 56.
        interval: cycles between two sectors (the initiation interval): edges / interval copies of the
            perceptrons of edges and nodes / interval copies of that of nodes share the work.
        clock_ns: period of the clock in ns.
        adders_per_stage: adders and multiplexers one after the other between two registers; 0 takes one
            for each ns of the clock.
        simulate: simulate with verilator.
        fpga: count look-up tables with yosys.
        family: yosys' name of the programmable logic.
        narrow_functions: yosys does not use the multiplexers behind look-up tables.
    """

    nodes: int = ranged(28, 2, 1024)
    edges: int = ranged(56, 1, 4096)
    interval: int = ranged(1, 1, 256)
    clock_ns: float = ranged(5.0, 0.1, 1000.0, "ns")
    adders_per_stage: int = ranged(0, 0, 1000)
    simulate: bool = True
    fpga: bool = True
    family: str = "xcup"
    narrow_functions: bool = False

    def __post_init__(self) -> None:
        check_types("logic", self)
        check_ranges("logic", self)
        check("logic", "interval", self.interval, self.interval <= self.edges, "at most the number of edges")

    @property
    def depth(self) -> int:
        """Adders per stage."""
        return self.adders_per_stage or max(1, int(self.clock_ns))

    @property
    def index_bits(self) -> int:
        """Bits of a place among the nodes."""
        return (self.nodes - 1).bit_length()

    @property
    def edge_copies(self) -> int:
        """Edges that are worked on at once."""
        return -(-self.edges // self.interval)

    @property
    def node_copies(self) -> int:
        """Nodes that are worked on at once."""
        return -(-self.nodes // self.interval)
