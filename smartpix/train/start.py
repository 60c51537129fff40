"""Weights that a training goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from smartpix.chip.fixed_point import FixedNetwork, from_arrays
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn
from smartpix.chip.shrink import shrink
from smartpix.chip.transfer import from_fixed, from_float
from smartpix.estimate.descriptions import Weights, load_network_weights
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_arrays
from smartpix.schema import InputError

__all__ = ["Start", "go_on", "start_from"]

Load = Callable[[str | Path], Weights]


@dataclass(frozen=True)
class Start:
    """Weights to go on from.

    Attributes:
        name: of the weights.
        arrays: of a float network, by name; empty for a quantised one.
        options: fields of its options.
        network: the quantised network, if it is one.
    """

    name: str
    arrays: Mapping[str, npt.NDArray[Any]]
    options: Mapping[str, Any]
    network: FixedNetwork | None = None


def start_from(name: str | Path, without_dead: bool = False, load: Load = load_network_weights) -> Start:
    """Load weights to go on from; ``without_dead`` takes out of a quantised network what does nothing.

    Args:
        load: weights by name, checked in full, of what is to be learned; those of the estimates if left out.

    Raises:
        InputError: missing or damaged weights.
    """
    arrays, description = load(name)
    options = dict(description["network"])
    if "fixed" not in description:
        return Start(str(name), arrays, {"kind": options["kind"]})
    network = from_arrays(arrays, description["fixed"], str(name))
    options |= {"edges": tuple(float(e) for e in network.edges)}
    if without_dead:
        network = shrink(network)
        options["filters"], options["hidden"] = network.plan.filters, network.plan.hidden
    return Start(
        str(name), {}, {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}, network
    )


def go_on(
    model: torch.nn.Module, network: NetworkOptions | QuantizedOptions, start: Start, load: Load
) -> None:
    """Take over the weights of an earlier training.

    Args:
        load: weights by name, of floating point alone.

    Raises:
        InputError: they are of another network.
    """
    if isinstance(model, QuantizedMdn):
        if start.options["kind"] != network.kind:
            raise InputError(
                f"{start.name}: holds a network '{start.options['kind']}' and '{network.kind}' was asked for"
            )
        if start.network is not None:
            from_fixed(model, start.network, start.name)
        else:
            from_float(model, start.arrays, start.name)
        return
    arrays, description = load(start.name)
    found, sizes = asdict(NetworkOptions(**description["network"])), asdict(network)
    if differs := [k for k in sizes if found[k] != sizes[k]]:
        words = [", ".join(f"{k} {fields[k]}" for k in differs) for fields in (found, sizes)]
        raise InputError(
            f"{start.name}: holds a network with {words[0]}, and {words[1]} was asked for; ask for what it "
            f"holds"
        )
    load_arrays(model, arrays, start.name)
