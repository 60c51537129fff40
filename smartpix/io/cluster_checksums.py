"""Checksums of our cluster tables (parquet): one for each column and row group, in the footer beside the
metadata.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from smartpix.io.checksums import CRC, DAMAGED, checksum
from smartpix.rules import fields, items, parse_checked, text, whole
from smartpix.schema import InputError

__all__ = ["METADATA", "cluster_checksums", "described_checksums", "our_field"]

METADATA, SUMS = b"smartpix", b"smartpix.checksums"
FIELD_ID, FIRST_ID = b"PARQUET:field_id", 0x53500000
"""Parquet's ids of our columns count from here: a table is known for ours even where its metadata are
gone.
"""

_SUMS = fields(
    {"metadata": CRC, "columns": items(text()), "rows": items(whole(0, 2**63 - 1)), "sums": items(text())},
    more=True,
)
CHANGED = f"{DAMAGED} (or, if another program changed it, write it with smartpix.io.parquet.write_clusters)"


def our_field(k: int, name: str, kind: pa.DataType) -> Any:
    """Column ``k`` of a table of ours."""
    return pa.field(name, kind, metadata={FIELD_ID: str(FIRST_ID + k)})


def described_checksums(
    metadata: bytes, columns: Sequence[str], rows: Sequence[int], sums: Sequence[Sequence[int]]
) -> dict[bytes, bytes]:
    """The entry of the footer with the checksums.

    Args:
        metadata: the entry of the metadata; columns: (C,) names; rows: (G,) of each row group; sums: (G, C).
    """
    packed = [base64.b64encode(np.array(group, dtype="<u4").tobytes()).decode() for group in sums]
    content = {"metadata": checksum(metadata), "columns": list(columns), "rows": list(rows), "sums": packed}
    return {SUMS: json.dumps(content).encode()}


def cluster_checksums(path: Path, file: Any, meta: Mapping[str, Any]) -> dict[str, tuple[int, ...]] | None:
    """Checksums of the columns of an opened table, by row group, after its metadata and layout were found to
    be what was written.

    Args:
        meta: its checked metadata, empty for tables of others.

    Returns:
        None for tables without checksums.

    Raises:
        InputError: something is not what was written.
    """
    entries = file.metadata.metadata or {}
    first = (file.schema_arrow.field(0).metadata or {}) if len(file.schema_arrow) else {}
    written_by_us = first.get(FIELD_ID) == str(FIRST_ID).encode()
    if SUMS not in entries and not written_by_us and "checksums" not in meta:
        return None
    if SUMS not in entries or METADATA not in entries:
        raise InputError(f"{path}: its checksums are gone; {CHANGED}")
    written = parse_checked(entries[SUMS], _SUMS, f"{path}: checksums", DAMAGED)
    footer = file.metadata
    names = list(file.schema_arrow.names)
    rows = [int(footer.row_group(k).num_rows) for k in range(footer.num_row_groups)]
    kinds = [str(kind) for kind in file.schema_arrow.types]
    expected = ["float" if name.isdecimal() else "double" for name in names]
    if (
        written["metadata"] != checksum(entries[METADATA])
        or (written["columns"], written["rows"]) != (names, rows)
        or kinds != expected
    ):
        raise InputError(f"{path}: its metadata or columns are not what was written (checksum); {CHANGED}")
    try:
        table = [
            np.frombuffer(base64.b64decode(packed, validate=True), dtype="<u4").tolist()
            for packed in written["sums"]
        ]
        by_column = list(zip(*table, strict=True)) if table else [()] * len(names)
    except ValueError as error:
        raise InputError(f"{path}: its checksums are not what was written; {DAMAGED}") from error
    if len(table) != len(rows) or len(by_column) != len(names):
        raise InputError(f"{path}: its checksums are not those of its columns; {DAMAGED}")
    return dict(zip(names, by_column, strict=True))
