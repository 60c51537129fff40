"""Flat tables: CSV read and written, parquet written; parquet files of clusters are :mod:`smartpix.parquet`'s."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from smartpix.files import replace_when_done
from smartpix.schema import InputError, require, whole_ids

__all__ = ["LARGEST", "checked_column", "csv_of", "find_csv", "parquet_writer", "read_csv", "write_csv"]

LARGEST = 1e20
"""Beyond this a number is no length, momentum or charge, and would overflow in single precision."""
ROW_GROUP = 50_000
"""Rows of a parquet table written together."""


def find_csv(folder: Path, stem: str) -> Path | None:
    """The file ``stem.csv`` or ``stem.csv.gz`` in a folder, if it is there."""
    return next((p for ending in (".csv", ".csv.gz") if (p := folder / f"{stem}{ending}").is_file()), None)


def csv_of(folder: Path, stem: str) -> Path:
    """The same, which must be there.

    Raises:
        InputError: it is not.
    """
    path = find_csv(folder, stem)
    if path is None:
        raise InputError(f"{folder}: '{stem}.csv' (or .csv.gz) is missing")
    return path


def read_csv(
    path: Path, wanted: Mapping[str, str], expected: str, optional: Mapping[str, str] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Columns of a CSV file (gzip by ending) as arrays of the wanted types; other columns are left out.

    Args:
        wanted: name to NumPy dtype; expected: what to name in errors; optional: more columns, taken where they are there.

    Raises:
        InputError: unreadable or cut-off file, missing column, or a value that is missing, no number, not whole where whole ones
            are wanted, not finite or too large.
    """
    # Only an empty cell is missing; "nan" is a number that is not finite, and said to be so below.
    types = {**wanted, **(optional or {})}
    options = pyarrow.csv.ConvertOptions(
        null_values=[""], column_types={name: pa.uint64() for name, dtype in types.items() if dtype == "u8"}
    )
    try:
        table = pyarrow.csv.read_csv(path, convert_options=options)
        names = table.column_names
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable CSV table ({text}); it may be cut off; expected {expected}") from error
    if len(names) == 1 and (other := next((c for c in ";\t| " if c in names[0]), None)):
        raise InputError(f"{path}: columns are separated by {other!r}; separate them by commas. Expected {expected}")
    require(names, wanted, str(path), f"Expected {expected}.")
    columns = {}
    for name, dtype in types.items():
        if name not in names:
            continue
        if names.count(name) > 1:
            raise InputError(f"{path}: column '{name}' is there {names.count(name)} times; keep one")
        column = table[name]
        if column.null_count:
            raise InputError(f"{path}: column '{name}' has {column.null_count} empty cells; fill or drop these rows")
        columns[name] = checked_column(np.asarray(column) if len(column) else np.zeros(0), dtype, str(path), name)
    return columns


def checked_column(values: npt.NDArray[Any], dtype: str, where: str, name: str) -> npt.NDArray[Any]:
    """A column of numbers in the wanted type.

    Raises:
        InputError: values that are no numbers, not finite, too large or, for a type of whole numbers, not whole.
    """
    if values.dtype.kind not in "iuf":
        wrong = next((f"the value {v!r} in row {k}" for k, v in enumerate(values.tolist()) if not _is_number(v)), None)
        raise InputError(f"{where}: column '{name}' has {wrong or f'values of type {values.dtype}'}, which is no number")
    if np.dtype(dtype).kind != "f":
        return whole_ids(values, dtype, where, name)
    if not np.all(np.isfinite(values)):
        row = int(np.argmin(np.isfinite(values)))
        raise InputError(f"{where}: column '{name}' has a value that is not finite in row {row}")
    good = np.abs(values) <= LARGEST
    if not np.all(good):
        row = int(np.argmin(good))
        raise InputError(f"{where}: column '{name}' has the value {values[row]} in row {row}, which is too large")
    return values.astype(dtype)


def _is_number(value: object) -> bool:
    """Python's own grouping of digits (1_000) is none in tables."""
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool) and "_" not in str(value)


def write_csv(path: str | Path, columns: Mapping[str, Any]) -> None:
    """Write a table as CSV (gzip if the name ends in .gz), whole or not at all."""
    table = pa.table(dict(columns))
    with (
        replace_when_done(path) as beside,
        pa.output_stream(str(beside), compression="gzip" if str(path).endswith(".gz") else None) as stream,
    ):
        pyarrow.csv.write_csv(table, stream)


@contextmanager
def parquet_writer(path: str | Path, types: Mapping[str, pa.DataType], metadata: Mapping[str, Any]) -> Iterator[Any]:
    """A new parquet table, whole or not at all; gives a function that adds rows from a mapping of columns.

    Args:
        types: of the columns, in this order.
        metadata: anything JSON can hold, written under the key ``smartpix``.
    """
    layout = pa.schema(list(types.items()))
    waiting: list[pa.Table] = []

    def write(least: int) -> None:
        if sum(map(len, waiting)) >= least:
            writer.write_table(pa.concat_tables(waiting))
            waiting.clear()

    def add(columns: Mapping[str, Any]) -> None:
        waiting.append(pa.table({n: pa.array(columns[n], type=t) for n, t in types.items()}, schema=layout))
        write(ROW_GROUP)

    with replace_when_done(path) as beside, pq.ParquetWriter(beside, layout, compression="zstd", store_schema=False) as writer:
        writer.add_key_value_metadata({b"smartpix": json.dumps(dict(metadata)).encode()})
        yield add
        write(1)
