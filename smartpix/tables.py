"""Flat tables: CSV read and written, parquet written; parquet files of clusters are
:mod:`smartpix.io.parquet`'s.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq

from smartpix.archives import PACKED, find_file, read_bytes
from smartpix.files import replace_when_done
from smartpix.schema import InputError, require, whole_ids

__all__ = [
    "LARGEST",
    "CsvTable",
    "checked_column",
    "csv_of",
    "find_csv",
    "open_csv",
    "parquet_writer",
    "read_csv",
    "write_csv",
]

LARGEST = 1e20
"""Beyond this a number is no length, momentum or charge, and would overflow in single precision."""
LONGEST_LINE = 1 << 20
"""Bytes of the line of a CSV table that names its columns, at most."""
ROW_GROUP = 50_000
"""Rows of a parquet table written together."""


def find_csv(folder: Path, stem: str) -> Path | None:
    """The file ``stem.csv``, or this compressed, in a folder or a zip archive, if it is there."""
    return next((p for ending in ("", *PACKED) if (p := find_file(folder, f"{stem}.csv{ending}"))), None)


def csv_of(folder: Path, stem: str) -> Path:
    """The same, which must be there.

    Raises:
        InputError: it is not.
    """
    path = find_csv(folder, stem)
    if path is None:
        raise InputError(f"{folder}: '{stem}.csv' (or .csv.gz, .csv.zst, .csv.zip) is missing")
    return path


@dataclass(frozen=True)
class CsvTable:
    """A CSV table that was read; its values are checked as they are taken.

    Attributes:
        path: what errors call it.
        columns: those that were asked for and are there.
    """

    path: Path
    columns: pa.Table

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def take(
        self, types: Mapping[str, str], rows: npt.NDArray[np.int64] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Columns as arrays of the wanted types, those of ``types`` that are there.

        Args:
            types: name to NumPy dtype; rows: numbers of the rows to take and to check; None: all.

        Raises:
            InputError: a value in these rows that is missing, no number, not whole where whole ones are
                wanted, not finite or too large.
        """
        taken = {}
        for name in types:
            if name not in self.columns.column_names:
                continue
            column = self.columns[name]
            if rows is not None:
                column = column.take(pa.array(rows, pa.int64()))
            if column.null_count:
                raise InputError(
                    f"{self.path}: column '{name}' has {column.null_count} empty cells; fill or drop these "
                    "rows"
                )
            values = _exact(column) if types[name] == "u8" else np.asarray(column)
            taken[name] = checked_column(
                values if len(column) else np.zeros(0), types[name], str(self.path), name, rows
            )
        return taken


def _exact(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Texts as numbers of up to 64 bits, as floats if one is written so, as they are if one is no number."""
    texts = pyarrow.compute.utf8_trim_whitespace(column)
    for kind in (pa.uint64(), pa.float64()):
        try:
            return np.asarray(texts.cast(kind))
        except pa.ArrowInvalid:
            continue
    return np.asarray(column)


def open_csv(
    path: Path, columns: Mapping[str, str], expected: str, optional: Mapping[str, str] | None = None
) -> CsvTable:
    """Read a CSV file: in UTF-8, with a dot in numbers whatever the locale; compressed by its ending.

    Args:
        columns: those that must be there, name to NumPy dtype; expected: what to name in errors; optional:
            more columns, taken where they are there. Others are left out, whatever is in them.

    Raises:
        InputError: unreadable or cut-off file, or a column that is missing or there twice.
    """
    content = read_bytes(path)
    names = _head(content, path, expected)
    require(names, columns, str(path), f"Expected {expected}.")
    types = {n: dtype for n, dtype in {**columns, **(optional or {})}.items() if n in names}
    for name in types:
        if names.count(name) > 1:
            raise InputError(f"{path}: column '{name}' is there {names.count(name)} times; keep one")
    options = pyarrow.csv.ConvertOptions(
        # Only an empty cell is missing; "nan" is a number that is not finite, and said to be so.
        null_values=[""],
        strings_can_be_null=True,
        include_columns=list(types) or names[:1],
        # As numbers, identifiers of 64 bits without a sign would become floats.
        column_types={name: pa.string() for name, dtype in types.items() if dtype == "u8"},
    )
    try:
        table = pyarrow.csv.read_csv(pa.BufferReader(content), convert_options=options)
    except (pa.ArrowException, OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a readable CSV table ({text}); it may be cut off; expected {expected}"
        ) from error
    return CsvTable(path, table)


def _head(content: bytes, path: Path, expected: str) -> list[str]:
    """Names of the columns."""
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\x00" in content[:200]:
        raise InputError(
            f"{path}: not a readable CSV table; it may be in UTF-16: save it in UTF-8. Expected {expected}"
        )
    # The head is read by Python's csv, as Arrow would take a table of one column for well formed.
    lines = content.lstrip(b"\r\n")[:LONGEST_LINE].splitlines() or [b""]
    try:
        names = next(csv.reader([lines[0].decode("utf-8-sig", "replace")]), [])
    except csv.Error as error:
        raise InputError(f"{path}: not a readable CSV table ({error}); expected {expected}") from error
    if not names:
        raise InputError(f"{path}: not a readable CSV table (it is empty); expected {expected}")
    if len(names) == 1 and (other := next((c for c in ";\t| " if c in names[0].strip()), None)):
        raise InputError(
            f"{path}: columns are separated by {other!r}; separate them by commas. Expected {expected}"
        )
    return names


def read_csv(
    path: Path, columns: Mapping[str, str], expected: str, optional: Mapping[str, str] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """All rows of a CSV file: :func:`open_csv` and :meth:`CsvTable.take`."""
    return open_csv(path, columns, expected, optional).take({**columns, **(optional or {})})


def checked_column(
    values: npt.NDArray[Any], dtype: str, where: str, name: str, rows: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[Any]:
    """A column of numbers in the wanted type.

    Args:
        rows: numbers that errors call the rows by; None: from 0.

    Raises:
        InputError: values that are no numbers, not finite, too large or, for a type of whole numbers, not
            whole, or floats that stand for several whole numbers.
    """
    if values.dtype.kind not in "iuf":
        wrong = next(((k, v) for k, v in enumerate(values.tolist()) if not _is_number(v)), None)
        if wrong is None:
            raise InputError(
                f"{where}: column '{name}' has values of type {values.dtype}, which is no number"
            )
        row = wrong[0] if rows is None else int(rows[wrong[0]])
        why = (
            "another head: tables were put one after the other; give them apart"
            if wrong[1] == name
            else "no number"
        )
        raise InputError(f"{where}: column '{name}' has the value {wrong[1]!r} in row {row}, which is {why}")
    if np.dtype(dtype).kind != "f":
        return whole_ids(values, dtype, where, name, rows)
    wrong_if = (
        (~np.isfinite(values), "a value that is not finite in row {row}"),
        (np.abs(values) > LARGEST, "the value {value} in row {row}, which is too large"),
    )
    for bad, what in wrong_if:
        if np.any(bad):
            k = int(np.argmax(bad))
            said = what.format(value=values[k], row=k if rows is None else int(rows[k]))
            raise InputError(f"{where}: column '{name}' has {said}")
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
    with replace_when_done(path) as beside, beside.open("wb") as file:
        # Arrow opens no path that is not UTF-8.
        if beside.suffix == ".gz":
            with pa.CompressedOutputStream(file, "gzip") as stream:
                pyarrow.csv.write_csv(table, stream)
        else:
            pyarrow.csv.write_csv(table, file)


@contextmanager
def parquet_writer(
    path: str | Path, types: Mapping[str, pa.DataType], metadata: Mapping[str, Any]
) -> Iterator[Any]:
    """A new parquet table, whole or not at all, with a checksum of each page; gives a function that adds rows
    from a mapping of columns.

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

    with (
        replace_when_done(path) as beside,
        # Arrow opens no path that is not UTF-8.
        beside.open("wb") as file,
        pq.ParquetWriter(
            file, layout, compression="zstd", store_schema=False, write_page_checksum=True
        ) as writer,
    ):
        writer.add_key_value_metadata({b"smartpix": json.dumps(dict(metadata)).encode()})
        yield add
        write(1)
