"""ACTS's CSV files: measurements, cells, simulated hits and particles of events, as its Csv...Writer classes write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smartpix.acts_geometry import check_positions, geometry_ids, in_detector, local_of, pack_barcode
from smartpix.geometry import Detector
from smartpix.hit_tables import Cells, Columns, Crossed, HitTables, Ints
from smartpix.schema import InputError
from smartpix.tables import csv_of, find_csv, read_csv

__all__ = ["acts_has_truth", "read_acts_event"]

EXPECTED = "the columns of ACTS's CSV writers"
PARTICLES = ("particles_simulated", "particles_initial", "particles")
"""The particles that the simulation carried are taken first: its secondaries are among them."""
GLOBAL = ("global_x", "global_y", "global_z")
MEASUREMENT = ("measurement_id", "hit_id")
"""What the cells call the measurement: now, and in older versions."""
PARTS = tuple(f"particle_id_{part}" for part in ("pv", "sv", "part", "gen", "subpart"))


def acts_has_truth(folder: Path, prefixes: list[str]) -> bool:
    """Whether the events have simulated hits, their map to measurements, and particles.

    Raises:
        InputError: some have them and some have not.
    """
    parts = [[f"{p}-{kind}" for kind in group] for p in prefixes for group in (["hits"], ["measurement-simhit-map"], PARTICLES)]
    missing = [group[-1] for group in parts if all(find_csv(folder, stem) is None for stem in group)]
    if missing and len(missing) < len(parts):
        raise InputError(
            f"{folder}: '{missing[0]}.csv' (or .csv.gz) is missing; give hits, measurement-simhit-map and particles for every "
            "event, or for none"
        )
    return not missing


def read_acts_event(folder: Path, prefix: str, detector: Detector, has_truth: bool) -> HitTables:
    """The measurements of one event on the modules of the table.

    Raises:
        InputError: missing files or columns, values that are no numbers, or modules that are not in the table.
    """
    wanted = {"measurement_id": "i8", "geometry_id": "u8", "local0": "f8", "local1": "f8"}
    table = _read(folder, f"{prefix}-measurements", wanted, dict.fromkeys(GLOBAL, "f8"))
    where = str(csv_of(folder, f"{prefix}-measurements"))
    ours = in_detector(detector, geometry_ids(table["geometry_id"])[0])
    table = {n: v[ours] for n, v in table.items()}
    module = detector.find_modules(*geometry_ids(table["geometry_id"]))
    position = local_of(detector, module, table["local0"], table["local1"])
    if all(n in table for n in GLOBAL):
        check_positions(np.stack([table[n] for n in GLOBAL], axis=1), position, where)
    return HitTables(
        event=int(prefix.removeprefix("event")),
        hit_id=table["measurement_id"],
        module=module,
        position=position,
        cells=_cells(folder, f"{prefix}-cells"),
        truth=_truth(folder, prefix) if has_truth else None,
        where=where,
        n_others=int(np.sum(~ours)),
    )


def _read(folder: Path, stem: str, wanted: dict[str, str], optional: dict[str, str] | None = None) -> Columns:
    return read_csv(csv_of(folder, stem), wanted, EXPECTED, optional)


def _cells(folder: Path, stem: str) -> Cells:
    columns = {"channel0": "i8", "channel1": "i8", "value": "f8"}
    table = _read(folder, stem, columns, dict.fromkeys(MEASUREMENT, "i8"))
    where = str(csv_of(folder, stem))
    return Cells(_either(table, MEASUREMENT, where), table["channel0"], table["channel1"], table["value"], where)


def _either(table: Columns, names: tuple[str, ...], where: str) -> Ints:
    """The first of the columns that is there."""
    found = next((n for n in names if n in table), None)
    if found is None:
        raise InputError(f"{where}: has none of the columns {', '.join(names)}; expected {EXPECTED}")
    return np.asarray(table[found])


def _particle_ids(table: Columns, where: str) -> Ints:
    if all(n in table for n in PARTS):
        return pack_barcode([table[n] for n in PARTS], where)
    return _either(table, ("particle_id",), where)


def _truth(folder: Path, prefix: str) -> Crossed:
    numbers = dict.fromkeys((*PARTS, "particle_id"), "i8")
    stem = f"{prefix}-hits"
    of_hits = str(csv_of(folder, stem))
    columns = {**dict.fromkeys(("tx", "ty", "tz", "tpx", "tpy", "tpz"), "f8"), "index": "i8"}
    hits = _read(folder, stem, columns, numbers)
    particle_id = _particle_ids(hits, of_hits)
    links = _read(folder, f"{prefix}-measurement-simhit-map", {"measurement_id": "i8", "hit_id": "i8"})
    row = links["hit_id"]
    lost = (row < 0) | (row >= len(particle_id))
    if np.any(lost):
        raise InputError(
            f"{csv_of(folder, f'{prefix}-measurement-simhit-map')}: has the hit_id {int(row[lost][0])} and {of_hits} has "
            f"{len(particle_id)} rows; they are not of the same event"
        )
    kind = next(k for k in PARTICLES if find_csv(folder, f"{prefix}-{k}") is not None)
    stem = f"{prefix}-{kind}"
    of_particles = str(csv_of(folder, stem))
    starts = dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz", "q"), "f8")
    table = _read(folder, stem, {"particle_type": "i4", **starts}, numbers)
    particles = {n: table[n] for n in ("vx", "vy", "vz", "px", "py", "pz")}
    return Crossed(
        hit_id=links["measurement_id"],
        particle_id=particle_id[row],
        point=np.stack([hits[f"t{a}"][row] for a in "xyz"], axis=1),
        momentum=np.stack([hits[f"tp{a}"][row] for a in "xyz"], axis=1),
        order=hits["index"][row],
        particles=particles
        | {"particle_id": _particle_ids(table, of_particles), "pdg_id": table["particle_type"], "charge": table["q"]},
        where=(of_hits, of_particles),
    )
