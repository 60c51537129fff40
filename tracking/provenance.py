"""The provenance of what the chain makes: its input files, weights, options, and versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smartpix.estimate.options import SHIPPED
from smartpix.files import sha256_of
from smartpix.networks.weights import weights_path
from smartpix.provenance import provenance
from tracking.options import RunOptions

__all__ = ["WEIGHTS", "chain_provenance", "sums_of_weights"]

WEIGHTS = ("gnn", *asdict(SHIPPED))
"""The options that name weights."""


def chain_provenance(command: str, files: Iterable[str | Path], options: RunOptions) -> dict[str, Any]:
    """The record of what a command makes of event files with the chain."""
    return provenance(command, files, asdict(options), sums_of_weights(options))


def sums_of_weights(options: RunOptions) -> dict[str, list[str]]:
    """By option, the sha256 of the weights and of their JSON, of those that are there."""
    sums = {}
    for name in WEIGHTS:
        value = getattr(options, name)
        # Chosen by the sensor of the files, so that these tell which.
        if value == "auto":
            continue
        path = weights_path(value)
        sums[name] = [sha256_of(p) for p in (path, path.with_suffix(".json")) if p.is_file()]
    return sums
