"""ACTS's identifiers, its ``detectors.csv`` and its geometric digitisation (JSON), as far as its files of
hits need them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.archives import files_in, read_bytes
from smartpix.geometry import STRIP, Detector, read_detector
from smartpix.schema import DETECTOR, InputError, require
from smartpix.tables import find_csv, open_csv, read_csv
from smartpix.text import parse_json

__all__ = [
    "BARCODE",
    "check_positions",
    "geometry_ids",
    "in_detector",
    "local_of",
    "pack_barcode",
    "read_acts_detector",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BARCODE = {"primary vertex": 12, "secondary vertex": 12, "particle": 16, "generation": 8, "sub-particle": 16}
"""Parts of a particle's identifier and the bits they get, first highest: ACTS's own packing until it took 128
bits.
"""
POSITION_AGREEMENT = 0.01
"""Largest distance in mm between a measurement in the file and the same local position on the table's
module.
"""
RECTANGLE, TRAPEZOID = 6, 7
GEOMETRY = (
    "volume_id",
    "layer_id",
    "module_id",
    "cx",
    "cy",
    "cz",
    *(n for n in DETECTOR if n.startswith("rot_")),
)


def geometry_ids(value: npt.NDArray[np.uint64]) -> tuple[Ints, Ints, Ints]:
    """Volume, layer and sensitive module of ACTS's geometry identifiers (8 bits at 56, 12 at 36, 20 at 8)."""
    parts = ((56, 8), (36, 12), (8, 20))
    volume, layer, module = (
        ((value >> np.uint64(shift)) & np.uint64(2**bits - 1)).astype(np.int64) for shift, bits in parts
    )  # fmt: skip
    return volume, layer, module


def pack_barcode(parts: Sequence[npt.NDArray[Any]], where: str) -> Ints:
    """One int64 for the five parts of ACTS's particle identifiers, in the order of :data:`BARCODE`.

    Raises:
        InputError: a part that does not fit into its bits.
    """
    packed = np.zeros(len(parts[0]), dtype=np.int64)
    for k, (values, (name, bits)) in enumerate(zip(parts, BARCODE.items(), strict=True)):
        numbers = np.asarray(values).astype(np.int64)
        # The highest bit would make the identifier negative.
        limit = 2 ** (bits - 1 if k == 0 else bits)
        beyond = (numbers < 0) | (numbers >= limit)
        if np.any(beyond):
            raise InputError(
                f"{where}: a particle's {name} number is {int(numbers[beyond][0])}, and 0 to {limit - 1} fit "
                "into the 64 bits of a particle_id; number them anew"
            )
        packed = (packed << bits) + numbers
    return packed


def local_of(detector: Detector, module: npt.NDArray[np.int32], loc0: Floats, loc1: Floats) -> Floats:
    """(N, 3) global positions of ACTS's local ones (along the module's u and v, mm)."""
    return detector.to_global(
        module, np.stack([loc1 * detector.v_sign[module], loc0 * detector.u_sign[module]], axis=1)
    )


def in_detector(detector: Detector, volume: Ints) -> npt.NDArray[np.bool_]:
    """(N,) whether hits are in a volume of the table; those in others (strips) are not for us."""
    return np.isin(volume, np.asarray(detector.columns["volume_id"]))


def check_positions(file: Floats, table: Floats, where: str, rows: Ints) -> None:
    """Check that the file's global positions (N, 3) are where the table has them, mm.

    Args:
        rows: (N,) numbers of their rows in the file.

    Raises:
        InputError: they are not.
    """
    distance = np.linalg.norm(file - table, axis=1)
    if np.any(distance > POSITION_AGREEMENT):
        i = int(np.argmax(distance))
        raise InputError(
            f"{where}: row {rows[i]} lies {distance[i]:.3g} mm from where the detector table puts its local "
            "position; the table is of another geometry"
        )


def read_acts_detector(folder: Path, source: Path | Detector | None) -> Detector:
    """The pixel modules for a folder of ACTS's files.

    Args:
        source: a detector, taken as it is; a module table (CSV, docs/formats.md); or ACTS's geometric
            digitisation (JSON), which gives the ``detectors.csv`` in the folder its pixels. None: what the
            folder holds, either a ``*digi*.json`` or a table with pitches.

    Raises:
        InputError: nothing that tells the pixels, or files that do not fit together.
    """
    if isinstance(source, Detector):
        return source
    if source is not None and source.suffix != ".json":
        return read_detector(source)
    path = find_csv(folder, "detectors")
    found = [p for p in files_in(folder) if fnmatch(p.name, "*digi*.json")] if source is None else [source]
    if len(found) > 1:
        raise InputError(f"{folder}: holds {len(found)} digitisation files; say which with --detector")
    if path is not None and found:
        return _with_pixels(path, found[0])
    if source is not None:
        raise InputError(
            f"{folder}: has no detectors.csv, which {source} gives the pixels for; write it with ACTS's "
            "CsvTrackingGeometryWriter, or give a module table (CSV) with --detector"
        )
    if path is not None and "bounds_type" not in read_csv(
        path, {}, "a table of modules", {"bounds_type": "i4"}
    ):
        return read_detector(path)
    raise InputError(
        f"{folder}: nothing says how large the pixels are; give --detector with ACTS's geometric "
        "digitisation (JSON) for the detectors.csv of the folder, or with a module table (CSV; `smartpix "
        "detector` makes that of the generic detector)"
    )


def _with_pixels(path: Path, digitisation: Path) -> Detector:
    types = (
        {n: DETECTOR[n].dtype for n in GEOMETRY}
        | {"bounds_type": "i4"}
        | {f"bound_param{k}": "f8" for k in range(4)}
    )
    opened = open_csv(path, types, "the columns of ACTS's CsvTrackingGeometryWriter")
    pixels = _read_digitisation(digitisation)
    names = dict.fromkeys(("volume_id", "layer_id", "module_id"), "i4")
    found: dict[int, dict[str, float]] = {}
    for row, (volume, layer, module) in enumerate(
        np.stack(list(opened.take(names).values()), axis=1).tolist()
    ):
        pixel = next(
            (
                p
                for key in ((volume, layer, module), (volume, layer, 0), (volume, 0, 0))
                if (p := pixels.get(key))
            ),
            None,
        )
        if module > 0 and pixel is not None and max(pixel["pitch_u"], pixel["pitch_v"]) <= STRIP:
            found[row] = pixel
    # Others are left out and need no good numbers.
    columns = opened.take(types, np.array(list(found), dtype=np.int64))
    sizes = []
    for k, pixel in enumerate(found.values()):
        ids = [int(columns[n][k]) for n in names]
        bounds = [float(columns[f"bound_param{i}"][k]) for i in range(4)]
        sizes.append(
            _sizes(int(columns["bounds_type"][k]), bounds, pixel, f"{path}: module {ids}", digitisation)
        )
    if not sizes:
        raise InputError(
            f"{digitisation}: describes pixels for no module of {path}; both must be of the same detector"
        )
    table = {n: columns[n] for n in GEOMETRY}
    return Detector(table | {n: np.array([s[n] for s in sizes]) for n in sizes[0]}, str(path))


def _sizes(
    kind: int, bounds: list[float], pixels: Mapping[str, float], where: str, digitisation: Path
) -> dict[str, float]:
    if kind == RECTANGLE and max(abs(bounds[0] + bounds[2]), abs(bounds[1] + bounds[3])) < 1e-4:
        low_u = high_u = bounds[2]
        half_v = bounds[3]
    elif kind == TRAPEZOID:
        low_u, high_u, half_v = bounds[:3]
    else:
        raise InputError(
            f"{where} is no centred rectangle or trapezoid (bounds_type {kind}); give a module table with "
            "--detector"
        )
    if max(abs(max(low_u, high_u) - pixels["half_u"]), abs(half_v - pixels["half_v"])) > 1e-3:
        raise InputError(
            f"{where} has half lengths {max(low_u, high_u):g} and {half_v:g} mm and its pixels in "
            f"{digitisation} fill {pixels['half_u']:g} and {pixels['half_v']:g} mm; both must be of the same "
            "detector"
        )
    sizes = {
        "module_t": pixels["thickness"] / 2,
        "module_minhu": low_u,
        "module_maxhu": high_u,
        "module_hv": half_v,
    }
    return sizes | {n: pixels[n] for n in ("pitch_u", "pitch_v")}


def _read_digitisation(path: Path) -> dict[tuple[int, int, int], dict[str, float]]:
    """Pixels by (volume, layer, module), 0 where the entry is for all of them; without two equidistant axes
    there are none.
    """
    try:
        content = parse_json(read_bytes(path))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("entries"), list):
        raise InputError(f"{path}: holds no 'entries'; give ACTS's digitisation (JSON)")
    pixels = {}
    for entry in content["entries"]:
        try:
            if any(entry.get(name) for name in ("boundary", "approach", "extra", "passive")):
                raise InputError(
                    f"{path}: an entry is for more than volume, layer and sensitive; give a module table "
                    "(CSV) instead"
                )
            key = (int(entry["volume"]), int(entry.get("layer", 0)), int(entry.get("sensitive", 0)))
            geometric = entry["value"].get("geometric")
            if geometric is None:
                continue
            require(
                list(geometric),
                ("segmentation", "thickness"),
                f"{path}: entry {key}",
                "Give ACTS's digitisation.",
            )
            axes = geometric["segmentation"]["binningdata"]
            if [(a["value"], a["type"]) for a in axes] != [("binX", "equidistant"), ("binY", "equidistant")]:
                continue
            half = [(float(a["max"]) - float(a["min"])) / 2 for a in axes]
            bins = [int(a["bins"]) for a in axes]
            thickness = float(geometric["thickness"])
            centred = np.allclose([float(a["max"]) + float(a["min"]) for a in axes], 0.0, atol=1e-3)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path}: an entry is not as ACTS writes it ({type(error).__name__}: {error})"
            ) from error
        good = centred and min(*bins, *half, thickness) > 0 and np.all(np.isfinite([*half, thickness]))
        if not good:
            raise InputError(
                f"{path}: entry {key}: bins, lengths and thickness must be positive and the axes centred"
            )
        pixels[key] = {
            "half_u": half[0], "half_v": half[1], "thickness": thickness,
            "pitch_u": 2 * half[0] / bins[0], "pitch_v": 2 * half[1] / bins[1],
        }  # fmt: skip
    return pixels
