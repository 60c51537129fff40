"""``smartpix export`` of the trigger's weights: hls4ml projects of the perceptrons, and Verilog of all of
it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.export.hls import HlsOptions
from smartpix.files import replace_folder_when_done
from smartpix.schema import InputError
from tracking.finders.trigger.dataset import labelled_events, labelled_sectors
from tracking.finders.trigger.graphs import SectorBatch
from tracking.finders.trigger.logic.hls import write_perceptrons
from tracking.finders.trigger.logic.options import LogicOptions
from tracking.finders.trigger.logic.write import write_logic
from tracking.finders.trigger.scores import load_trained
from tracking.finders.trigger.whole import FixedInteraction, Graphs, whole_data

__all__ = ["bench_graphs", "export_trigger", "sector_logic", "whole_network"]

log = logging.getLogger(__name__)


def bench_graphs(network: FixedInteraction, batches: Sequence[SectorBatch], most: int) -> Graphs:
    """At most so many sectors of some events as the logic takes them, spread evenly over all of them."""
    columns = [
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("node", "edge", "sender", "receiver", "valid")
    ]
    rows = np.unique(np.linspace(0, len(columns[0]) - 1, most).astype(np.int64))
    node, edge, sender, receiver, valid = (column[rows] for column in columns)
    return *whole_data(network, node, edge), sender, receiver, valid


def whole_network(weights: str) -> FixedInteraction:
    """The network of the trigger's weights, which logic can be made of.

    Raises:
        InputError: weights in floating point, or unusable files.
    """
    network = load_trained(weights).network
    if not isinstance(network, FixedInteraction):
        raise InputError(
            f"{weights}: is in floating point, and logic needs whole numbers; train them with smartpix train gnn "
            f"--network interaction --bits 8 --start {weights}"
        )
    return network


def sector_logic(weights: str, logic: LogicOptions) -> LogicOptions:
    """Options of the logic for sectors of the size that the weights were trained on.

    Raises:
        InputError: unusable files, or an interval of more cycles than a sector has edges.
    """
    sectors = load_trained(weights).sectors
    return replace(logic, nodes=sectors.nodes, edges=sectors.edges)


def export_trigger(
    weights: str,
    folder: str | Path,
    file: str | Path,
    most: int,
    hls: HlsOptions,
    logic: LogicOptions | None,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Write the trigger's network in whole numbers for the tools of programmable logic, each proven bit for
    bit.

    Args:
        weights: of the network in whole numbers, by name or path. They say how large a sector is.
        folder: with ``hls``, a project for each perceptron, and ``rtl``; replaced if it is one of ours.
        file: of simulated events, whose sectors are those of the test benches.
        most: sectors of a test bench.
        hls: backend and the like.
        logic: how the Verilog is made and measured, for sectors of the weights' size; None: none is written.
        report: told what comes next.

    Returns:
        What is in ``report.json``: ``weights``, ``parameters``, ``perceptrons`` with the report of each
            project,
        and ``rtl`` with that of :func:`tracking.finders.trigger.logic.write_logic`.

    Raises:
        InputError: weights in floating point, unusable files, or as the two that write.
    """
    trained, network = load_trained(weights), whole_network(weights)
    sectors, size = trained.sectors, None if logic is None else sector_logic(weights, logic)
    report(f"sectors of {file}")
    events = labelled_events(file, trained.graph)
    graphs = bench_graphs(network, [labelled_sectors(event, sectors)[1] for event in events], most)
    with replace_folder_when_done(folder) as new:
        report(f"hls4ml: {hls.backend}, {hls.io}, {hls.strategy}; C simulation")
        result: dict[str, Any] = {
            "weights": weights,
            "parameters": network.parameters,
            "perceptrons": write_perceptrons(network, new / "hls", graphs, hls, most),
        }
        if size is not None:
            result["rtl"] = write_logic(network, new / "rtl", graphs, size, report)
        (new / "report.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result
