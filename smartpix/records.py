"""Columns of one length to records, and records to lists of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

__all__ = ["lists_of", "records_of"]


def records_of(columns: Mapping[str, npt.NDArray[Any] | ak.Array]) -> ak.Array:
    """Records of some columns of one length.

    They are those of ``ak.zip(columns, depth_limit=1)``, which takes a millisecond to find out that nothing
    has to be broadcast: for events of few hits most of the time of writing them.
    """
    contents = [
        column.layout if isinstance(column, ak.Array) else ak.contents.NumpyArray(column)
        for column in columns.values()
    ]
    return ak.Array(ak.contents.RecordArray(contents, list(columns)))


def lists_of(records: ak.Array, counts: Sequence[int] | npt.NDArray[np.integer[Any]]) -> ak.Array:
    """Records one after another as lists of some lengths, which add up to all: as ``ak.unflatten`` has them."""
    offsets = ak.index.Index64(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    return ak.Array(ak.contents.ListOffsetArray(offsets, records.layout))
