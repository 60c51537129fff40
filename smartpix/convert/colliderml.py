"""Format ``colliderml``, events of ColliderML in the Open Data Detector (CERN/ColliderML-Release-1): tables
of parquet with a row an event (``tracker_hits`` and, for truth, ``particles``), or the JSON of its event
display.

Hits come without pixels. They are in ACTS's volumes, of which those of the detector table are taken.
Directions of crossings follow from the particles' helices. The JSON has no table of particles and comes
without truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.archives import is_folder
from smartpix.convert.format import ConvertOptions, Format, Found, Source
from smartpix.convert.helix_crossings import momenta_at
from smartpix.convert.hit_tables import Columns, Crossed, HitTables, Unmatched, rows_of
from smartpix.convert.locate import hits_on_modules
from smartpix.geometry import Detector, read_detector
from smartpix.io.cluster_tables import opened
from smartpix.rules import fields, items, parse_checked, real, whole
from smartpix.schema import InputError, require
from smartpix.tables import checked_column
from smartpix.text import read_text

__all__ = ["FIELD", "FORMAT", "Hits", "find", "read", "read_json_hits", "read_parquet_hits"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FIELD = 3.0
"""Solenoid field of the Open Data Detector in T; pT and hits of the tracks of three events give 3.0."""
HITS, PARTICLES = "tracker_hits", "particles"
"""What the tables are called, within the name of the file or of its folder."""
HIT = {**dict.fromkeys("xyz", "f8"), "volume_id": "i8"}
TRUE = {**dict.fromkeys(("true_x", "true_y", "true_z"), "f8"), "particle_id": "i8"}
PARTICLE = {
    "particle_id": "i8", "pdg_id": "i4", **dict.fromkeys(("charge", "vx", "vy", "vz", "px", "py", "pz"), "f8")
}  # fmt: skip
EXPECTED = "the fields of ColliderML"
_JSON = fields(
    {
        "metadata": fields({"event_id": whole(0, 2**62)}, more=True),
        "all_tracker_hits": items(
            fields(
                {**dict.fromkeys("xyz", real()), "HIT_ID": whole(0, 2**62), "volume_id": whole(0, 2**16)},
                more=True,
            )
        ),
    },
    more=True,
)
MARK = b'"has_reco"'
"""In the first bytes of the JSON of an event display."""


@dataclass(frozen=True)
class Hits:
    """Hits of one event.

    Attributes:
        hit_id: (N,) ids; volume: (N,) ACTS's; position: (N, 3) mm.
        time: (N,) ns; None where the file has none.
        where: what errors call the table.
    """

    hit_id: Ints
    volume: Ints
    position: Floats
    time: Floats | None
    where: str


def find(path: Path) -> Found | None:
    """A table of hits, a folder of these, or event displays as JSON.

    Raises:
        InputError: nothing; another format may know the path.
    """
    if is_folder(path):
        return Found(FORMAT, path) if path.is_dir() and _files(path) else None
    return Found(FORMAT, path) if path.is_file() and _is_event(path) else None


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_file() and _is_event(path)]


def _is_event(path: Path) -> bool:
    if path.suffix == ".json":
        with path.open("rb") as stream:
            return MARK in stream.read(400)
    return path.suffix == ".parquet" and (HITS in path.name or HITS in path.parent.name)


def read(found: Found, options: ConvertOptions) -> Source:
    """The events' detector, which must be given; the events when they are asked for.

    Raises:
        InputError: no detector table, tables that cannot be read, or an event that is there twice.
    """
    if options.detector is None:
        raise InputError(
            f"{found.path}: ColliderML's events do not tell where modules are; give their table with --detector, "
            "as `smartpix detector OpenDataDetector.xml -o odd.csv` makes it of the Open Data Detector's DD4hep files"
        )
    detector = options.detector if isinstance(options.detector, Detector) else read_detector(options.detector)
    paths = _files(found.path) if found.path.is_dir() else [found.path]
    places: dict[int, tuple[Path, int]] = {}
    for path in paths:
        for row, number in enumerate(_numbers(path)):
            if number in places:
                raise InputError(
                    f"{path}: event {number} is in {places[number][0].name}, too; give the files apart"
                )
            places[number] = path, row
    of_particles = [None if path.suffix == ".json" else _beside(path) for path in paths]
    truth = options.truth and all(of_particles) and bool(paths)
    field = FIELD if options.field is None else options.field

    def event(number: int) -> HitTables:
        path, row = places[number]
        return _tables(number, path, row, detector, field, truth)

    has_times = all(path.suffix != ".json" and "time" in _names(path) for path in paths)
    return Source(detector, tuple(sorted(places)), event, truth, FIELD, has_cells=False, has_times=has_times)


FORMAT = Format("colliderml", "ColliderML events", "*tracker_hits*.parquet or event_*.json", find, read)


def _names(path: Path) -> list[str]:
    with opened(path) as file:
        return list(file.schema_arrow.names)


@lru_cache(maxsize=64)
def _numbers(path: Path) -> tuple[int, ...]:
    """Numbers of a file's events, in the order of its rows."""
    if path.suffix == ".json":
        return (int(_json(path)["metadata"]["event_id"]),)
    with opened(path) as file:
        require(file.schema_arrow.names, ["event_id"], str(path), f"Expected {EXPECTED}.")
        column = file.read(columns=["event_id"])["event_id"]
        return tuple(checked_column(np.asarray(column), "i8", str(path), "event_id").tolist())


def _beside(path: Path) -> Path | None:
    """The table of particles of a table of hits."""
    name, folder = path.name.replace(HITS, PARTICLES), path.parent.name.replace(HITS, PARTICLES)
    other = path.parent.parent / folder / name if HITS in path.parent.name else path.with_name(name)
    return other if other.is_file() else None


def _json(path: Path) -> Any:
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); copy it again") from error
    return parse_checked(text, _JSON, path, "expected an event of ColliderML's event display")


def read_json_hits(path: Path) -> Hits:
    """The hits of an event display.

    Raises:
        InputError: it cannot be read, or lacks what hits need.
    """
    hits = _json(path)["all_tracker_hits"]
    position = np.array([[hit[a] for a in "xyz"] for hit in hits], dtype=np.float64).reshape(-1, 3)
    ids, volume = (np.array([hit[name] for hit in hits], dtype=np.int64) for name in ("HIT_ID", "volume_id"))
    return Hits(ids, volume, position, None, str(path))


@lru_cache(maxsize=4)
def _group(path: Path, group: int) -> Any:
    """A row group, which holds many events and is kept for the next one."""
    with opened(path) as file:
        return file.read_row_group(group)


def _row(path: Path, row: int, types: Mapping[str, str], optional: Mapping[str, str]) -> Columns:
    """Lists of one row, as arrays."""
    with opened(path) as file:
        sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
    ends = np.cumsum(sizes)
    group = int(np.searchsorted(ends, row, side="right"))
    table = _group(path, group)
    require(table.column_names, types, str(path), f"Expected {EXPECTED}.")
    columns = {}
    for name, dtype in {**types, **optional}.items():
        if name not in table.column_names:
            continue
        values = table[name][row - int(ends[group] - sizes[group])].values
        if values is None or values.null_count:
            raise InputError(f"{path}: row {row}: '{name}' must be a list of numbers; make the table again")
        columns[name] = checked_column(np.asarray(values), dtype, str(path), name)
    if len({len(values) for values in columns.values()}) > 1:
        raise InputError(
            f"{path}: row {row}: lists that belong together have different lengths; make the table again"
        )
    return columns


def read_parquet_hits(path: Path, row: int) -> tuple[Hits, Columns]:
    """The hits of one row of a table, and the columns of their truth that are there.

    Raises:
        InputError: a column is missing, or holds something else than lists of numbers.
    """
    columns = _row(path, row, HIT, {**TRUE, "time": "f8"})
    position = np.stack([columns[a] for a in "xyz"], axis=1)
    hits = Hits(np.arange(len(position)), columns["volume_id"], position, columns.get("time"), str(path))
    return hits, {name: columns[name] for name in TRUE if name in columns}


def _tables(
    number: int, path: Path, row: int, detector: Detector, field: float, has_truth: bool
) -> HitTables:
    hits, true = (read_json_hits(path), {}) if path.suffix == ".json" else read_parquet_hits(path, row)
    volumes = np.unique(np.asarray(detector.columns["volume_id"]))
    taken = np.flatnonzero(np.isin(hits.volume, volumes))
    if len(hits.hit_id) and len(taken) == 0:
        raise InputError(
            f"{hits.where}: event {number} has hits in the volumes {np.unique(hits.volume).tolist()} and the detector "
            f"table {volumes.tolist()}; give a table with ACTS's numbers of volumes"
        )
    where = f"{hits.where}: event {number}"
    names = {int(v): f"volume {v}" for v in volumes}
    rows, module, position = hits_on_modules(
        detector, hits.position[taken], hits.volume[taken], hits.hit_id[taken], names, where
    )
    rows = taken[rows]
    crossed = _crossed(path, number, hits, rows, true, field) if has_truth else None
    n_without = 0 if crossed is None else int(np.sum(~np.isin(hits.hit_id[rows], crossed.hit_id)))
    return HitTables(
        number, hits.hit_id[rows], module, position, None, crossed, where, len(hits.hit_id) - len(rows),
        Unmatched(n_hits_without_truth=n_without), time=None if hits.time is None else hits.time[rows],
    )  # fmt: skip


def _crossed(path: Path, number: int, hits: Hits, rows: Ints, true: Columns, field: float) -> Crossed:
    """Crossings of the hits ``rows``; those of no particle of the table are noise."""
    beside = _beside(path)
    if beside is None:
        raise InputError(f"{path}: the table of particles is gone; put it beside again")
    require(list(true), TRUE, str(path), f"Expected {EXPECTED}.")
    numbers = _numbers(beside)
    if number not in numbers:
        raise InputError(f"{beside}: has no event {number} of {path.name}; give tables of the same events")
    table = _row(beside, numbers.index(number), PARTICLE, {})
    order = np.argsort(table["particle_id"], kind="stable")
    place = rows_of(table["particle_id"][order], true["particle_id"][rows])
    known = np.flatnonzero(place >= 0)
    who, made = order[place[known]], rows[known]
    start, momentum = (np.stack([table[a + b] for b in "xyz"], axis=1) for a in "vp")
    point = np.stack([true[f"true_{a}"][made] for a in "xyz"], axis=1)
    return Crossed(
        hit_id=hits.hit_id[made],
        # 0 is no particle here, and theirs count from 0.
        particle_id=table["particle_id"][who] + 1,
        point=point,
        momentum=momenta_at(start[who], momentum[who], table["charge"][who], field, point),
        order=None,
        particles={**table, "particle_id": table["particle_id"] + 1},
        where=(str(path), str(beside)),
    )
