"""Branches of ROOT files of others as arrays of the types that are needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError
from smartpix.tables import checked_column

__all__ = ["flat_branch", "jagged_branch", "same_lengths"]

Ints = npt.NDArray[np.int64]


def flat_branch(values: ak.Array, dtype: str, where: str, name: str) -> npt.NDArray[Any]:
    """A branch with one number an entry, as an array of the wanted type.

    Raises:
        InputError: it holds something else.
    """
    if not isinstance(values.layout, ak.contents.NumpyArray) or values.ndim != 1:
        raise InputError(
            f"{where}: branch '{name}' must hold one number an entry and is of type {values.type}"
        )
    return checked_column(ak.to_numpy(values), dtype, where, name)


def jagged_branch(values: ak.Array, dtype: str, where: str, name: str) -> tuple[npt.NDArray[Any], Ints]:
    """A branch with a list of numbers an entry: (K,) all numbers one after the other, and (N,) how many each
    entry has.

    Raises:
        InputError: it holds something else.
    """
    if values.ndim != 2 or not isinstance(ak.flatten(values).layout, ak.contents.NumpyArray):
        raise InputError(
            f"{where}: branch '{name}' must hold a list of numbers an entry and is of type {values.type}"
        )
    return flat_branch(ak.flatten(values), dtype, where, name), ak.to_numpy(ak.num(values)).astype(np.int64)


def same_lengths(
    branches: Iterable[tuple[npt.NDArray[Any], Ints]], where: str
) -> tuple[list[npt.NDArray[Any]], Ints]:
    """Numbers of several branches of :func:`jagged_branch`, and the lengths of the lists, which they share.

    Raises:
        InputError: their lengths differ.
    """
    flats, counts = zip(*branches, strict=True)
    if any(not np.array_equal(counts[0], other) for other in counts[1:]):
        raise InputError(
            f"{where}: lists that belong together have different lengths; make or copy the file again"
        )
    return list(flats), counts[0]
