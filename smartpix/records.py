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

    They are those of ``ak.zip(columns, depth_limit=1)``, which finds out first that nothing has to be
    broadcast; of events of few hits that takes longer than all else.

    Raises:
        ValueError: the columns are not of one length.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"records: columns of one length are needed, and they are of {lengths}")
    contents = [
        column.layout if isinstance(column, ak.Array) else ak.contents.NumpyArray(column)
        for column in columns.values()
    ]
    return ak.Array(ak.contents.RecordArray(contents, list(columns)))


def lists_of(records: ak.Array, counts: Sequence[int] | npt.NDArray[np.integer[Any]]) -> ak.Array:
    """Records one after another as lists of some lengths, as ``ak.unflatten`` has them.

    Raises:
        ValueError: the lengths do not add up to all records.
    """
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if offsets[-1] != len(records):
        raise ValueError(
            f"records: lists of {offsets[-1]} in all are asked for, and there are {len(records)}"
        )
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), records.layout))
