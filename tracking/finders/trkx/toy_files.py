"""Toy events in files: arrays in ``.npz``, or a table with a row for each event in ``.parquet``.

Both say how they were made, as JSON under the name ``smartpix``, with a checksum of all that they hold. An
array is named after its field of :class:`~tracking.finders.trkx.toys.ToyEvents`. The table has lists instead:
of ``images`` and ``all_hits`` the numbers of the pixels that are on, which count on from plane to plane.
"""

from __future__ import annotations

import json
import lzma
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from smartpix import rules
from smartpix.files import replace_when_done
from smartpix.io.checksums import checksum
from smartpix.io.cluster_tables import opened
from smartpix.networks.options import LARGEST_SEED
from smartpix.networks.weights import checksum as description_checksum
from smartpix.notebook import words_and_table
from smartpix.provenance import origin
from smartpix.schema import InputError, one_line, quoted
from smartpix.tables import parquet_writer
from tracking.finders.trkx.options import ToyOptions, plane_ranges
from tracking.finders.trkx.toys import MOST_EVENTS, NO_LINE, ToyEvents

__all__ = ["ToyFile", "check_ending", "read_toys", "write_toys"]

Arrays = Mapping[str, npt.NDArray[Any]]
Content = tuple[dict[str, Any], ToyOptions, dict[str, npt.NDArray[Any]]]
"""Metadata, the options among them, and arrays."""

FORMAT, VERSION = "smartpix toys", 1
METADATA = "smartpix"
MADE_AGAIN = "make it again with smartpix simulate toys"
HIT_LISTS = ("images", "all_hits")
DTYPES = {
    "images": "uint8",
    "wanted": "int64",
    "all_hits": "uint8",
    "parameters": "float32",
    "n_tracks": "int64",
}
"""Of the arrays."""
ROUNDING = 1e-4
"""Share of the width that the end of a line is known to."""
COLUMNS = {
    "images": pa.list_(pa.int32()), "wanted": pa.list_(pa.int32()), "all_hits": pa.list_(pa.int32()),
    "parameters": pa.list_(pa.float32()), "n_tracks": pa.int64(),
}  # fmt: skip
"""Of the table."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, KeyError,
            IndexError, TypeError, AttributeError, OverflowError, NotImplementedError, RuntimeError, MemoryError,
            SyntaxError, tokenize.TokenError)  # fmt: skip
"""What NumPy raises at damaged archives: it reads the head of an array as Python, before its checksum. A
single array has no names, and is none of a zip file's members.
"""

_CONTENT = rules.fields(
    {
        "format": rules.text(FORMAT), "version": rules.whole(VERSION, VERSION),
        "options": rules.fields({}, more=True), "seed": rules.whole(0, LARGEST_SEED),
        "first": rules.whole(0, MOST_EVENTS), "checksum": rules.text(),
    },
    more=True,
)  # fmt: skip


@words_and_table
@dataclass(frozen=True)
class ToyFile:
    """Toy events as a file has them.

    Attributes:
        options: that they were made with.
        seed: of all events.
        first: number of the first event.
        events: the events.
    """

    options: ToyOptions
    seed: int
    first: int
    events: ToyEvents


def check_ending(path: str | Path) -> None:
    """Check that a file's name says how toys are written.

    Raises:
        InputError: it ends in something else.
    """
    path = Path(path)
    if path.suffix not in _FORMATS:
        raise InputError(
            f"{path}: toys are written as {' or '.join(_FORMATS)} and not as {quoted(path.suffix)}; give the "
            "file's name one of these endings"
        )


def write_toys(path: str | Path, events: ToyEvents, options: ToyOptions, seed: int, first: int = 0) -> None:
    """Write toy events, whole or not at all; the same events give the same bytes.

    Args:
        path: file to make or replace, ``.npz`` or ``.parquet``.
        events: the events.
        options, seed, first: what they were made with, as in :func:`tracking.finders.trkx.toys.make_toys`.

    Raises:
        InputError: another ending, or the file cannot be written.
    """
    path = Path(path)
    check_ending(path)
    metadata = {
        "format": FORMAT, "version": VERSION, "options": asdict(options), "seed": int(seed),
        "first": int(first), "provenance": origin(),
    }  # fmt: skip
    arrays = {name: getattr(events, name) for name in DTYPES}
    _FORMATS[path.suffix][0](path, arrays, metadata | {"checksum": _checksum(metadata, arrays)})


def read_toys(path: str | Path) -> ToyFile:
    """Read toy events.

    Raises:
        InputError: the file is missing, damaged, of another kind, or its arrays do not fit its options.
    """
    path = Path(path)
    check_ending(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; {MADE_AGAIN}")
    metadata, options, arrays = _FORMATS[path.suffix][1](path)
    _check_arrays(path, options, arrays)
    if _checksum(metadata, arrays) != metadata["checksum"]:
        raise InputError(f"{path}: is not what was written (checksum); copy it again, or {MADE_AGAIN}")
    return ToyFile(options, metadata["seed"], metadata["first"], ToyEvents(**arrays))


def _checksum(metadata: Mapping[str, Any], arrays: Arrays) -> str:
    """Of the metadata and, in them, of the arrays: the foot of a parquet file has none of its own."""
    return description_checksum({**metadata, "arrays": {name: checksum(arrays[name]) for name in DTYPES}})


def _metadata(path: Path, content: str | bytes) -> tuple[dict[str, Any], ToyOptions]:
    """Checked metadata, and the options among them as such."""
    where = f"{path}: {METADATA}"
    found: dict[str, Any] = rules.parse_checked(content, _CONTENT, where, MADE_AGAIN)
    names = {option.name for option in fields(ToyOptions)}
    if set(found["options"]) != names:
        odd = quoted(min(names ^ set(found["options"])))
        raise InputError(f"{where}: option {odd} is unknown or missing; {MADE_AGAIN}")
    try:
        return found, ToyOptions(**found["options"])
    except InputError as error:
        raise InputError(f"{where}: {error}; {MADE_AGAIN}") from error


def _shapes(options: ToyOptions, n_events: int) -> dict[str, tuple[int, ...]]:
    hits = (n_events, options.n_planes, *options.plane_shape)
    return {
        "images": hits, "wanted": (n_events, options.n_planes), "all_hits": hits,
        "parameters": (n_events, options.max_tracks, 2), "n_tracks": (n_events,),
    }  # fmt: skip


def _check_arrays(path: Path, options: ToyOptions, arrays: Arrays) -> None:
    """Check that the arrays are what toys of these options can be."""
    shapes = _shapes(options, len(arrays["n_tracks"]) if arrays["n_tracks"].ndim else 0)
    for name, shape in shapes.items():
        found = arrays[name]
        if (found.shape, str(found.dtype)) != (shape, DTYPES[name]):
            raise InputError(
                f"{path}: {name} must be {DTYPES[name]} of shape {shape} for its options and is {found.dtype} of "
                f"shape {found.shape}; {MADE_AGAIN}"
            )
    n_pixels = int(np.prod(options.plane_shape))
    lowest, highest = (-1, -1) if options.has_lines else (0, n_pixels - 1)
    limits = {
        "images": (0, 1), "wanted": (lowest, highest), "all_hits": (0, 1), "parameters": (-np.inf, np.inf),
        "n_tracks": _track_numbers(options),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        values = arrays[name]
        if not (np.isfinite(values) & (values >= low) & (values <= high)).all():
            raise InputError(f"{path}: {name} must be from {low:g} to {high:g} and finite; {MADE_AGAIN}")
    if (arrays["images"] > arrays["all_hits"]).any():
        raise InputError(f"{path}: all_hits lack hits of the images; {MADE_AGAIN}")
    if options.has_lines:
        _check_lines(path, options, arrays)
        return
    low, high = np.array(plane_ranges(options)).T[:, :, None]
    pixels = np.arange(options.width)
    beyond = (pixels < low) | (pixels >= high)
    # Square planes have all their pixels.
    if options.kind == "variable" and arrays["all_hits"][:, beyond].any():
        raise InputError(f"{path}: all_hits have pixels beyond their planes; {MADE_AGAIN}")
    images = arrays["images"].reshape(*arrays["wanted"].shape, n_pixels)
    if not np.take_along_axis(images, arrays["wanted"][:, :, None], axis=2).all():
        raise InputError(f"{path}: images lack the wanted track, whose pixels are in wanted; {MADE_AGAIN}")


def _track_numbers(options: ToyOptions) -> tuple[float, float]:
    """Least and most tracks of an event."""
    wanted = 0 if options.has_lines else 1
    if options.background_exact:
        return wanted + options.background, wanted + options.background
    return wanted, options.max_tracks if options.has_lines else np.inf


def _check_lines(path: Path, options: ToyOptions, arrays: Arrays) -> None:
    """Check that lines begin and end within the width, in the order of their intercepts, and that all other
    rows say that there is none.
    """
    parameters = arrays["parameters"].astype(np.float64)
    there = np.arange(options.max_tracks) < arrays["n_tracks"][:, None]
    if (parameters[~there] != NO_LINE).any():
        raise InputError(
            f"{path}: parameters must be {NO_LINE:g} behind the lines of an image, as many as n_tracks; {MADE_AGAIN}"
        )
    start, slope = parameters[..., 0], parameters[..., 1]
    end = start + slope * (2 * options.n_planes / options.width)
    # Of 32 bits both are rounded.
    low, high = -ROUNDING * options.width, (1 + ROUNDING) * options.width
    fits = (start >= 0) & (start <= options.width) & (end >= low) & (end <= high)
    if not fits[there].all():
        raise InputError(
            f"{path}: parameters must be of lines that begin and end within {options.width} pixels; {MADE_AGAIN}"
        )
    if (there[:, 1:] & (np.diff(start, axis=1) < 0)).any():
        raise InputError(f"{path}: parameters must be in the order of the intercepts; {MADE_AGAIN}")


def _write_npz(path: Path, arrays: Arrays, metadata: Mapping[str, Any]) -> None:
    named: dict[str, Any] = {METADATA: np.array(json.dumps(metadata)), **arrays}
    # Of an open file NumPy leaves the name alone.
    with replace_when_done(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **named)


def _read_npz(path: Path) -> Content:
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            path.open("rb") as file,
            np.load(file) as archive,
        ):
            missing = {METADATA, *DTYPES} - set(archive.files)
            found = {name: archive[name] for name in archive.files if name in DTYPES}
            text = archive[METADATA] if METADATA in archive.files else np.array("")
    except _DAMAGED as error:
        raise InputError(
            f"{path}: not a readable .npz file ({type(error).__name__}: {one_line(str(error))}); it may be cut "
            f"off or of another kind. Copy it again, or {MADE_AGAIN}"
        ) from error
    if missing:
        raise InputError(f"{path}: array {quoted(min(missing))} is missing; {MADE_AGAIN}")
    return *_metadata(path, str(text)), found


def _write_parquet(path: Path, arrays: Arrays, metadata: Mapping[str, Any]) -> None:
    with parquet_writer(path, COLUMNS, metadata) as add:
        add({name: _as_column(name, values) for name, values in arrays.items()})


def _as_column(name: str, values: npt.NDArray[Any]) -> pa.Array:
    """An array as a column: a list of numbers for each event."""
    if values.ndim == 1:
        return pa.array(values)
    rows = values.reshape(len(values), int(np.prod(values.shape[1:])))
    if name in HIT_LISTS:
        event, rest = np.nonzero(rows)
        ends = np.searchsorted(event, np.arange(len(rows) + 1))
    else:
        rest = rows.ravel()
        ends = np.arange(len(rows) + 1) * rows.shape[1]
    inner = COLUMNS[name].value_type
    return pa.ListArray.from_arrays(pa.array(ends, type=pa.int32()), pa.array(rest).cast(inner))


def _read_parquet(path: Path) -> Content:
    with opened(path) as file:
        raw = (file.metadata.metadata or {}).get(METADATA.encode())
        if raw is None:
            raise InputError(f"{path}: its metadata do not say that it has toys; {MADE_AGAIN}")
        metadata, options = _metadata(path, raw)
        types = {column.name: column.type for column in file.schema_arrow}
        for name, wanted in COLUMNS.items():
            if types.get(name) != wanted:
                found = types.get(name, "missing")
                raise InputError(f"{path}: column '{name}' must be {wanted} and is {found}; {MADE_AGAIN}")
        table = file.read(columns=list(COLUMNS)).combine_chunks()
    shapes = _shapes(options, table.num_rows)
    arrays = {name: _of_column(path, name, table.column(name), shape) for name, shape in shapes.items()}
    return metadata, options, arrays


def _of_column(path: Path, name: str, column: pa.ChunkedArray, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A column as an array again."""
    values = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    n_values = int(np.prod(shape[1:]))
    flat = values if len(shape) == 1 else values.flatten()
    if column.null_count or flat.null_count:
        raise InputError(f"{path}: column '{name}' must have a value for each event; {MADE_AGAIN}")
    numbers = np.asarray(flat.to_numpy(zero_copy_only=False))
    if len(shape) == 1:
        return numbers.astype(DTYPES[name])
    lengths = np.diff(values.offsets.to_numpy())
    if name in HIT_LISTS:
        if ((numbers < 0) | (numbers >= n_values)).any():
            raise InputError(
                f"{path}: column '{name}' must have pixels from 0 to {n_values - 1}; {MADE_AGAIN}"
            )
        images = np.zeros((shape[0], n_values), dtype=DTYPES[name])
        images[np.repeat(np.arange(shape[0]), lengths), numbers] = 1
        return images.reshape(shape)
    if (lengths != n_values).any():
        raise InputError(f"{path}: column '{name}' must have {n_values} values for each event; {MADE_AGAIN}")
    return numbers.astype(DTYPES[name]).reshape(shape)


_FORMATS: dict[
    str,
    tuple[
        Callable[[Path, Arrays, Mapping[str, Any]], None],
        Callable[[Path], Content],
    ],
] = {".npz": (_write_npz, _read_npz), ".parquet": (_write_parquet, _read_parquet)}
"""How toys are written and read, by the ending of the file's name."""
