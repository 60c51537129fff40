"""ACTS's ROOT files: ``measurements.root`` (or ``clusters.root`` for the channels), ``hits.root`` and those
of :data:`PARTICLES`.

Trees and branches are those of its RootMeasurementWriter, RootClusterWriter, RootSimHitWriter and
RootParticleWriter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.convert.acts_geometry import check_positions, in_detector, local_of, pack_barcode
from smartpix.convert.hit_tables import Cells, Crossed, HitTables, Unmatched, check_ids
from smartpix.geometry import Detector
from smartpix.io.events import read_branches
from smartpix.schema import InputError, require
from smartpix.tables import checked_column

__all__ = ["ActsRootFolder", "flat_branch", "open_acts_root", "read_acts_root_event"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MODULE = ("volume_id", "layer_id", "surface_id")
CHANNELS = ("channel_loc0", "channel_loc1", "channel_value")
GLOBAL = ("rec_gx", "rec_gy", "rec_gz")
PARTS = ("vertex_primary", "vertex_secondary", "particle", "generation", "sub_particle")
OF_MEASUREMENT = tuple(f"particles_{part}" for part in PARTS)
OF_HIT = tuple(f"barcode_{part}" for part in PARTS)
# Before they had a branch for each part, some versions wrote lists of the five.
LISTED_OF_MEASUREMENT, LISTED_OF_HIT = "particles", "barcode"
PARTICLES = ("particles_simulation", "particles_initial", "particles")
"""The particles that the simulation carried are taken first, as of the CSV files: its secondaries are among
them.
"""
EXPECTED = "the branches of ACTS's ROOT writers"
JOINED = (
    "two jobs whose event numbers repeat were joined (hadd), and would become one event: convert the files "
    "of each job by "
    "themselves, or number their events anew"
)


@dataclass(frozen=True)
class ActsRootFolder:
    """A folder of ACTS's ROOT files.

    Attributes:
        events: numbers, in their order.
        ranges: first entry and one beyond the last of each event, by file.
        channels_in, particles_in: the files with the channels and the particles; has_truth: hits.root,
            particles and who made what are there.
    """

    folder: Path
    events: tuple[int, ...]
    ranges: Mapping[str, Mapping[int, tuple[int, int]]]
    channels_in: str
    particles_in: str
    has_truth: bool


def flat_branch(values: ak.Array, dtype: str, where: str, name: str) -> npt.NDArray[Any]:
    """A branch with one number an entry, as an array of the wanted type.

    Raises:
        InputError: it holds something else.
    """
    if not isinstance(values.layout, ak.contents.NumpyArray) or values.ndim != 1:
        raise InputError(
            f"{where}: branch '{name}' must hold one number an entry and is of type {values.type}"
        )
    return checked_column(ak.to_numpy(values), dtype, where, name)


def _jagged(values: ak.Array, dtype: str, where: str, name: str) -> tuple[npt.NDArray[Any], Ints]:
    """A branch with lists of numbers: all of them one after the other, and how many each entry has."""
    if values.ndim != 2 or not isinstance(ak.flatten(values).layout, ak.contents.NumpyArray):
        raise InputError(
            f"{where}: branch '{name}' must hold a list of numbers an entry and is of type {values.type}"
        )
    return flat_branch(ak.flatten(values), dtype, where, name), ak.to_numpy(ak.num(values)).astype(np.int64)


def _listed_barcodes(values: ak.Array, where: str, name: str) -> Ints:
    flat, counts = _jagged(values, "i8", where, name)
    if np.any(counts != len(PARTS)):
        raise InputError(
            f"{where}: branch '{name}' must hold lists of {len(PARTS)} numbers ({', '.join(PARTS)})"
        )
    return pack_barcode(list(flat.reshape(-1, len(PARTS)).T), where)


def _same_lengths(
    lists: Iterable[tuple[npt.NDArray[Any], Ints]], where: str
) -> tuple[list[npt.NDArray[Any]], Ints]:
    flats, counts = zip(*lists, strict=True)
    if any(not np.array_equal(counts[0], other) for other in counts[1:]):
        raise InputError(
            f"{where}: lists that belong together have different lengths; make or copy the file again"
        )
    return list(flats), counts[0]


def open_acts_root(folder: str | Path) -> ActsRootFolder:
    """See what a folder with ``measurements.root`` holds.

    Raises:
        InputError: a file is missing, damaged or without the branches, or no file has channels.
    """
    folder = Path(folder)
    path = folder / "measurements.root"
    rows = {"measurements": _event_ranges(path, "measurements", "event_nr")}
    stop = min(1, sum(b - a for a, b in rows["measurements"].values()))
    found = read_branches(
        path, "measurements", (), EXPECTED, (*CHANNELS, *OF_MEASUREMENT, LISTED_OF_MEASUREMENT), stop=stop
    )
    channels_in = "measurements"
    if not set(CHANNELS) <= set(found):
        channels_in = "clusters"
        if not (folder / "clusters.root").is_file():
            raise InputError(
                f"{path}: has no {', '.join(CHANNELS)}, and there is no clusters.root beside it; let ACTS "
                f"write the channels"
            )
        rows["clusters"] = _event_ranges(folder / "clusters.root", "clusters", "event_nr")
    particles_in = next((name for name in PARTICLES if (folder / f"{name}.root").is_file()), None)
    has_truth = (folder / "hits.root").is_file()
    if has_truth != (particles_in is not None):
        missing = "'particles_simulation.root' (or 'particles.root')" if has_truth else "'hits.root'"
        raise InputError(
            f"{folder}: {missing} is missing; truth needs hits and particles: give both files or neither"
        )
    if has_truth and LISTED_OF_MEASUREMENT not in found:
        fix = "Nothing else says whose measurements they are; to convert without truth, move hits.root and the particles away."
        require(list(found), OF_MEASUREMENT, str(path), fix)
    if particles_in is not None:
        rows["hits"] = _event_ranges(folder / "hits.root", "hits", "event_id")
        rows[particles_in] = _event_ranges(
            folder / f"{particles_in}.root", "particles", "event_id", one_entry=True
        )
    return ActsRootFolder(
        folder, tuple(sorted(rows["measurements"])), rows, channels_in, particles_in or "", has_truth
    )


def _event_ranges(path: Path, tree: str, name: str, one_entry: bool = False) -> dict[int, tuple[int, int]]:
    """First entry and one beyond the last by event; ``one_entry``: there is one for each."""
    number = flat_branch(read_branches(path, tree, [name], EXPECTED)[name], "i8", str(path), name)
    if len(number) == 0:
        return {}
    first = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]) | one_entry)
    ends = np.append(first[1:], len(number))
    ranges = {int(number[a]): (int(a), int(b)) for a, b in zip(first, ends, strict=True)}
    if len(ranges) < len(first):
        numbers, times = np.unique(number[first], return_counts=True)
        event = int(numbers[times > 1][0])
        # Sorting would hide it, so it is not advised alone.
        raise InputError(
            f"{path}: the entries of event {event} are in {int(times[times > 1][0])} places: {JOINED}. "
            f"Only where all entries are of one job and were shuffled: sort them by {name}"
        )
    return ranges


def _of_event(
    opened: ActsRootFolder, file: str, event: int, wanted: Iterable[str], optional: Iterable[str] = ()
) -> tuple[dict[str, ak.Array], str]:
    """Branches of one event, none of its entries where the file does not have it; and the file's path."""
    path = opened.folder / f"{file}.root"
    start, stop = opened.ranges[file].get(event, (0, 0))
    tree = "particles" if file in PARTICLES else file
    return read_branches(path, tree, wanted, EXPECTED, optional, start, stop), str(path)


def read_acts_root_event(opened: ActsRootFolder, event: int, detector: Detector) -> HitTables:
    """The measurements of one event on the modules of the table.

    The ids are ``measurement_id`` or, where ACTS does not write it, the number of the entry within its event,
    from 0.

    Raises:
        InputError: missing branches, values that are no numbers, or modules that are not in the table.
    """
    more = (
        "measurement_id",
        *GLOBAL,
        *((*OF_MEASUREMENT, LISTED_OF_MEASUREMENT) if opened.has_truth else ()),
    )
    if opened.channels_in == "measurements":
        more += CHANNELS
    table, where = _of_event(opened, "measurements", event, (*MODULE, "rec_loc0", "rec_loc1"), more)
    ids = (
        flat_branch(table["measurement_id"], "i8", where, "measurement_id")
        if "measurement_id" in table
        else np.arange(len(table["rec_loc0"]), dtype=np.int64)
    )
    check_ids(ids, 0, where, "measurement_id")
    all_ids, n_cells_unused = ids, 0
    on = [flat_branch(table[n], "i8", where, n) for n in MODULE]
    if "measurement_id" not in table:
        _check_modules_together(on, where, event)
    ours = in_detector(detector, on[0])
    table = {n: v[ours] for n, v in table.items()}
    ids, (volume, layer, surface) = ids[ours], [n[ours] for n in on]
    module = detector.find_modules(volume, layer, surface)
    loc0, loc1 = (flat_branch(table[n], "f8", where, n) for n in ("rec_loc0", "rec_loc1"))
    position = local_of(detector, module, loc0, loc1)
    if all(n in table for n in GLOBAL):
        given = np.stack([flat_branch(table[n], "f8", where, n) for n in GLOBAL], axis=1)
        entries = opened.ranges["measurements"].get(event, (0, 0))[0] + np.flatnonzero(ours)
        check_positions(given, position, where, entries)
    if opened.channels_in == "measurements":
        cells = _cells(table, ids, where)
    else:
        channels, path = _of_event(opened, "clusters", event, ("cluster_id", *CHANNELS))
        number = flat_branch(channels["cluster_id"], "i8", path, "cluster_id")
        check_ids(number, 0, path, "cluster_id")
        n_cells_unused = int(ak.sum(ak.num(channels["channel_value"])[~np.isin(number, all_ids)]))
        # Channels of strips need no good numbers.
        mine = np.isin(number, ids)
        cells = _cells({n: v[mine] for n, v in channels.items()}, number[mine], path)
    truth = _truth(opened, event, detector, table, ids, module, position) if opened.has_truth else None
    # Simulated hits that no measurement lists are those that the digitisation lost.
    n_without = 0 if truth is None else int(np.sum(~np.isin(ids, truth.hit_id)))
    unmatched = Unmatched(n_cells_unused, n_hits_without_truth=n_without)
    return HitTables(event, ids, module, position, cells, truth, where, int(np.sum(~ours)), unmatched)


def _check_modules_together(on: Sequence[Ints], where: str, event: int) -> None:
    """Check measurements without ids, by which joined events would be known: ACTS writes those of a module
    together.
    """
    key = np.stack(on, axis=1)
    new = (
        np.concatenate([[True], np.any(key[1:] != key[:-1], axis=1)]) if len(key) else np.zeros(0, dtype=bool)
    )
    modules, times = np.unique(key[new], axis=0, return_counts=True)
    if np.any(times > 1):
        again = modules[times > 1][0].tolist()
        raise InputError(
            f"{where}: the measurements of event {event} on volume, layer, surface {again} are in more "
            f"places than one, and "
            f"there is no 'measurement_id': {JOINED}. Only where they were shuffled: add the branch "
            f"measurement_id"
        )


def _cells(table: Mapping[str, ak.Array], ids: Ints, where: str) -> Cells:
    kinds = zip(CHANNELS, ("i4", "i4", "f8"), strict=True)
    (ch0, ch1, value), counts = _same_lengths(
        (_jagged(table[n], dtype, where, n) for n, dtype in kinds), where
    )
    return Cells(np.repeat(ids, counts), ch0, ch1, value, where)


def _repeated(values: Ints) -> list[Ints]:
    """Places of each value that is there more than once."""
    order = np.argsort(values, kind="stable")
    groups = np.split(order, np.flatnonzero(values[order][1:] != values[order][:-1]) + 1)
    return [group for group in groups if len(group) > 1]


def _truth(
    opened: ActsRootFolder, event: int, detector: Detector, table: Mapping[str, ak.Array], ids: Ints,
    module: npt.NDArray[np.int32], position: Floats,
) -> Crossed:  # fmt: skip
    """Of the particles of each measurement, the simulated hits on its module, the nearest one where there are
    several.
    """
    where = str(opened.folder / "measurements.root")
    if LISTED_OF_MEASUREMENT in table:
        listed = table[LISTED_OF_MEASUREMENT]
        if listed.ndim != 3:
            raise InputError(
                f"{where}: '{LISTED_OF_MEASUREMENT}' must hold lists of particles and is of type "
                f"{listed.type}"
            )
        counts = ak.to_numpy(ak.num(listed)).astype(np.int64)
        who = _listed_barcodes(ak.flatten(listed), where, LISTED_OF_MEASUREMENT)
    else:
        parts, counts = _same_lengths((_jagged(table[n], "i8", where, n) for n in OF_MEASUREMENT), where)
        who = pack_barcode(parts, where)
    row = np.repeat(np.arange(len(ids)), counts)

    space, moved = ("tx", "ty", "tz"), ("tpx", "tpy", "tpz")
    branches, of_hits = _of_event(
        opened,
        "hits",
        event,
        ("volume_id", "layer_id", "sensitive_id", *space, *moved, "index"),
        (*OF_HIT, LISTED_OF_HIT),
    )
    listed = branches.pop(LISTED_OF_HIT, None)
    # Hits in strips need no good numbers.
    ours = in_detector(detector, flat_branch(branches["volume_id"], "i8", of_hits, "volume_id"))
    branches, listed = {n: v[ours] for n, v in branches.items()}, None if listed is None else listed[ours]
    numbers = {
        n: flat_branch(branches[n], "f8" if n in (*space, *moved) else "i8", of_hits, n) for n in branches
    }
    if listed is None:
        require(list(branches), OF_HIT, of_hits, f"Expected {EXPECTED}.")
        numbers["who"] = pack_barcode([numbers[n] for n in OF_HIT], of_hits)
    else:
        numbers["who"] = _listed_barcodes(listed, of_hits, LISTED_OF_HIT)
    hit_module = detector.find_modules(*(numbers[n] for n in ("volume_id", "layer_id", "sensitive_id")))
    hit_who = numbers["who"]
    point = np.stack([numbers[n] for n in space], axis=1)

    names, number = np.unique(np.concatenate([hit_who, who]), return_inverse=True)
    key = number * max(len(detector), 1) + np.concatenate([hit_module, module[row]])
    hit_key, wanted = key[: len(hit_who)], key[len(hit_who) :]
    by_key = np.argsort(hit_key, kind="stable")
    low, high = (np.searchsorted(hit_key[by_key], wanted, side) for side in ("left", "right"))
    if np.any(low == high):
        i = int(np.argmax(low == high))
        raise InputError(
            f"{of_hits}: event {event} has no hit of particle {names[number[len(hit_who) + i]]} on the "
            f"module of measurement "
            f"{ids[row[i]]}; the files are not of the same events"
        )
    chosen, nearest = by_key[low], np.full(len(wanted), np.inf)
    for k in range(int((high - low).max(initial=0))):
        there = low + k < high
        candidate = by_key[np.where(there, low + k, low)]
        distance = np.where(there, np.linalg.norm(point[candidate] - position[row], axis=1), np.inf)
        chosen, nearest = np.where(distance < nearest, candidate, chosen), np.minimum(distance, nearest)
    # A particle is listed once for each of its crossings: the next nearest for the next.
    pair = key[len(hit_who) :] * max(len(ids), 1) + row
    for again in _repeated(pair):
        there = by_key[low[again[0]] : high[again[0]]]
        if len(there) < len(again):
            raise InputError(
                f"{of_hits}: event {event} has {len(there)} hits of particle {who[again[0]]} on the module "
                f"of measurement "
                f"{ids[row[again[0]]]}, which lists it {len(again)} times; the files are not of the same "
                f"events"
            )
        distance = np.linalg.norm(point[there] - position[row[again[0]]], axis=1)
        chosen[again] = there[np.argsort(distance, kind="stable")[: len(again)]]

    starts = ("vx", "vy", "vz", "px", "py", "pz")
    branches, of_particles = _of_event(
        opened, opened.particles_in, event, ("particle_type", "q", *starts, *PARTS)
    )
    whole = ("particle_type", *PARTS)
    lists = (_jagged(branches[n], "i8" if n in whole else "f8", of_particles, n) for n in branches)
    columns = dict(zip(branches, _same_lengths(lists, of_particles)[0], strict=True))
    particle_id = pack_barcode([columns[n] for n in PARTS], of_particles)
    particles = {"particle_id": particle_id, "pdg_id": columns["particle_type"], "charge": columns["q"]}
    return Crossed(
        hit_id=ids[row], particle_id=who, point=point[chosen],
        momentum=np.stack([numbers[n] for n in moved], axis=1)[chosen], order=numbers["index"][chosen],
        particles=particles | {n: columns[n] for n in starts}, where=(of_hits, of_particles),
    )  # fmt: skip
