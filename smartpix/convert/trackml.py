"""Format ``trackml``, events of the TrackML challenge (arXiv 1904.06778): hits, cells, particles, truth and
detectors.csv.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from smartpix import schema
from smartpix.convert.csv_events import INPUTS, all_or_none, event_number, event_tables, sorted_prefixes
from smartpix.convert.format import ConvertOptions, Format, Found, JoinedTable, Source
from smartpix.convert.hit_tables import Cells, Columns, Crossed, HitTables, Ints, Unmatched, check_ids
from smartpix.geometry import PIXEL_VOLUMES, Detector
from smartpix.schema import InputError
from smartpix.tables import csv_of, find_csv, open_csv, read_csv

__all__ = [
    "FIELD", "FORMAT", "find", "read", "read_trackml_detector", "read_trackml_event", "trackml_volumes"
]  # fmt: skip

FIELD = 2.0
"""Solenoid field in T; the simulation's falls off by a few per cent towards the ends (measured from the
truth).
"""

STRIP_VOLUMES = (12, 13, 14, 16, 17, 18)
log = logging.getLogger(__name__)

EXPECTED = "the columns of the TrackML challenge"
CHALLENGE_T = 0.15
"""module_t of every pixel module in the challenge's own detector table, mm."""
MODULE = {"volume_id": "i8", "layer_id": "i8", "module_id": "i8"}
POSITION = {"x": "f8", "y": "f8", "z": "f8"}
CELLS = {"hit_id": "i8", "ch0": "i4", "ch1": "i4", "value": "f8"}
CROSSINGS = {
    "hit_id": "i8",
    "particle_id": "i8",
    **dict.fromkeys(("tx", "ty", "tz", "tpx", "tpy", "tpz"), "f8"),
}
PARTICLES = {"particle_id": "i8", **dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz", "q"), "f8")}
PARTICLE_TYPE = {"particle_type": "i4"}
"""Only the second release (Codalab) tells it."""


def find(path: Path) -> Found | None:
    """Events with a table of hits; where measurements stand beside them, the hits are ACTS's simulated ones.

    Raises:
        InputError: two events have the same number, or an archive cannot be read.
    """
    folder, events = event_tables(path)
    prefixes = [
        prefix for prefix, tables in events.items() if "hits" in tables and "measurements" not in tables
    ]
    return Found(FORMAT, folder, sorted_prefixes(prefixes, folder)) if prefixes else None


def read(found: Found, options: ConvertOptions) -> Source:
    """The events' detector and whether they have truth; the events when they are asked for.

    Raises:
        InputError: no detectors.csv, or one that cannot be used; truth of some of the events alone.
    """
    if isinstance(options.detector, Detector):
        detector, volumes = options.detector, None
    else:
        table = options.detector or find_csv(found.path, "detectors")
        if table is None:
            raise InputError(
                f"{found.path}: 'detectors.csv' (or .csv.gz, .csv.zst, .csv.zip) is missing; if it lies "
                "elsewhere, give it with --detector"
            )
        strips = options.volumes == "all"
        detector, volumes = read_trackml_detector(table, strips), trackml_volumes(table)
    tables = {name: (name,) for name in ("truth", "particles", "cells")}
    there = {
        name: all_or_none(found.path, found.prefixes, {name: tables[name]}, name)
        for name in ("truth", "cells")
    }
    # Truth needs particles; without truth, they may be there or not.
    names = ("truth", "particles") if there["truth"] else ("particles",)
    particles = options.truth and all_or_none(
        found.path, found.prefixes, {name: tables[name] for name in names}, " and ".join(names)
    )
    truth = particles and there["truth"]
    prefixes = {event_number(prefix): prefix for prefix in found.prefixes}
    return Source(
        detector,
        tuple(prefixes),
        lambda number: read_trackml_event(
            found.path, prefixes[number], detector, truth, volumes, there["cells"], particles
        ),
        truth,
        FIELD,
        there["cells"],
        particles,
    )


FORMAT = Format(
    "trackml", "TrackML events (CSV)", "event*-hits.csv", find, read, INPUTS, JoinedTable("hits", "hit_id")
)


def read_trackml_detector(path: Path, strips: bool = False) -> Detector:
    """Pixel modules of TrackML's detectors.csv, and those of the strips if asked.

    module_t is half the thickness. The challenge's own table gives 0.15 mm for every pixel module; in its
    barrel that is, as the cells show, all of the thickness.

    Raises:
        InputError: as :func:`smartpix.geometry.read_csv`, or no module in the pixel volumes.
    """
    types = {name: c.dtype for name, c in schema.DETECTOR.items()}
    table = open_csv(path, types, EXPECTED)
    # What is left out needs no good numbers.
    wanted = (*PIXEL_VOLUMES, *STRIP_VOLUMES) if strips else PIXEL_VOLUMES
    volume = table.take({"volume_id": "i8"})["volume_id"]
    pixel = np.flatnonzero(np.isin(volume, wanted))
    if len(pixel) == 0:
        raise InputError(f"{path}: has no module in the volumes {wanted}")
    columns = table.take(types, pixel)
    pixels = np.isin(columns["volume_id"], PIXEL_VOLUMES)
    if np.all(columns["module_t"][pixels] == CHALLENGE_T):
        log.info("%s: the challenge's table; %g mm are all of the barrel's thickness", path, CHALLENGE_T)
        # Tilts decide between disks and barrel: rot_zw is the cosine of the normal with the beam.
        in_barrel = pixels & (np.abs(columns["rot_zw"]) < 0.5)
        columns["module_t"] = np.where(in_barrel, CHALLENGE_T / 2, columns["module_t"])
    return Detector(columns, str(path))


def trackml_volumes(path: Path) -> frozenset[int]:
    """Volumes that hits may be in: those of detectors.csv and, where these are the pixels' alone, TrackML's
    strips.

    Raises:
        InputError: as :func:`smartpix.geometry.read_csv`.
    """
    volumes = {int(v) for v in np.unique(read_csv(path, {"volume_id": "i8"}, EXPECTED)["volume_id"])}
    return frozenset(volumes if volumes - {*PIXEL_VOLUMES} else {*PIXEL_VOLUMES, *STRIP_VOLUMES})


def read_trackml_event(
    folder: Path, prefix: str, detector: Detector, has_truth: bool, volumes: frozenset[int] | None = None,
    has_cells: bool = True, has_particles: bool = False,
) -> HitTables:  # fmt: skip
    """The hits of one event in the volumes of the detector table; those of strips come without cells.

    Args:
        volumes: that hits may be in (:func:`trackml_volumes`); None: any.
        has_cells: whether there is a table of cells; without one all hits are bare.
        has_particles: whether there is a table of particles.

    Raises:
        InputError: missing files or columns, values that are no numbers, ids that cannot be, hits in other
            volumes or on modules the table does not have, or a truth without rows.
    """
    hits = open_csv(csv_of(folder, f"{prefix}-hits"), {**MODULE, **POSITION, "hit_id": "i8"}, EXPECTED)
    of_all = hits.take({"volume_id": "i8", "hit_id": "i8"})
    volume, all_ids = of_all["volume_id"], of_all["hit_id"]
    check_ids(all_ids, 1, str(hits.path), "hit_id")
    if volumes is not None and not np.all(in_table := np.isin(volume, list(volumes))):
        k = int(np.argmin(in_table))
        raise InputError(
            f"{hits.path}: hit {all_ids[k]} is in the volume_id {volume[k]} ({int(np.sum(~in_table))} such "
            f"hits), which is none of the detector's ({', '.join(map(str, sorted(volumes)))}); mend the row, "
            "or give the detectors.csv of these events"
        )
    # What is left out needs no good numbers.
    taken = np.flatnonzero(np.isin(volume, np.unique(np.asarray(detector.columns["volume_id"]))))
    of_hits = hits.take({**MODULE, **POSITION, "hit_id": "i8"}, taken)
    ids = of_hits["hit_id"]
    in_pixels = np.isin(of_hits["volume_id"], PIXEL_VOLUMES)
    cells, n_cells_unused = _cells(folder, prefix, ids[in_pixels], all_ids) if has_cells else (None, 0)
    truth, n_truth_unused, n_hits_without_truth = (
        _truth(folder, prefix, ids, all_ids) if has_truth else (None, 0, 0)
    )
    return HitTables(
        event=event_number(prefix),
        hit_id=ids,
        module=detector.find_modules(*(of_hits[n] for n in MODULE)),
        position=np.stack([of_hits[a] for a in POSITION], axis=1),
        cells=cells,
        truth=truth,
        where=str(hits.path),
        n_others=len(hits) - len(ids),
        unmatched=Unmatched(n_cells_unused, n_truth_unused, n_hits_without_truth),
        bare=~in_pixels | (not has_cells),
        particles=_particles(folder, prefix)[0] if has_particles and not has_truth else None,
    )


def _cells(folder: Path, prefix: str, ids: Ints, all_ids: Ints) -> tuple[Cells, int]:
    """Those of the hits ``ids``, and how many are of no hit of ``all_ids``."""
    table = open_csv(csv_of(folder, f"{prefix}-cells"), CELLS, EXPECTED)
    of_cell = table.take({"hit_id": "i8"})["hit_id"]
    check_ids(of_cell, 1, str(table.path), "hit_id")
    cells = table.take(CELLS, np.flatnonzero(np.isin(of_cell, ids)))
    n_unused = int(np.sum(~np.isin(of_cell, all_ids)))
    return Cells(cells["hit_id"], cells["ch0"], cells["ch1"], cells["value"], str(table.path)), n_unused


def _particles(folder: Path, prefix: str) -> tuple[Columns, Path]:
    """The table of particles in our columns, and where it is."""
    path = csv_of(folder, f"{prefix}-particles")
    table = read_csv(path, PARTICLES, EXPECTED, PARTICLE_TYPE)
    pdg_id = table.pop("particle_type", np.zeros(len(table["particle_id"]), dtype=np.int32))
    check_ids(table["particle_id"], 1, str(path), "particle_id")
    return {"pdg_id": pdg_id, "charge": table.pop("q"), **table}, path


def _truth(folder: Path, prefix: str, hit_ids: Ints, all_ids: Ints) -> tuple[Crossed, int, int]:
    """Crossings of the hits ``hit_ids``, number of rows of no hit of ``all_ids``, number of ``hit_ids``
    without a row.
    """
    truth = open_csv(csv_of(folder, f"{prefix}-truth"), CROSSINGS, EXPECTED)
    ids = truth.take({"hit_id": "i8", "particle_id": "i8"})
    check_ids(ids["hit_id"], 1, str(truth.path), "hit_id")
    if len(truth) == 0 and len(all_ids):
        raise InputError(
            f"{truth.path}: has no rows, and the event has {len(all_ids)} hits; to convert without truth, "
            "move the files of truth and particles away"
        )
    # Particle 0 is noise: a row of the truth, and no crossing.
    columns = truth.take(
        CROSSINGS, np.flatnonzero((ids["particle_id"] != 0) & np.isin(ids["hit_id"], hit_ids))
    )
    table, path = _particles(folder, prefix)
    # Generators list neutral particles, too; hits of one mean a charge that was lost.
    neutral = np.isin(columns["particle_id"], table["particle_id"][table["charge"] == 0])
    if np.any(neutral):
        k = int(np.argmax(neutral))
        raise InputError(
            f"{path}: particle {columns['particle_id'][k]} has the charge q = 0 and makes hit "
            f"{columns['hit_id'][k]} in {truth.path} ({int(neutral.sum())} such hits); neutral particles "
            "make no hits: mend q"
        )
    crossed = Crossed(
        hit_id=columns["hit_id"],
        particle_id=columns["particle_id"],
        point=np.stack([columns[f"t{a}"] for a in "xyz"], axis=1),
        momentum=np.stack([columns[f"tp{a}"] for a in "xyz"], axis=1),
        order=None,
        particles=table,
        where=(str(truth.path), str(path)),
    )
    n_unused, n_without = (
        int(np.sum(~np.isin(a, b))) for a, b in ((ids["hit_id"], all_ids), (hit_ids, ids["hit_id"]))
    )
    return crossed, n_unused, n_without
