"""Parquet files in the layout of the public smart-pixel data sets. Only this module reads parquet.

A table has one row per cluster: image columns "0", "1", ... (slice by slice, row by row) and the label
    columns of
:data:`smartpix.io.cluster_set.LABELS`. The public sets come as one such table, as folders of tables
``part.*.parquet``, or as pairs ``recon3D*.parquet`` (images) and ``labels*.parquet`` with the same rows.
Details: docs/formats.md.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from smartpix.files import replace_when_done
from smartpix.io.checksums import ALGORITHM, DAMAGED, checksum
from smartpix.io.cluster_checksums import METADATA, cluster_checksums, described_checksums, our_field
from smartpix.io.cluster_set import (
    LABELS,
    LAYOUTS,
    ClusterSet,
    check_labels,
    checked_parts,
    complete_labels,
    regroup,
)
from smartpix.schema import InputError, check, check_field, require
from smartpix.text import parse_json

__all__ = [
    "SENSOR",
    "Table",
    "describe_clusters",
    "is_cluster_file",
    "list_tables",
    "read_clusters",
    "write_clusters",
]

Floats = npt.NDArray[np.float64]
Paths = str | Path | Sequence[str | Path]

SENSOR = {"pitch_x": "mm", "pitch_y": "mm", "thickness": "mm", "field": "T"}
"""What a file may say about its sensor, with units."""

FORMAT, VERSION = "smartpix clusters", 1
ROW_GROUP = 5000
"""Clusters written at a time: 110 MB with 20 slices of 13 x 21 pixels."""
COLUMNS = 256
"""Columns read at a time: 100 MB with 100,000 clusters in one row group."""

_IMAGE = re.compile("0|[1-9][0-9]*")
_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True)
class Table:
    """One table, or one of images and one of labels side by side.

    Attributes:
        images, labels: files; the same, or ``recon3D*`` and ``labels*``.
        n_clusters: rows.
        others: columns that are no images.
        slices: their numbers; shape: rows and columns of the array.
        sensor: as in :data:`SENSOR`; made_by: how it was made. None if the file does not say.
        checksums: of the columns, one for each row group; None where the file has none.
    """

    images: Path
    labels: Path
    n_clusters: int
    others: tuple[str, ...]
    slices: tuple[int, ...]
    shape: tuple[int, int]
    sensor: dict[str, float] | None
    made_by: dict[str, Any] | None
    checksums: dict[str, tuple[int, ...]] | None = None


def write_clusters(
    path: str | Path,
    clusters: ClusterSet | Iterable[ClusterSet],
    made_by: Mapping[str, Any],
    sensor: Mapping[str, float] | None = None,
) -> int:
    """Write clusters as one table, whole or not at all; the same clusters give the same bytes, however they
    are chunked.

    Args:
        path: file to make or replace.
        clusters: a set, or parts of one that are taken one after the other and need not fit into memory
            together.
        made_by: how they were made; anything JSON can hold.
        sensor: as in :data:`SENSOR`.

    Returns:
        The number of clusters written.

    Raises:
        InputError: the folder cannot be written, there are no clusters, a part differs from the first one in
            slices, shape or labels, or a value is not finite.
    """
    path = Path(path)
    told = None if sensor is None else _checked_sensor(f"{path}: sensor", sensor)
    n_clusters = 0
    # Arrow opens no path that is not UTF-8, Python does.
    with replace_when_done(path) as beside, beside.open("wb") as file:
        parts = checked_parts((clusters,) if isinstance(clusters, ClusterSet) else clusters, str(path))
        first = next(parts)
        names = [name for name in LABELS if name in first.labels]
        n_images = math.prod(first.charge.shape[1:])
        kinds = {str(k): pa.float32() for k in range(n_images)} | {name: pa.float64() for name in names}
        layout = pa.schema([our_field(k, name, kind) for k, (name, kind) in enumerate(kinds.items())])
        meta = {
            "format": FORMAT,
            "version": VERSION,
            "slices": [int(s) for s in first.slices],
            "shape": list(first.charge.shape[2:]),
            "sensor": told,
            "made_by": dict(made_by),
            "checksums": ALGORITHM,
        }
        sums: list[list[int]] = []
        rows: list[int] = []
        # Charges are zero or differ: dictionaries would make the file larger, statistics and Arrow's schema
        # only its footer.
        writer = pq.ParquetWriter(
            file, layout, compression="zstd", use_dictionary=False, write_statistics=False,
            store_schema=False,
            write_page_checksum=True,
        )  # fmt: skip
        with writer:
            for group in regroup(chain((first,), parts), ROW_GROUP):
                images = np.concatenate(
                    [part.charge.reshape(len(part), n_images) for part in group], dtype=np.float32
                )
                labels = [
                    np.concatenate([part.labels[name] for part in group], dtype=np.float64) for name in names
                ]
                columns = (*np.ascontiguousarray(images.T), *labels)
                rows.append(len(images))
                sums.append([checksum(column) for column in columns])
                arrays = [pa.array(column) for column in columns]
                writer.write_table(pa.Table.from_arrays(arrays, schema=layout), row_group_size=ROW_GROUP)
                n_clusters += len(images)
            text = json.dumps(meta).encode()
            writer.add_key_value_metadata(
                {METADATA: text, **described_checksums(text, list(kinds), rows, sums)}
            )
    return n_clusters


def is_cluster_file(path: str | Path) -> bool:
    """Whether a path is meant for :func:`read_clusters`: a ``.parquet`` file or a folder with such files."""
    path = Path(path)
    return any(path.glob("*.parquet")) if path.is_dir() else path.suffix == ".parquet"


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
        The clusters, with those of the :data:`~smartpix.io.cluster_set.LABELS` that all files have, or that
        can be computed.

    Raises:
        InputError: files missing, damaged, without partner or of different sensors; columns missing, doubled
            or inconsistent; values that are not finite; slices or numbers of clusters that are not there.
    """
    check("clusters", "start", start, start >= 0, "0 or more")
    check("clusters", "stop", stop, stop is None or stop >= start, f"at least start ({start})")
    if thickness is not None:
        check("clusters", "thickness", thickness, 0 < thickness < math.inf, "positive (mm)")
    sources = list_tables(paths, shape)
    wanted = _common_slices(sources) if slices is None else tuple(int(s) for s in slices)
    check(
        "clusters",
        "slices",
        list(wanted),
        0 < len(wanted) == len(set(wanted)),
        "one or more different slice numbers",
    )
    for source in sources:
        missing = sorted(set(wanted) - set(source.slices))
        if missing:
            raise InputError(
                f"{source.images}: slice {missing[0]} is not there; it has the slices "
                f"{_ranges(source.slices)}"
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
            f"{stop}) and at least "
            f"{min_rows} are needed; give larger files"
        )

    tables = [
        _read_labels(source, low, high, thickness)
        for source, (low, high) in zip(sources, ranges, strict=True)
    ]
    labels = {
        name: np.concatenate([t[name] for t in tables]) for name in LABELS if all(name in t for t in tables)
    }
    n_pixels = math.prod(sources[0].shape)
    charge = np.empty((n_clusters, len(wanted) * n_pixels), dtype=np.float32)
    row = 0
    for source, (low, high) in zip(sources, ranges, strict=True):
        first = [source.slices.index(s) * n_pixels for s in wanted]
        names = [str(k) for f in first for k in range(f, f + n_pixels)]
        _read_columns(source.images, names, low, high, charge[row : row + high - low], source.checksums)
        row += high - low
    return ClusterSet(charge.reshape(n_clusters, len(wanted), *sources[0].shape), labels, wanted)


def describe_clusters(paths: Paths, shape: tuple[int, int] | None = None) -> dict[str, Any]:
    """What files hold, from their footers alone.

    Args:
        paths: as in :func:`read_clusters`.
        shape: as in :func:`read_clusters`.

    Returns:
        ``n_files``, ``n_clusters``, ``slices``, ``n_rows`` and ``n_columns`` of the array, ``sensor`` (as in
        :data:`SENSOR`, None if a file does not say), ``labels`` that all files have, ``made_by`` (None if a
        file does not say or they differ), ``checksums`` (``none`` if a file has none).

    Raises:
        InputError: as :func:`read_clusters`, as far as the footers tell.
    """
    sources = list_tables(paths, shape)
    first = sources[0]
    return {
        "n_files": len(sources),
        "n_clusters": sum(source.n_clusters for source in sources),
        "slices": list(_common_slices(sources)),
        "n_rows": first.shape[0],
        "n_columns": first.shape[1],
        "sensor": first.sensor if all(source.sensor == first.sensor for source in sources) else None,
        "labels": [name for name in LABELS if all(name in source.others for source in sources)],
        "made_by": first.made_by if all(source.made_by == first.made_by for source in sources) else None,
        "checksums": ALGORITHM if all(source.checksums is not None for source in sources) else "none",
    }


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers as a person writes them: ``0 to 19``, ``0, 19``."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(str(n) for n in numbers)


def _common_slices(sources: Sequence[Table]) -> tuple[int, ...]:
    for source in sources:
        if source.slices != sources[0].slices:
            raise InputError(
                f"{source.images}: has the slices {_ranges(source.slices)} and {sources[0].images} has "
                f"{_ranges(sources[0].slices)}; choose slices that both have"
            )
    return sources[0].slices


def list_tables(paths: Paths, shape: tuple[int, int] | None = None) -> list[Table]:
    """Tables behind files and folders, in the order in which :func:`read_clusters` reads them; all of one
    shape and one sensor.

    Args:
        paths, shape: as in :func:`read_clusters`.

    Raises:
        InputError: as :func:`read_clusters`, as far as the footers tell.
    """
    sources = [_open_table(file, shape) for file in _files(paths)]
    known = next((source for source in sources if source.sensor is not None), None)
    for source in sources:
        if source.shape != sources[0].shape:
            raise InputError(
                f"{source.images}: has images of {_by(source.shape)} pixels and {sources[0].images} of "
                f"{_by(sources[0].shape)}; "
                "give files of one data set"
            )
        if known is not None and source.sensor is not None and source.sensor != known.sensor:
            raise InputError(
                f"{source.images}: is of the sensor {json.dumps(source.sensor)} and {known.images} of "
                f"{json.dumps(known.sensor)}; give files of one sensor"
            )
    return sources


def _files(paths: Paths) -> list[Path]:
    """Tables and ``recon3D*`` files that are meant by files and folders."""
    given = [Path(p) for p in ([paths] if isinstance(paths, (str, Path)) else paths)]
    if not given:
        raise InputError("clusters: no files are given; give parquet files, or folders of them")
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = [p for p in path.glob("*.parquet") if p.is_file() and p.name[0] not in "._"]
            usable = [p for p in inside if not p.name.startswith("recon2D")]
            if not usable:
                reason = (
                    "only recon2D* files, which are the last slice alone" if inside else "no .parquet file"
                )
                raise InputError(
                    f"{path}: holds {reason}; give a folder of tables, or of recon3D* and labels* files"
                )
            found += sorted(usable, key=_natural)
        elif path.name.startswith("recon2D"):
            raise InputError(
                f"{path}: recon2D* files are the last slice alone and are not read; give the recon3D* file"
            )
        else:
            found.append(path)
    for path in found:
        if path.name.startswith("labels") and _renamed(path, "labels", "recon3D") not in found:
            images = _renamed(path, "labels", "recon3D").name
            raise InputError(
                f"{path}: {images} is not among the files, and labels alone are no clusters; give the "
                f"recon3D* file, its "
                "labels are found beside it"
            )
    return [path for path in found if not path.name.startswith("labels")]


def _natural(path: Path) -> list[str | int]:
    """Sorting key that puts part.2 before part.10."""
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"([0-9]+)", path.name)]


def _renamed(path: Path, before: str, after: str) -> Path:
    return path.with_name(after + path.name.removeprefix(before))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    try:
        # Arrow opens no path that is not UTF-8, Python does.
        with path.open("rb") as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
            yield file
    except _DAMAGED as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise InputError(
            f"{path}: not a readable parquet file ({reason}); it may be cut off or of another kind. Copy or "
            f"make it again"
        ) from error


def _open_table(path: Path, shape: tuple[int, int] | None) -> Table:
    """Check the columns of a table, or of a ``recon3D*`` file and its labels."""
    with _opened(path) as file:
        n_clusters = int(file.metadata.num_rows)
        n_images, others = _columns(path, file.schema_arrow)
        meta = _metadata(path, (file.metadata.metadata or {}).get(METADATA))
        sums = cluster_checksums(path, file, meta)
    labels = _renamed(path, "recon3D", "labels")
    if path.name.startswith("recon3D") and labels.exists():
        with _opened(labels) as file:
            n_labels = int(file.metadata.num_rows)
            others = _columns(labels, file.schema_arrow)[1]
        if n_labels != n_clusters:
            raise InputError(
                f"{labels}: has {n_labels} rows and {path.name} has {n_clusters}; one of them is cut off or "
                f"filtered, make both "
                "again"
            )
    elif path.name.startswith("recon3D") and not set(others) & set(LABELS):
        raise InputError(f"{path}: its labels are missing; put {labels.name} beside it")
    else:
        labels = path
    pixels, slices = _layout(path, n_images, others, meta, shape)
    return Table(
        path, labels, n_clusters, others, slices, pixels, meta.get("sensor"), meta.get("made_by"), sums
    )


def _columns(path: Path, columns: Any) -> tuple[int, tuple[str, ...]]:
    """Number of image columns, which are numbered without gaps, and names of the others."""
    names = list(columns.names)
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise InputError(
            f"{path}: column '{doubled}' is there {names.count(doubled)} times; keep the right one"
        )
    for name, kind in zip(names, columns.types, strict=True):
        if (name in LABELS or _IMAGE.fullmatch(name)) and not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind)
        ):
            raise InputError(
                f"{path}: column '{name}' must hold numbers and is of type {kind}; convert it to float32"
            )
    numbers = {int(name) for name in names if _IMAGE.fullmatch(name)}
    missing = sorted(set(range(len(numbers))) - numbers)
    if missing:
        raise InputError(
            f"{path}: image column '{missing[0]}' is missing ({len(numbers)} image columns up to "
            f"'{max(numbers)}' are there); "
            "write the file again with all of them"
        )
    return len(numbers), tuple(name for name in names if not _IMAGE.fullmatch(name))


def _layout(
    path: Path, n_images: int, others: Sequence[str], meta: Mapping[str, Any], shape: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Rows and columns of the array and slice numbers: from the metadata, the argument, or the number of
    image columns.
    """
    if n_images == 0:
        raise InputError(
            f"{path}: has no image columns '0', '1', ...; it has {', '.join(others[:6])}. "
            "Give a table with images (those of a run hold none)"
        )
    if meta:
        pixels, slices = meta["shape"], meta["slices"]
        if shape is not None and tuple(shape) != pixels:
            raise InputError(
                f"{path}: has images of {_by(pixels)} pixels, not {_by(shape)}; leave the shape out"
            )
        expected = math.prod(pixels) * len(slices)
        if n_images != expected:
            raise InputError(
                f"{path}: has {n_images} image columns and by its metadata must have {expected} (slices "
                f"{_ranges(slices)} of "
                f"{_by(pixels)} pixels); write it again with all of them"
            )
        return pixels, slices
    if shape is not None:
        check(
            "clusters",
            "shape",
            shape,
            len(shape) == 2 and min(shape) >= 1,
            "two numbers above 0: rows and columns",
        )
        if n_images % math.prod(shape):
            raise InputError(
                f"{path}: has {n_images} image columns, which are no whole number of slices of {_by(shape)} "
                f"pixels"
            )
        return (shape[0], shape[1]), tuple(range(n_images // math.prod(shape)))
    if n_images not in LAYOUTS:
        known = ", ".join(f"{n}: {s} slices of {r} x {c} pixels" for n, (s, r, c) in LAYOUTS.items())
        raise InputError(
            f"{path}: has {n_images} image columns and thus none of the known layouts ({known}); if none are "
            f"missing, give the "
            "shape of the array: shape=(rows, columns)"
        )
    n_slices, n_rows, n_columns = LAYOUTS[n_images]
    return (n_rows, n_columns), tuple(range(n_slices))


def _by(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)


def _metadata(path: Path, text: bytes | None) -> dict[str, Any]:
    """Checked content of our metadata; empty for files of others."""
    if text is None:
        return {}
    try:
        meta = parse_json(text)
    except ValueError as error:
        raise InputError(
            f"{path}: its 'smartpix' metadata are no JSON ({error}); write the file again"
        ) from error
    if not isinstance(meta, dict) or (meta.get("format"), meta.get("version")) != (FORMAT, VERSION):
        raise InputError(
            f"{path}: its 'smartpix' metadata are not '{FORMAT}' of version {VERSION}; "
            "write the file again (tracks and edges of a run hold no clusters)"
        )
    where = f"{path}: metadata"
    require(list(meta), ("slices", "shape", "sensor", "made_by"), where, "Write the file again.")
    slices, shape = (_whole_numbers(meta[name]) for name in ("slices", "shape"))
    good = len(slices) == len(set(slices)) > 0 and min(slices) >= 0
    check(where, "slices", meta["slices"], good, "a list of different whole numbers")
    check(
        where,
        "shape",
        meta["shape"],
        len(shape) == 2 and min(shape) >= 1,
        "two numbers above 0: rows and columns",
    )
    check(where, "made_by", meta["made_by"], isinstance(meta["made_by"], dict), "an object")
    sensor = None if meta["sensor"] is None else _checked_sensor(f"{where}: sensor", meta["sensor"])
    known = {"slices": slices, "shape": shape, "sensor": sensor, "made_by": meta["made_by"]}
    return known | ({"checksums": meta["checksums"]} if "checksums" in meta else {})


def _whole_numbers(values: object) -> tuple[int, ...]:
    """A JSON list of integers; empty for anything else."""
    return tuple(values) if isinstance(values, list) and all(type(value) is int for value in values) else ()


def _checked_sensor(where: str, sensor: Mapping[str, float]) -> dict[str, float]:
    units = ", ".join(f"{name} ({unit})" for name, unit in SENSOR.items())
    if not isinstance(sensor, Mapping):
        raise InputError(f"{where} must be an object with {units} and is {sensor!r}")
    require(list(sensor), SENSOR, where, f"It needs {units}.")
    check_field(where, sensor["field"])
    for name in (n for n in SENSOR if n != "field"):
        good = isinstance(sensor[name], (int, float)) and 0 < sensor[name] < math.inf
        check(where, name, sensor[name], good, f"a positive number, as in {units}")
    return {name: float(sensor[name]) for name in SENSOR}


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
    with _opened(path) as file:
        row = 0
        for group in range(file.metadata.num_row_groups):
            n_rows = int(file.metadata.row_group(group).num_rows)
            low, high = max(first - row, 0), min(last - row, n_rows)
            # Others' files may have all their rows in one group, so it is read a few columns at a time.
            for left in range(0, len(names) if low < high else 0, COLUMNS):
                some = names[left : left + COLUMNS]
                table = file.read_row_group(group, columns=list(some))
                block = np.empty((len(some), high - low), dtype=out.dtype)
                with np.errstate(
                    over="ignore"
                ):  # what float32 cannot hold becomes infinite and is refused below
                    for k, name in enumerate(some):
                        values = table.column(name).to_numpy()
                        if sums is not None and checksum(values) != sums[name][group]:
                            raise InputError(
                                f"{path}: column '{name}' of the rows {row} to {row + n_rows - 1} is not "
                                f"what was written "
                                f"(checksum); {DAMAGED}"
                            )
                        block[k] = values[low:high]
                _check_finite(path, some, block, row + low)
                out[row + low - first : row + high - first, left : left + len(some)] = block.T
            row += n_rows


def _check_finite(path: Path, names: Sequence[str], block: npt.NDArray[Any], first: int) -> None:
    """Check a block (columns, rows) that begins with the row ``first`` of the file."""
    bad = ~np.isfinite(block)
    if bad.any():
        row = int(bad.any(axis=0).argmax())
        column = int(bad[:, row].argmax())
        raise InputError(
            f"{path}: column '{names[column]}' of row {first + row} (the first is 0) must be a finite number "
            f"and is "
            f"{block[column, row]}; drop such rows from the file"
        )


def _read_labels(source: Table, low: int, high: int, thickness: float | None) -> dict[str, Floats]:
    """Labels of some rows, with those that can be computed."""
    if source.sensor is not None:
        known = source.sensor["thickness"]
        if thickness is not None and not math.isclose(thickness, known):
            raise InputError(
                f"{source.images}: is of a sensor {known} mm thick, not {thickness} mm; leave the thickness "
                f"out"
            )
        thickness = known
    check_labels(source.others, thickness, str(source.labels))
    names = [name for name in LABELS if name in source.others]
    table = np.empty((high - low, len(names)))
    _read_columns(
        source.labels, names, low, high, table, source.checksums if source.labels == source.images else None
    )
    columns = dict(zip(names, np.ascontiguousarray(table.T), strict=True))
    return complete_labels(columns, thickness, str(source.labels), low)
