"""Checks of the weights of networks that count particles, and of networks of several regions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from smartpix.chip.fused import FusedFixedNetwork
from smartpix.estimate.descriptions import Sort, Weights, fixed_rule, float_rule, load_sorted_weights
from smartpix.merged.samples import MOST_PARTICLES
from smartpix.networks.fused import FusedNetwork
from smartpix.rules import fields, items, real
from smartpix.schema import N_COLUMNS, N_ROWS, InputError

__all__ = ["COUNT", "COUNT_ON_CHIP", "SORTS", "OfRegion", "check_alike", "load_count_weights"]

COUNT, COUNT_ON_CHIP = "count", "fixedcount"
"""First parts of the weights' architectures."""
LARGEST_SCALE = 1e6

_NUMBER = real(-LARGEST_SCALE, LARGEST_SCALE)
_OF_COUNTS = {
    "scaling": fields(
        {
            "weight": items(items(_NUMBER, MOST_PARTICLES, MOST_PARTICLES), MOST_PARTICLES, MOST_PARTICLES),
            "bias": items(_NUMBER, MOST_PARTICLES, MOST_PARTICLES),
        }
    ),
    "mixture": items(real(0, 1, above=0), MOST_PARTICLES, MOST_PARTICLES),
}
SORTS = {
    COUNT: Sort(lambda kind: float_rule(MOST_PARTICLES, **_OF_COUNTS), whole=False),
    COUNT_ON_CHIP: Sort(lambda kind: fixed_rule(kind, MOST_PARTICLES, **_OF_COUNTS), whole=True),
}


def load_count_weights(name: str | Path, *sorts: str, remedy: str = "give weights of that kind") -> Weights:
    """Weights of a network that counts particles, checked in full.

    Args:
        name: shipped weights by name, or others by path.
        sorts: :data:`COUNT` (of floating point) or :data:`COUNT_ON_CHIP` (of whole numbers); both if left
            out.
        remedy: what to do about weights of something else.

    Raises:
        InputError: as :func:`smartpix.estimate.descriptions.load_sorted_weights`.
    """
    return load_sorted_weights(name, {sort: SORTS[sort] for sort in sorts or SORTS}, remedy)


class OfRegion(Protocol):
    """A network of one region: one that counts particles, or one of several components."""

    @property
    def fused(self) -> FusedNetwork | FusedFixedNetwork:
        """The network's kernels."""
        ...

    @property
    def description(self) -> Mapping[str, Any]:
        """What is known of it."""
        ...

    @property
    def name(self) -> str:
        """Of the weights, for messages."""
        ...


def check_alike(networks: Mapping[str, OfRegion]) -> None:
    """Check that networks of the regions, by region, take the windows of events and the same slices.

    Raises:
        InputError: one takes another window, or they take different slices.
    """
    for network in networks.values():
        shape = network.fused.shape[1:]
        if shape != (N_ROWS, N_COLUMNS):
            raise InputError(
                f"{network.name}: takes images of {shape} pixels; events need those for {(N_ROWS, N_COLUMNS)}"
            )
    first, *others = networks.values()
    for other in others:
        one, two = first.description["slices"], other.description["slices"]
        if list(one) != list(two):
            raise InputError(
                f"{first.name}, {other.name}: were trained on different slices, {one} and {two}; use a pair "
                f"of the same"
            )
