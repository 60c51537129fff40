"""The provenance of what the chain makes: its input files, weights, options, and versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smartpix.estimate.options import SHIPPED
from smartpix.files import sha256_of
from smartpix.networks.weights import weights_path
from smartpix.provenance import provenance
from smartpix.schema import REGIONS
from tracking.finders.gnn.options import OVER_HOLES
from tracking.options import RunOptions

__all__ = ["WEIGHTS", "chain_provenance", "named_weights", "sums_of_weights", "used_weights"]

WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "": ("gnn", *asdict(SHIPPED)),
    "split": tuple(f"{kind}_{region}" for kind in ("count", "pair", "triple") for region in REGIONS),
    "mixture": ("endcap",),
    "displaced": ("gnn",),
}
"""The options that name weights, by section."""


def chain_provenance(command: str, files: Iterable[str | Path], options: RunOptions) -> dict[str, Any]:
    """The record of what a command makes of event files with the chain."""
    return provenance(command, files, asdict(options), sums_of_weights(options))


def named_weights(options: RunOptions) -> dict[str, str]:
    """Names or paths of weights by option, ``split.pair_barrel`` and the like."""
    return {
        f"{section}.{name}".lstrip("."): getattr(getattr(options, section) if section else options, name)
        for section, names in WEIGHTS.items()
        for name in names
    }


def used_weights(options: RunOptions) -> dict[str, str]:
    """:func:`named_weights`, and those that no option names: of the network that takes over where modules are
    known to be dead.
    """
    names = named_weights(options)
    if options.graph == "cone" and options.dead.source != "none" and options.gnn in OVER_HOLES:
        names["gnn over dead modules"] = OVER_HOLES[options.gnn]
    return names


def sums_of_weights(options: RunOptions) -> dict[str, list[str]]:
    """By option, the sha256 of the weights and of their JSON, of a calibration and of a table of the
    field, of those that are there.
    """
    sums = {}
    for name, value in used_weights(options).items():
        # Chosen by the sensor of the files, so that these tell which.
        if value == "auto":
            continue
        path = weights_path(value)
        sums[name] = [sha256_of(p) for p in (path, path.with_suffix(".json")) if p.is_file()]
    for name in ("calibration", "field_map"):
        if (value := getattr(options, name)) and (path := Path(value)).is_file():
            sums[name] = [sha256_of(path)]
    return sums
