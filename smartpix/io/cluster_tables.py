"""Tables of clusters (parquet) behind files and folders: which there are, and what their footers say.

The public data sets come as one table, as folders of tables ``part.*.parquet``, or as pairs
``recon3D*.parquet`` (images) and ``labels*.parquet`` with the same rows.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from smartpix.io.cluster_checksums import METADATA, cluster_checksums
from smartpix.io.cluster_metadata import read_metadata
from smartpix.io.cluster_set import ALL_LABELS, LABELS, LAYOUTS
from smartpix.schema import InputError, check

__all__ = ["Paths", "Table", "common_slices", "is_cluster_file", "list_tables", "opened", "span"]

Paths = str | Path | Sequence[str | Path]

SIGNAL = "signal_"
"""Before the names of files of the sets for filters, whose particles are those that a chip keeps."""
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
        sensor: as in :data:`smartpix.io.cluster_metadata.SENSOR_AND_FIELD`; made_by: how it was made. None if
            the file does not say.
        origin: versions that wrote it (:func:`smartpix.provenance.origin`); None if the file does not say.
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
    origin: dict[str, Any] | None
    checksums: dict[str, tuple[int, ...]] | None = None


def is_cluster_file(path: str | Path) -> bool:
    """Whether a path is meant for :func:`read_clusters`: a ``.parquet`` file or a folder with such files."""
    path = Path(path)
    return any(path.glob("*.parquet")) if path.is_dir() else path.suffix == ".parquet"


def list_tables(paths: Paths, shape: tuple[int, int] | None = None) -> list[Table]:
    """Tables behind files and folders, in the order in which :func:`read_clusters` reads them; all of one
    shape and one sensor.

    Args:
        paths, shape: as in :func:`read_clusters`.

    Raises:
        InputError: as :func:`read_clusters`, as far as the footers tell.
    """
    sources = [_open_table(file, shape) for file in _files(paths)]
    first = next((source for source in sources if source.sensor is not None), None)
    for source in sources:
        if source.shape != sources[0].shape:
            raise InputError(
                f"{source.images}: has images of {_by(source.shape)} pixels and {sources[0].images} of "
                f"{_by(sources[0].shape)}; give files of one data set"
            )
        if first is not None and source.sensor is not None and source.sensor != first.sensor:
            raise InputError(
                f"{source.images}: is of the sensor {json.dumps(source.sensor)} and {first.images} of "
                f"{json.dumps(first.sensor)}; give files of one sensor"
            )
    return sources


def _files(paths: Paths) -> list[Path]:
    """Tables and ``recon3D*`` files that are meant by files and folders."""
    roots = [Path(p) for p in ([paths] if isinstance(paths, (str, Path)) else paths)]
    if not roots:
        raise InputError("clusters: no files are given; give parquet files, or folders of them")
    found: list[Path] = []
    for path in roots:
        if path.is_dir():
            # Hidden files are not the user's: macOS and Spark leave them beside tables.
            inside = [p for p in path.glob("*.parquet") if p.is_file() and p.name[0] not in "._"]
            usable = [p for p in inside if not _is(p, "recon2D")]
            if not usable:
                reason = (
                    "only recon2D* files, which are the last slice alone" if inside else "no .parquet file"
                )
                raise InputError(
                    f"{path}: holds {reason}; give a folder of tables, or of recon3D* and labels* files"
                )
            found += sorted(usable, key=_natural)
        elif _is(path, "recon2D"):
            raise InputError(
                f"{path}: recon2D* files are the last slice alone and are not read; give the recon3D* file"
            )
        else:
            found.append(path)
    for path in found:
        if _is(path, "labels") and _renamed(path, "labels", "recon3D") not in found:
            images = _renamed(path, "labels", "recon3D").name
            raise InputError(
                f"{path}: {images} is not among the files, and labels alone are no clusters; give the "
                "recon3D* file, its labels are found beside it"
            )
    return [path for path in found if not _is(path, "labels")]


def _natural(path: Path) -> list[str | int]:
    """Sorting key that puts part.2 before part.10."""
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"([0-9]+)", path.name)]


def _is(path: Path, part: str) -> bool:
    """Whether a file is called as a part of a data set, as ``recon3D_d1.parquet`` or
    ``signal_recon3D_d1.parquet``.
    """
    return path.name.removeprefix(SIGNAL).startswith(part)


def _renamed(path: Path, before: str, after: str) -> Path:
    prefix = SIGNAL if path.name.startswith(SIGNAL) else ""
    return path.with_name(prefix + after + path.name.removeprefix(prefix).removeprefix(before))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A parquet file; whatever reading a damaged one raises is one error.

    Raises:
        InputError: it is missing, damaged or of another kind.
    """
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
            "make it again"
        ) from error


def _open_table(path: Path, shape: tuple[int, int] | None) -> Table:
    """Check the columns of a table, or of a ``recon3D*`` file and its labels."""
    with opened(path) as file:
        n_clusters = int(file.metadata.num_rows)
        n_images, others = _columns(path, file.schema_arrow)
        meta = read_metadata(path, (file.metadata.metadata or {}).get(METADATA))
        sums = cluster_checksums(path, file, meta)
    labels = _renamed(path, "recon3D", "labels")
    if _is(path, "recon3D") and labels.exists():
        with opened(labels) as file:
            n_labels = int(file.metadata.num_rows)
            others = _columns(labels, file.schema_arrow)[1]
        if n_labels != n_clusters:
            raise InputError(
                f"{labels}: has {n_labels} rows and {path.name} has {n_clusters}; one of them is cut off or "
                "filtered, make both again"
            )
    elif _is(path, "recon3D") and not set(others) & set(LABELS):
        raise InputError(f"{path}: its labels are missing; put {labels.name} beside it")
    else:
        labels = path
    pixels, slices = _layout(path, n_images, others, meta, shape)
    return Table(
        path, labels, n_clusters, others, slices, pixels, meta.get("sensor"), meta.get("made_by"),
        meta.get("provenance"), sums,
    )  # fmt: skip


def _columns(path: Path, columns: Any) -> tuple[int, tuple[str, ...]]:
    """Number of image columns, which are numbered without gaps, and names of the others."""
    names = list(columns.names)
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise InputError(
            f"{path}: column '{doubled}' is there {names.count(doubled)} times; keep the right one"
        )
    for name, kind in zip(names, columns.types, strict=True):
        if (name in ALL_LABELS or _IMAGE.fullmatch(name)) and not (
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
            f"'{max(numbers)}' are there); write the file again with all of them"
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
            f"{path}: has no image columns '0', '1', ...; it has {', '.join(others[:6])}. Give a table with "
            "images (those of a run hold none)"
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
                f"{span(slices)} of {_by(pixels)} pixels); write it again with all of them"
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
                "pixels"
            )
        return (shape[0], shape[1]), tuple(range(n_images // math.prod(shape)))
    # The number of columns alone: the public sets have no metadata.
    if n_images not in LAYOUTS:
        layouts = ", ".join(f"{n}: {s} slices of {r} x {c} pixels" for n, (s, r, c) in LAYOUTS.items())
        raise InputError(
            f"{path}: has {n_images} image columns and thus none of the known layouts ({layouts}); if none "
            "are missing, give the shape of the array: shape=(rows, columns)"
        )
    n_slices, n_rows, n_columns = LAYOUTS[n_images]
    return (n_rows, n_columns), tuple(range(n_slices))


def _by(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)


def span(numbers: Sequence[int]) -> str:
    """Numbers as a person writes them: ``0 to 19``, ``0, 19``."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(str(n) for n in numbers)


def common_slices(sources: Sequence[Table]) -> tuple[int, ...]:
    """Slices of tables, which all must have the same.

    Raises:
        InputError: they differ.
    """
    for source in sources:
        if source.slices != sources[0].slices:
            raise InputError(
                f"{source.images}: has the slices {span(source.slices)} and {sources[0].images} has "
                f"{span(sources[0].slices)}; choose slices that both have"
            )
    return sources[0].slices
