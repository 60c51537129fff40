"""TrackML challenge events (arXiv 1904.06778): hits, cells, particles, truth and detectors.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smartpix import schema
from smartpix.geometry import Detector
from smartpix.hit_tables import Cells, Crossed, HitTables, Ints
from smartpix.schema import InputError
from smartpix.tables import csv_of, find_csv, open_csv, read_csv

__all__ = ["FIELD", "read_trackml_detector", "read_trackml_event", "trackml_has_truth"]

FIELD = 2.0
"""Solenoid field in T; the simulation's falls off by a few per cent towards the ends (measured from the truth)."""

PIXEL_VOLUMES = (7, 8, 9)
EXPECTED = "the columns of the TrackML challenge"
MODULE = {"volume_id": "i8", "layer_id": "i8", "module_id": "i8"}
POSITION = {"x": "f8", "y": "f8", "z": "f8"}
CELLS = {"hit_id": "i8", "ch0": "i8", "ch1": "i8", "value": "f8"}
CROSSINGS = {"hit_id": "i8", "particle_id": "i8", **dict.fromkeys(("tx", "ty", "tz", "tpx", "tpy", "tpz"), "f8")}
PARTICLES = {
    "particle_id": "i8", "particle_type": "i4", **dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz", "q"), "f8")
}  # fmt: skip


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
    types = {name: c.dtype for name, c in schema.DETECTOR.items()}
    table = open_csv(path, types, EXPECTED)
    # Strips are left out and need no good numbers.
    pixel = np.flatnonzero(np.isin(table.take({"volume_id": "i8"})["volume_id"], PIXEL_VOLUMES))
    if len(pixel) == 0:
        raise InputError(f"{path}: has no module in the pixel volumes {PIXEL_VOLUMES}")
    columns = table.take(types, pixel)
    columns["module_t"] = np.where(np.abs(columns["rot_zw"]) < 0.5, columns["module_t"] / 2, columns["module_t"])
    return Detector(columns, str(path))


def read_trackml_event(folder: Path, prefix: str, detector: Detector, has_truth: bool) -> HitTables:
    """The pixel hits of one event.

    Raises:
        InputError: missing files or columns, values that are no numbers, or hits on modules the table does not have.
    """
    hits = open_csv(csv_of(folder, f"{prefix}-hits"), {**MODULE, **POSITION, "hit_id": "i8"}, EXPECTED)
    volume = hits.take({"volume_id": "i8"})["volume_id"]
    # What is left out needs no good numbers.
    pixel = np.flatnonzero(np.isin(volume, PIXEL_VOLUMES))
    of_hits = hits.take({**MODULE, **POSITION, "hit_id": "i8"}, pixel)
    ids = of_hits["hit_id"]
    cells = open_csv(csv_of(folder, f"{prefix}-cells"), CELLS, EXPECTED)
    of_cells = cells.take(CELLS, np.flatnonzero(np.isin(cells.take({"hit_id": "i8"})["hit_id"], ids)))
    return HitTables(
        event=int(prefix.removeprefix("event")),
        hit_id=ids,
        module=detector.find_modules(*(of_hits[n] for n in MODULE)),
        position=np.stack([of_hits[a] for a in POSITION], axis=1),
        cells=Cells(of_cells["hit_id"], of_cells["ch0"], of_cells["ch1"], of_cells["value"], str(cells.path)),
        truth=_truth(folder, prefix, ids) if has_truth else None,
        where=str(hits.path),
        n_others=len(hits) - len(ids),
    )


def _truth(folder: Path, prefix: str, hit_ids: Ints) -> Crossed:
    truth = open_csv(csv_of(folder, f"{prefix}-truth"), CROSSINGS, EXPECTED)
    who = truth.take({"hit_id": "i8", "particle_id": "i8"})
    columns = truth.take(CROSSINGS, np.flatnonzero((who["particle_id"] != 0) & np.isin(who["hit_id"], hit_ids)))
    path = csv_of(folder, f"{prefix}-particles")
    table = read_csv(path, PARTICLES, EXPECTED)
    return Crossed(
        hit_id=columns["hit_id"],
        particle_id=columns["particle_id"],
        point=np.stack([columns[f"t{a}"] for a in "xyz"], axis=1),
        momentum=np.stack([columns[f"tp{a}"] for a in "xyz"], axis=1),
        order=None,
        particles={"pdg_id": table.pop("particle_type"), "charge": table.pop("q"), **table},
        where=(str(truth.path), str(path)),
    )
