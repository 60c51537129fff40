"""The learned cone beside the Kalman filter's: the shares of crossings that they hold on the next layer, and
their areas at equal shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smartpix.schema import InputError
from tracking.finders.training import event_seed, n_parameters
from tracking.finders.trkx.path.dataset import path_data
from tracking.finders.trkx.path.network import load_network, trained_with
from tracking.finders.trkx.path.options import TrainPathOptions
from tracking.finders.trkx.path.report import coverage_report, rows_of

__all__ = ["next_layer_study", "next_layer_table"]


def next_layer_study(files: Sequence[str | Path], weights: str = "path") -> dict[str, Any]:
    """Predictions along true paths of simulated files, by pT and by the layer of the next module.

    Both cones are drawn with gates that were measured on the events that the weights name, in the same cells
    of hits, pT and kind of target. Paths are of particles from the beam line with at least three hits.

    Args:
        weights: of the network: a shipped name, or a path.

    Returns:
        What :func:`tracking.finders.trkx.path.report.coverage_report` gives; ``area_ratio_to_kalman``, which
        is its ``area_ratio95``: of mean areas on next layers; ``parameters`` of the network, ``n_paths``,
            ``seeds`` of the files.

    Raises:
        InputError: unusable files or weights, a file that does not name its seed, or the weights were trained
            on these events.
    """
    network, filter = load_network(weights)
    used = trained_with(weights)
    paths = [Path(file) for file in files]
    seeds = [event_seed(path) for path in paths]
    for path, seed in zip(paths, seeds, strict=True):
        if seed in used:
            raise InputError(
                f"{path}: the learned cone was trained or calibrated on events of seed {seed}; give events of "
                f"another seed"
            )
    options = TrainPathOptions()
    data = path_data(paths, filter, options.split, (options.min_pt, options.max_pt), options.min_hits)
    report = coverage_report(network, data)
    return {
        **report, "area_ratio_to_kalman": report.get("area_ratio95"), "parameters": n_parameters(network),
        "n_paths": len(data), "seeds": seeds,
    }  # fmt: skip


def next_layer_table(result: Mapping[str, Any]) -> str:
    """Of :func:`next_layer_study`, as lines of text."""
    keys = ("coverage68", "coverage95", "coverage997", "area_ratio68", "area_ratio95", "area_ratio997")
    lines = [f"{'':28s}{'n':>9s}" + "".join(f"{key.replace('_', ' '):>16s}" for key in keys)]
    for name, row in rows_of(result).items():
        numbers = "".join(f"{row[key]:16.4f}" if key in row else f"{'-':>16s}" for key in keys)
        lines.append(f"{name:28s}{row['n']:9d}{numbers}")
    return "\n".join(lines)
