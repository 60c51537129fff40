"""Clusters in parquet files, in the layout of the public smart-pixel data sets.

A table has one row per cluster: image columns "0", "1", ... (slice by slice, row by row) and the label
columns of :data:`smartpix.io.cluster_set.LABELS`. Details: docs/formats.md.
:mod:`smartpix.io.cluster_tables` finds the tables, :mod:`smartpix.io.cluster_write` writes one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.io.checksums import ALGORITHM, DAMAGED, checksum
from smartpix.io.cluster_metadata import SENSOR_AND_FIELD
from smartpix.io.cluster_set import ALL_LABELS, MAY_BE_NAN, ClusterSet, check_labels, complete_labels
from smartpix.io.cluster_tables import Paths, Table, common_slices, is_cluster_file, list_tables, opened, span
from smartpix.io.cluster_write import write_clusters
from smartpix.schema import InputError, check

__all__ = [
    "SENSOR_AND_FIELD",
    "Table",
    "describe_clusters",
    "is_cluster_file",
    "list_tables",
    "read_clusters",
    "write_clusters",
]

Floats = npt.NDArray[np.float64]

COLUMNS = 256
"""Columns read at a time: 100 MB with 100,000 clusters in one row group."""


def read_clusters(
    paths: Paths,
    slices: Sequence[int] | None = None,
    start: int = 0,
    stop: int | None = None,
    shape: tuple[int, int] | None = None,
    thickness: float | None = None,
    min_rows: int = 1,
) -> ClusterSet:
    """Read clusters; only the columns of the wanted slices are touched.

    Args:
        paths: tables, ``recon3D*`` files (their ``labels*`` must lie beside them), folders of either, or
            several of these.
        slices: numbers of the wanted 200 ps slices, in the wanted order; default: all there are.
        start, stop: range of rows over all files together, as in a slice.
        shape: rows and columns of the pixel array, where neither metadata nor the number of image columns
            tell.
        thickness: of the sensor in mm, to compute midplane labels where they and the metadata are missing.
        min_rows: how many clusters are needed at least.

    Returns:
        The clusters, with those of the labels (:data:`~smartpix.io.cluster_set.ALL_LABELS`) that all files
        have, or that can be computed.

    Raises:
        InputError: files missing, damaged, without partner or of different sensors; columns missing, doubled
            or inconsistent; values that are not finite; slices or numbers of clusters that are not there.
    """
    check("clusters", "start", start, start >= 0, "0 or more")
    check("clusters", "stop", stop, stop is None or stop >= start, f"at least start ({start})")
    if thickness is not None:
        check("clusters", "thickness", thickness, 0 < thickness < math.inf, "positive (mm)")
    sources = list_tables(paths, shape)
    numbers = common_slices(sources) if slices is None else tuple(int(s) for s in slices)
    check(
        "clusters",
        "slices",
        list(numbers),
        0 < len(numbers) == len(set(numbers)),
        "one or more different slice numbers",
    )
    for source in sources:
        missing = sorted(set(numbers) - set(source.slices))
        if missing:
            raise InputError(
                f"{source.images}: slice {missing[0]} is not there; it has the slices {span(source.slices)}"
            )
    ranges = []
    seen = 0
    for source in sources:
        low = min(max(start - seen, 0), source.n_clusters)
        high = source.n_clusters if stop is None else min(max(stop - seen, low), source.n_clusters)
        ranges.append((low, high))
        seen += source.n_clusters
    n_clusters = sum(high - low for low, high in ranges)
    if n_clusters < min_rows:
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        raise InputError(
            f"{sources[0].images}{more}: {n_clusters} of {seen} clusters are chosen (start {start}, stop "
            f"{stop}) and at least {min_rows} are needed; give larger files"
        )

    tables = [
        _read_labels(source, low, high, thickness)
        for source, (low, high) in zip(sources, ranges, strict=True)
    ]
    labels = {
        name: np.concatenate([t[name] for t in tables])
        for name in ALL_LABELS
        if all(name in t for t in tables)
    }
    n_pixels = math.prod(sources[0].shape)
    charge = np.empty((n_clusters, len(numbers) * n_pixels), dtype=np.float32)
    row = 0
    for source, (low, high) in zip(sources, ranges, strict=True):
        first = [source.slices.index(s) * n_pixels for s in numbers]
        names = [str(k) for f in first for k in range(f, f + n_pixels)]
        _read_columns(source.images, names, low, high, charge[row : row + high - low], source.checksums)
        row += high - low
    return ClusterSet(charge.reshape(n_clusters, len(numbers), *sources[0].shape), labels, numbers)


def describe_clusters(paths: Paths, shape: tuple[int, int] | None = None) -> dict[str, Any]:
    """What files hold, from their footers alone.

    Args:
        paths: as in :func:`read_clusters`.
        shape: as in :func:`read_clusters`.

    Returns:
        ``n_files``, ``n_clusters``, ``slices``, ``n_rows`` and ``n_columns`` of the array, ``sensor`` (as in
        :data:`~smartpix.io.cluster_metadata.SENSOR_AND_FIELD`, None if a file does not say), ``labels`` that
        all files have, ``made_by`` and ``provenance`` (None if a file does not say or they
        differ), ``checksums`` (``none`` if a file has none).

    Raises:
        InputError: as :func:`read_clusters`, as far as the footers tell.
    """
    sources = list_tables(paths, shape)
    first = sources[0]
    return {
        "n_files": len(sources),
        "n_clusters": sum(source.n_clusters for source in sources),
        "slices": list(common_slices(sources)),
        "n_rows": first.shape[0],
        "n_columns": first.shape[1],
        "sensor": first.sensor if all(source.sensor == first.sensor for source in sources) else None,
        "labels": [name for name in ALL_LABELS if all(name in source.others for source in sources)],
        "made_by": first.made_by if all(source.made_by == first.made_by for source in sources) else None,
        "provenance": first.origin if all(source.origin == first.origin for source in sources) else None,
        "checksums": ALGORITHM if all(source.checksums is not None for source in sources) else "none",
    }


def _read_columns(
    path: Path,
    names: Sequence[str],
    first: int,
    last: int,
    out: npt.NDArray[Any],
    sums: Mapping[str, Sequence[int]] | None,
) -> None:
    """Rows ``first`` to ``last`` of some columns into ``out`` (rows, columns), as they were written where
    there are checksums.
    """
    with opened(path) as file:
        row = 0
        for group in range(file.metadata.num_row_groups):
            n_rows = int(file.metadata.row_group(group).num_rows)
            low, high = max(first - row, 0), min(last - row, n_rows)
            # Others' files may have all their rows in one group, so it is read a few columns at a time.
            for left in range(0, len(names) if low < high else 0, COLUMNS):
                chosen = names[left : left + COLUMNS]
                table = file.read_row_group(group, columns=list(chosen))
                block = np.empty((len(chosen), high - low), dtype=out.dtype)
                # What float32 cannot hold becomes infinite and is refused below.
                with np.errstate(over="ignore"):
                    for k, name in enumerate(chosen):
                        values = table.column(name).to_numpy()
                        if sums is not None and checksum(values) != sums[name][group]:
                            raise InputError(
                                f"{path}: column '{name}' of the rows {row} to {row + n_rows - 1} is not "
                                f"what was written (checksum); {DAMAGED}"
                            )
                        block[k] = values[low:high]
                _check_finite(path, chosen, block, row + low)
                out[row + low - first : row + high - first, left : left + len(chosen)] = block.T
            row += n_rows


def _check_finite(path: Path, names: Sequence[str], block: npt.NDArray[Any], first: int) -> None:
    """Check a block (columns, rows) that begins with the row ``first`` of the file."""
    bad = ~np.isfinite(block)
    bad[[name in MAY_BE_NAN for name in names]] &= ~np.isnan(block[[name in MAY_BE_NAN for name in names]])
    if bad.any():
        row = int(bad.any(axis=0).argmax())
        column = int(bad[:, row].argmax())
        raise InputError(
            f"{path}: column '{names[column]}' of row {first + row} (the first is 0) must be a finite number "
            f"and is {block[column, row]}; drop such rows from the file"
        )


def _read_labels(source: Table, low: int, high: int, thickness: float | None) -> dict[str, Floats]:
    """Labels of some rows, with those that can be computed."""
    if source.sensor is not None:
        file_thickness = source.sensor["thickness"]
        if thickness is not None and not math.isclose(thickness, file_thickness):
            raise InputError(
                f"{source.images}: is of a sensor {file_thickness} mm thick, not {thickness} mm; leave "
                "the thickness out"
            )
        thickness = file_thickness
    check_labels(source.others, thickness, str(source.labels))
    names = [name for name in ALL_LABELS if name in source.others]
    table = np.empty((high - low, len(names)))
    _read_columns(
        source.labels, names, low, high, table, source.checksums if source.labels == source.images else None
    )
    columns = dict(zip(names, np.ascontiguousarray(table.T), strict=True))
    return complete_labels(columns, thickness, str(source.labels), low)
