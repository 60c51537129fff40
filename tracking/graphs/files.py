"""Files of one graph each: written beside and renamed, and read back as plain arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from smartpix.files import replace_when_done
from smartpix.schema import InputError, one_line
from tracking.finders.gnn.columns import Columns

__all__ = ["file_name", "read_graph", "write_graph"]


def file_name(number: int, ending: str) -> str:
    """Name of a graph's file, as acorn names them; ``number`` counts the events of all files from 0."""
    return f"event{number:09d}.{ending}"


def write_graph(path: Path, columns: Columns, *, swept: bool = False) -> None:
    """Write one graph in the format of the path's ending, whole or not at all.

    Args:
        swept: as :func:`smartpix.files.replace_when_done`.

    Raises:
        InputError: it cannot be written there.
    """
    with replace_when_done(path, swept=swept) as beside:
        WRITERS[path.suffix](beside, columns)


def read_graph(path: str | Path) -> Columns:
    """The fields of a graph's file of any format.

    Raises:
        InputError: missing, damaged, or no such file.
    """
    path = Path(path)
    fix = "export it again (smartpix export graphs)"
    if path.suffix not in READERS:
        raise InputError(f"{path}: is no graph; give a file that ends in {', '.join(READERS)}")
    if not path.is_file():
        raise InputError(f"{path}: no such graph; {fix}")
    try:
        return READERS[path.suffix](path)
    except Exception as error:
        # Each library has errors of its own for what it cannot read.
        raise InputError(f"{path}: cannot be read ({one_line(str(error))}); {fix}") from error


def _write_pyg(path: Path, columns: Columns) -> None:
    import torch
    from torch_geometric.data import Data

    fields = {name: torch.from_numpy(values) for name, values in columns.items()}
    torch.save(Data(**fields, num_nodes=len(columns["hit_id"])), path)


def _read_pyg(path: Path) -> Columns:
    import torch
    from torch_geometric.data import Data
    from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
    from torch_geometric.data.storage import GlobalStorage

    # A file of tensors alone: nothing in it is run.
    with torch.serialization.safe_globals([Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]):
        data = torch.load(path, weights_only=True)
    return {name: data[name].numpy() for name in data.keys() if name != "num_nodes"}  # noqa: SIM118


def _write_npz(path: Path, columns: Columns) -> None:
    # Its type says that any name might be that of an option.
    arrays: Any = columns
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


def _read_npz(path: Path) -> Columns:
    if not zipfile.is_zipfile(path):
        raise ValueError("no zip archive")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _write_parquet(path: Path, columns: Columns) -> None:
    pq.write_table(pa.table({name: _lists(values) for name, values in columns.items()}), path)


def _read_parquet(path: Path) -> Columns:
    table = pq.read_table(path)
    return {name: _array(table[name].combine_chunks()) for name in table.column_names}


def _lists(values: npt.NDArray[Any]) -> pa.Array:
    """One row: the array as a list, or as a list of lists."""
    made = pa.array(values.reshape(-1))
    if values.ndim == 2:
        rows, width = values.shape
        made = pa.ListArray.from_arrays(pa.array(width * np.arange(rows + 1, dtype=np.int32)), made)
    return pa.ListArray.from_arrays(pa.array(np.array([0, len(values)], dtype=np.int32)), made)


def _array(lists: pa.Array) -> npt.NDArray[Any]:
    inner = lists.flatten()
    if not pa.types.is_list(inner.type):
        return np.array(inner.to_numpy())
    return np.array(inner.flatten().to_numpy()).reshape(len(inner), -1) if len(inner) else np.zeros((0, 0))


WRITERS: Mapping[str, Callable[[Path, Columns], None]] = {
    ".pyg": _write_pyg, ".npz": _write_npz, ".parquet": _write_parquet,
}  # fmt: skip
READERS: Mapping[str, Callable[[Path], Columns]] = {
    ".pyg": _read_pyg, ".npz": _read_npz, ".parquet": _read_parquet,
}  # fmt: skip
