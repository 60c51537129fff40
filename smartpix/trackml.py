"""TrackML challenge events (arXiv 1904.06778): hits, cells, particles, truth and detectors.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smartpix import schema
from smartpix.geometry import Detector
from smartpix.hit_tables import Cells, Columns, Crossed, HitTables
from smartpix.schema import InputError
from smartpix.tables import csv_of, find_csv, read_csv

__all__ = ["FIELD", "read_trackml_detector", "read_trackml_event", "trackml_has_truth"]

FIELD = 2.0
"""Solenoid field in T; the simulation's falls off by a few per cent towards the ends (measured from the truth)."""

PIXEL_VOLUMES = (7, 8, 9)
EXPECTED = "the columns of the TrackML challenge"


def trackml_has_truth(folder: Path, prefixes: list[str]) -> bool:
    """Whether the events have truth.

    Raises:
        InputError: some have it and some have not.
    """
    parts = [f"{p}-{kind}" for p in prefixes for kind in ("truth", "particles")]
    missing = [part for part in parts if find_csv(folder, part) is None]
    if missing and len(missing) < len(parts):
        raise InputError(
            f"{folder}: '{missing[0]}.csv' (or .csv.gz) is missing; give truth and particles for every event, or for none"
        )
    return not missing


def read_trackml_detector(path: Path) -> Detector:
    """Pixel modules of TrackML's detectors.csv.

    The file's module_t is half the thickness on the disks and, as the cells show, all of it in the barrel.

    Raises:
        InputError: as :func:`smartpix.geometry.read_csv`, or no module in the pixel volumes.
    """
    columns = read_csv(path, {name: c.dtype for name, c in schema.DETECTOR.items()}, EXPECTED)
    pixel = np.isin(columns["volume_id"], PIXEL_VOLUMES)
    if not np.any(pixel):
        raise InputError(f"{path}: has no module in the pixel volumes {PIXEL_VOLUMES}")
    columns = {name: values[pixel] for name, values in columns.items()}
    columns["module_t"] = np.where(np.abs(columns["rot_zw"]) < 0.5, columns["module_t"] / 2, columns["module_t"])
    return Detector(columns, str(path))


def read_trackml_event(folder: Path, prefix: str, detector: Detector, has_truth: bool) -> HitTables:
    """The pixel hits of one event.

    Raises:
        InputError: missing files or columns, values that are no numbers, or hits on modules the table does not have.
    """
    hits = _read(
        folder, f"{prefix}-hits",
        {"hit_id": "i8", "x": "f8", "y": "f8", "z": "f8", "volume_id": "i8", "layer_id": "i8", "module_id": "i8"},
    )  # fmt: skip
    cells = _read(folder, f"{prefix}-cells", {"hit_id": "i8", "ch0": "i8", "ch1": "i8", "value": "f8"})
    pixel = np.isin(hits["volume_id"], PIXEL_VOLUMES)
    hits = {n: v[pixel] for n, v in hits.items()}
    return HitTables(
        event=int(prefix.removeprefix("event")),
        hit_id=hits["hit_id"],
        module=detector.find_modules(hits["volume_id"], hits["layer_id"], hits["module_id"]),
        position=np.stack([hits["x"], hits["y"], hits["z"]], axis=1),
        cells=Cells(cells["hit_id"], cells["ch0"], cells["ch1"], cells["value"], str(csv_of(folder, f"{prefix}-cells"))),
        truth=_truth(folder, prefix) if has_truth else None,
        where=str(csv_of(folder, f"{prefix}-hits")),
        n_others=int(np.sum(~pixel)),
    )


def _read(folder: Path, stem: str, wanted: dict[str, str]) -> Columns:
    return read_csv(csv_of(folder, stem), wanted, EXPECTED)


def _truth(folder: Path, prefix: str) -> Crossed:
    columns = _read(
        folder, f"{prefix}-truth",
        {"hit_id": "i8", "particle_id": "i8", **{f"t{a}": "f8" for a in "xyz"}, **{f"tp{a}": "f8" for a in "xyz"}},
    )  # fmt: skip
    table = _read(
        folder, f"{prefix}-particles",
        {"particle_id": "i8", "particle_type": "i4", **dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz", "q"), "f8")},
    )  # fmt: skip
    made = columns["particle_id"] != 0
    columns = {n: v[made] for n, v in columns.items()}
    return Crossed(
        hit_id=columns["hit_id"],
        particle_id=columns["particle_id"],
        point=np.stack([columns[f"t{a}"] for a in "xyz"], axis=1),
        momentum=np.stack([columns[f"tp{a}"] for a in "xyz"], axis=1),
        order=None,
        particles={"pdg_id": table.pop("particle_type"), "charge": table.pop("q"), **table},
        where=(str(csv_of(folder, f"{prefix}-truth")), str(csv_of(folder, f"{prefix}-particles"))),
    )
