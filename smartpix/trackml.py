"""TrackML challenge events (arXiv 1904.06778) as event files: hits, cells, particles, truth and detectors.csv."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.clusters import Pixels, Truth, cluster_records, one_event
from smartpix.geometry import Detector, read_csv
from smartpix.io import Header
from smartpix.schema import InputError
from smartpix.write import write_events

__all__ = ["ELECTRONS_PER_MM", "FIELD", "convert_trackml"]

FIELD = 2.0
"""Solenoid field in T; the simulation's falls off by a few per cent towards the ends (measured from the truth)."""

PIXEL_VOLUMES = (7, 8, 9)
ELECTRONS_PER_MM = 73_000.0
"""Cell values are path lengths in mm; this many electrons per mm of silicon (most probable, about 73 per um) give a charge."""

Columns = dict[str, npt.NDArray[Any]]


def convert_trackml(folder: str | Path, output: str | Path) -> dict[str, Any]:
    """Convert the pixel part of all events in a folder.

    Args:
        folder: with ``event*-hits.csv``, ``-cells.csv`` and, where there is truth, ``-truth.csv`` and
            ``-particles.csv`` (each also as .csv.gz), and ``detectors.csv``.
        output: ROOT file to write.

    Returns:
        ``n_events``, ``n_hits``, ``truth``.

    Raises:
        InputError: missing files or columns, or hits on modules the table does not have.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that holds event*-hits.csv and detectors.csv")
    prefixes = sorted({m.group(1) for p in folder.iterdir() if (m := re.match(r"(event\d+)-hits\.csv(\.gz)?$", p.name))})
    if not prefixes:
        raise InputError(f"{folder}: holds no event*-hits.csv or .csv.gz; give a folder of TrackML events")
    detector = _detector(folder)
    parts = [f"{p}-{kind}" for p in prefixes for kind in ("truth", "particles")]
    missing = [part for part in parts if _find(folder, part) is None]
    if missing and len(missing) < len(parts):
        raise InputError(
            f"{folder}: '{missing[0]}.csv' (or .csv.gz) is missing; give truth and particles for every event, or for none"
        )
    has_truth = not missing
    counts = {"n_events": 0, "n_hits": 0}

    def events() -> Iterator[ak.Array]:
        for prefix in prefixes:
            event = _event(folder, prefix, detector, has_truth)
            counts["n_events"] += 1
            counts["n_hits"] += len(event["clusters"][0])
            yield event

    made_by = {"command": "smartpix convert trackml", "source": folder.name, "events": prefixes, "truth": has_truth}
    write_events(output, Header(detector, FIELD, (19,), made_by), events())
    return {**counts, "truth": has_truth}


def _find(folder: Path, stem: str) -> Path | None:
    for ending in (".csv", ".csv.gz"):
        if (folder / f"{stem}{ending}").is_file():
            return folder / f"{stem}{ending}"
    return None


def _read(folder: Path, stem: str, wanted: dict[str, str]) -> Columns:
    path = _find(folder, stem)
    if path is None:
        raise InputError(f"{folder}: '{stem}.csv' (or .csv.gz) is missing")
    return read_csv(path, wanted, "the columns of the TrackML challenge")


def _detector(folder: Path) -> Detector:
    """Pixel modules; the file's module_t is half the thickness on the disks and, as the cells show, all of it in the barrel."""
    columns = _read(folder, "detectors", {name: c.dtype for name, c in schema.DETECTOR.items()})
    pixel = np.isin(columns["volume_id"], PIXEL_VOLUMES)
    if not np.any(pixel):
        raise InputError(f"{folder}/detectors.csv: has no module in the pixel volumes {PIXEL_VOLUMES}")
    columns = {name: values[pixel] for name, values in columns.items()}
    columns["module_t"] = np.where(np.abs(columns["rot_zw"]) < 0.5, columns["module_t"] / 2, columns["module_t"])
    return Detector(columns)


def _event(folder: Path, prefix: str, detector: Detector, has_truth: bool) -> ak.Array:
    hits = _read(
        folder, f"{prefix}-hits",
        {"hit_id": "i8", "x": "f8", "y": "f8", "z": "f8", "volume_id": "i8", "layer_id": "i8", "module_id": "i8"},
    )  # fmt: skip
    cells = _read(folder, f"{prefix}-cells", {"hit_id": "i8", "ch0": "i8", "ch1": "i8", "value": "f8"})
    hits = {n: v[np.isin(hits["volume_id"], PIXEL_VOLUMES)] for n, v in hits.items()}
    order = np.argsort(hits["hit_id"], kind="stable")
    hits = {n: v[order] for n, v in hits.items()}
    module = detector.find_modules(hits["volume_id"], hits["layer_id"], hits["module_id"])
    number = _rows(hits["hit_id"], cells["hit_id"])
    cells = {n: v[number >= 0] for n, v in cells.items()}
    number = number[number >= 0]
    without = len(hits["hit_id"]) - len(np.unique(number))
    if without:
        raise InputError(f"{folder}/{prefix}-cells.csv: {without} pixel hits have no cell; every hit needs at least one")
    # Channels count along u and v; rows and columns along y and x of the sensor frame, which may run the other way.
    on = module[number]
    inside = (
        (cells["ch0"] >= 0) & (cells["ch0"] < detector.n_rows[on]) & (cells["ch1"] >= 0) & (cells["ch1"] < detector.n_columns[on])
    )
    if not np.all(inside):
        i = int(np.argmin(inside))
        raise InputError(
            f"{folder}/{prefix}-cells.csv: hit {cells['hit_id'][i]} has channel ({cells['ch0'][i]}, {cells['ch1'][i]}) off its "
            f"module of {detector.n_rows[on[i]]} x {detector.n_columns[on[i]]} pixels; cells and detectors.csv do not match"
        )
    row = np.where(detector.u_sign[on] > 0, cells["ch0"], detector.n_rows[on] - 1 - cells["ch0"])
    column = np.where(detector.v_sign[on] > 0, cells["ch1"], detector.n_columns[on] - 1 - cells["ch1"])
    # A cell listed twice is one pixel with both charges.
    key = (number * 100_000 + row) * 100_000 + column
    unique, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    charge = np.bincount(inverse, cells["value"] * ELECTRONS_PER_MM, len(unique))
    pixels = Pixels(
        number[first], module[number[first]], row[first].astype(np.int32), column[first].astype(np.int32),
        charge[:, None].astype(np.float32),
    )  # fmt: skip
    truth, particles = _truth(folder, prefix, detector, hits, module) if has_truth else (None, None)
    clusters = cluster_records(
        detector, pixels, truth, (19,), np.zeros((len(detector), 2)),
        hit_id=hits["hit_id"], position=np.stack([hits["x"], hits["y"], hits["z"]], axis=1),
    )  # fmt: skip
    if particles is None:
        particles = ak.zip({n: np.zeros(0, dtype=c.dtype) for n, c in schema.PARTICLES.items()})
    return one_event(int(prefix.removeprefix("event")), clusters, particles)


def _rows(ids: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Rows of ``wanted`` in the sorted ``ids``; -1 where it is not there."""
    if len(ids) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[place] == wanted, place, -1)


def _truth(folder: Path, prefix: str, detector: Detector, hits: Columns, module: npt.NDArray[np.int32]) -> tuple[Truth, ak.Array]:
    columns = _read(
        folder, f"{prefix}-truth",
        {"hit_id": "i8", "particle_id": "i8", **{f"t{a}": "f8" for a in "xyz"}, **{f"tp{a}": "f8" for a in "xyz"}},
    )  # fmt: skip
    table = _read(
        folder, f"{prefix}-particles",
        {"particle_id": "i8", "particle_type": "i4", **dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz", "q"), "f8")},
    )  # fmt: skip
    number = _rows(hits["hit_id"], columns["hit_id"])
    keep = (number >= 0) & (columns["particle_id"] != 0)
    columns, number = {n: v[keep] for n, v in columns.items()}, number[keep]
    on = module[number]
    point = np.stack([columns["tx"], columns["ty"], columns["tz"]], axis=1)
    momentum = np.stack([columns["tpx"], columns["tpy"], columns["tpz"]], axis=1)
    local = detector.to_local(on, point)
    direction = detector.direction_to_local(on, momentum)
    # The files do not number the crossings: outgoing particles cross in the order of the distance from their start.
    who = _rows(np.sort(table["particle_id"]), columns["particle_id"])
    start = np.stack([table["vx"], table["vy"], table["vz"]], axis=1)[np.argsort(table["particle_id"])]
    if np.any(who < 0):
        raise InputError(
            f"{folder}/{prefix}-truth.csv: {int(np.sum(who < 0))} hits of particles that {prefix}-particles.csv lacks"
        )
    distance = np.linalg.norm(point - start[who], axis=1)
    sort = np.lexsort((distance, columns["particle_id"]))
    ids = columns["particle_id"][sort]
    first = np.concatenate([[True], ids[1:] != ids[:-1]]) if len(ids) else np.zeros(0, dtype=bool)
    begin = np.maximum.accumulate(np.where(first, np.arange(len(ids)), 0)) if len(ids) else np.zeros(0, dtype=int)
    order = np.empty(len(ids), dtype=np.int32)
    order[sort] = np.arange(len(ids)) - begin
    truth = Truth(
        cluster=number, particle_id=columns["particle_id"], share=np.ones(len(number)), order=order,
        x=local[:, 0], y=local[:, 1],
        cot_alpha=direction[:, 0] / direction[:, 2], cot_beta=direction[:, 1] / direction[:, 2],
        pt=np.hypot(momentum[:, 0], momentum[:, 1]),
    )  # fmt: skip
    particles = ak.zip(
        {
            "particle_id": table["particle_id"], "pdg_id": table["particle_type"],
            "charge": table["q"].astype(np.float32),
            **{n: table[n].astype(np.float32) for n in ("vx", "vy", "vz", "px", "py", "pz")},
        }
    )  # fmt: skip
    return truth, particles
