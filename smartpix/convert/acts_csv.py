"""Format ``acts-csv``, ACTS's CSV files: measurements, cells, simulated hits and particles of events, as its
Csv...Writer classes write them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartpix.convert.acts_geometry import (
    check_positions,
    geometry_ids,
    in_detector,
    local_of,
    pack_barcode,
    read_acts_detector,
)
from smartpix.convert.csv_events import INPUTS, all_or_none, event_number, event_tables, sorted_prefixes
from smartpix.convert.format import ConvertOptions, Format, Found, JoinedTable, Source
from smartpix.convert.hit_tables import (
    Cells,
    Columns,
    Crossed,
    HitTables,
    Ints,
    Unmatched,
    check_ids,
    rows_of,
)
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.tables import csv_of, find_csv, open_csv, read_csv

__all__ = ["FORMAT", "find", "read", "read_acts_event"]

EXPECTED = "the columns of ACTS's CSV writers"
PARTICLES = ("particles_simulated", "particles_initial", "particles")
"""The particles that the simulation carried are taken first: its secondaries are among them."""
GLOBAL = ("global_x", "global_y", "global_z")
MEASUREMENT = ("measurement_id", "hit_id")
"""What the cells call the measurement: now, and in older versions."""
MEASUREMENTS = {"measurement_id": "i8", "geometry_id": "u8", "local0": "f8", "local1": "f8"}
CELLS = {"channel0": "i4", "channel1": "i4", "value": "f8"}
CROSSINGS = {**dict.fromkeys(("tx", "ty", "tz", "tpx", "tpy", "tpz"), "f8"), "index": "i8"}
PARTICLE = {"particle_type": "i4", **dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz", "q"), "f8")}
PARTS = tuple(f"particle_id_{part}" for part in ("pv", "sv", "part", "gen", "subpart"))


def find(path: Path) -> Found | None:
    """Events with a table of measurements.

    Raises:
        InputError: two events have the same number, or an archive cannot be read.
    """
    folder, events = event_tables(path)
    prefixes = [prefix for prefix, tables in events.items() if "measurements" in tables]
    return Found(FORMAT, folder, sorted_prefixes(prefixes, folder)) if prefixes else None


def read(found: Found, options: ConvertOptions) -> Source:
    """The events' detector and whether they have truth; the events when they are asked for.

    Raises:
        InputError: nothing tells the pixels, or truth of some of the events alone.
    """
    detector = read_acts_detector(found.path, options.detector)
    tables = {
        "hits": ("hits",),
        "measurement-simhit-map": ("measurement-simhit-map",),
        "particles": PARTICLES,
    }
    names = "hits, measurement-simhit-map and particles"
    truth = options.truth and all_or_none(found.path, found.prefixes, tables, names)
    prefixes = {event_number(prefix): prefix for prefix in found.prefixes}
    return Source(
        detector,
        tuple(prefixes),
        lambda number: read_acts_event(found.path, prefixes[number], detector, truth),
        truth,
    )


FORMAT = Format(
    "acts-csv", "ACTS events (CSV)", "event*-measurements.csv", find, read, INPUTS,
    JoinedTable("measurements", "measurement_id"),
)  # fmt: skip


def read_acts_event(folder: Path, prefix: str, detector: Detector, has_truth: bool) -> HitTables:
    """The measurements of one event on the modules of the table.

    Raises:
        InputError: missing files or columns, values that are no numbers, or modules that are not in the
            table, ids that cannot be, or links to simulated hits without rows.
    """
    table = open_csv(
        csv_of(folder, f"{prefix}-measurements"), MEASUREMENTS, EXPECTED, dict.fromkeys(GLOBAL, "f8")
    )
    of_all = table.take({"geometry_id": "u8", "measurement_id": "i8"})
    geometry, all_ids = of_all["geometry_id"], of_all["measurement_id"]
    check_ids(all_ids, 0, str(table.path), "measurement_id")
    # What is left out needs no good numbers.
    in_pixels = np.flatnonzero(in_detector(detector, geometry_ids(geometry)[0]))
    columns = table.take({**MEASUREMENTS, **dict.fromkeys(GLOBAL, "f8")}, in_pixels)
    where, ids, geometry = str(table.path), columns["measurement_id"], geometry[in_pixels]
    module = detector.find_modules(*geometry_ids(geometry))
    position = local_of(detector, module, columns["local0"], columns["local1"])
    if all(n in columns for n in GLOBAL):
        check_positions(np.stack([columns[n] for n in GLOBAL], axis=1), position, where, in_pixels)
    cells, n_cells_unused = _cells(csv_of(folder, f"{prefix}-cells"), ids, geometry, all_ids)
    truth, n_truth_unused, n_hits_without_truth = (
        _truth(folder, prefix, ids, all_ids) if has_truth else (None, 0, 0)
    )
    return HitTables(
        event=event_number(prefix),
        hit_id=ids,
        module=module,
        position=position,
        cells=cells,
        truth=truth,
        where=where,
        n_others=len(table) - len(ids),
        unmatched=Unmatched(n_cells_unused, n_truth_unused, n_hits_without_truth),
    )


def _cells(path: Path, hit_ids: Ints, geometry: npt.NDArray[np.uint64], all_ids: Ints) -> tuple[Cells, int]:
    """Those of the hits ``hit_ids`` on the modules ``geometry``, and how many are of no measurement of
    ``all_ids``.
    """
    table = open_csv(path, CELLS, EXPECTED, {**dict.fromkeys(MEASUREMENT, "i8"), "geometry_id": "u8"})
    number = _either(table.take(dict.fromkeys(MEASUREMENT, "i8")), MEASUREMENT, str(path))
    check_ids(number, 0, str(path), "measurement_id")
    n_unused = int(np.sum(~np.isin(number, all_ids)))
    rows = np.flatnonzero(np.isin(number, hit_ids))
    columns, number = table.take({**CELLS, "geometry_id": "u8"}, rows), number[rows]
    if "geometry_id" in columns:
        by_id = np.argsort(hit_ids, kind="stable")
        measured_on = geometry[by_id][rows_of(hit_ids[by_id], number)]
        if np.any(measured_on != columns["geometry_id"]):
            k = int(np.argmax(measured_on != columns["geometry_id"]))
            raise InputError(
                f"{path}: row {rows[k]} has a cell of measurement {number[k]} on the module "
                f"{columns['geometry_id'][k]}, and the measurement is on {measured_on[k]}; the files are not "
                "of the same event"
            )
    return Cells(number, columns["channel0"], columns["channel1"], columns["value"], str(path)), n_unused


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


def _truth(folder: Path, prefix: str, hit_ids: Ints, all_ids: Ints) -> tuple[Crossed, int, int]:
    """Crossings of the hits ``hit_ids``, number of links of no hit of ``all_ids``, number of ``hit_ids``
    without a link.
    """
    numbers = dict.fromkeys((*PARTS, "particle_id"), "i8")
    hits = open_csv(csv_of(folder, f"{prefix}-hits"), CROSSINGS, EXPECTED, numbers)
    path = csv_of(folder, f"{prefix}-measurement-simhit-map")
    links = read_csv(path, {"measurement_id": "i8", "hit_id": "i8"}, EXPECTED)
    check_ids(links["measurement_id"], 0, str(path), "measurement_id")
    if len(links["measurement_id"]) == 0 and len(all_ids):
        raise InputError(
            f"{path}: has no rows, and the event has {len(all_ids)} measurements; to convert without truth, "
            "move the files of simulated hits, their map and particles away"
        )
    n_unused = int(np.sum(~np.isin(links["measurement_id"], all_ids)))
    n_without = int(np.sum(~np.isin(hit_ids, links["measurement_id"])))
    lost = (links["hit_id"] < 0) | (links["hit_id"] >= len(hits))
    if np.any(lost):
        raise InputError(
            f"{path}: has the hit_id {int(links['hit_id'][lost][0])} and {hits.path} has {len(hits)} rows; "
            "they are not of the same event"
        )
    links = {n: v[np.isin(links["measurement_id"], hit_ids)] for n, v in links.items()}
    # A link's hit_id is the row of the simulated hit; a row is read once, however many hits it made.
    rows, row = np.unique(links["hit_id"], return_inverse=True)
    columns = hits.take({**CROSSINGS, **numbers}, rows)
    # One table of particles is enough, and the first is the most complete.
    kind = next(k for k in PARTICLES if find_csv(folder, f"{prefix}-{k}") is not None)
    of_particles = csv_of(folder, f"{prefix}-{kind}")
    table = read_csv(of_particles, PARTICLE, EXPECTED, numbers)
    particles = {n: table[n] for n in ("vx", "vy", "vz", "px", "py", "pz")}
    crossed = Crossed(
        hit_id=links["measurement_id"],
        particle_id=_particle_ids(columns, str(hits.path))[row],
        point=np.stack([columns[f"t{a}"] for a in "xyz"], axis=1)[row],
        momentum=np.stack([columns[f"tp{a}"] for a in "xyz"], axis=1)[row],
        order=columns["index"][row],
        particles=particles
        | {
            "particle_id": _particle_ids(table, str(of_particles)),
            "pdg_id": table["particle_type"],
            "charge": table["q"],
        },
        where=(str(hits.path), str(of_particles)),
    )
    return crossed, n_unused, n_without
