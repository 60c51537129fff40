"""Format ``acts-root``, ACTS's ROOT files: ``measurements.root`` (or ``clusters.root`` for the channels),
``hits.root`` and those of :data:`PARTICLES`.

Trees and branches are those of its RootMeasurementWriter, RootClusterWriter, RootSimHitWriter and
RootParticleWriter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.archives import find_file, is_archive, is_folder
from smartpix.convert.acts_geometry import check_positions, in_detector, local_of, read_acts_detector
from smartpix.convert.acts_root_truth import (
    HIT_BRANCHES,
    OF_HIT,
    OF_MEASUREMENT,
    PARTICLE_BRANCHES,
    check_particles_named,
    match,
    particles_of_measurements,
    read_hits,
    read_particles,
)
from smartpix.convert.csv_events import INPUTS, is_table
from smartpix.convert.format import ConvertOptions, Format, Found, Source
from smartpix.convert.hit_tables import Cells, Crossed, HitTables, Unmatched, check_ids
from smartpix.convert.root_columns import flat_branch, jagged_branch, same_lengths
from smartpix.geometry import Detector
from smartpix.io.root_files import is_root_file, read_branches, trees_of
from smartpix.schema import InputError

__all__ = ["FORMAT", "ActsRootFolder", "find", "open_acts_root", "read", "read_acts_root_event"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MODULE = ("volume_id", "layer_id", "surface_id")
CHANNELS = ("channel_loc0", "channel_loc1", "channel_value")
GLOBAL = ("rec_gx", "rec_gy", "rec_gz")
PARTICLES = ("particles_simulation", "particles_initial", "particles")
"""The particles that the simulation carried are taken first, as of the CSV files: its secondaries are among
them.
"""
EXPECTED = "the branches of ACTS's ROOT writers"
JOINED = (
    "two jobs whose event numbers repeat were joined (hadd), and would become one event: convert the files "
    "of each job by themselves, or number their events anew"
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


def find(path: Path) -> Found | None:
    """A folder with ``measurements.root``, or this file or the ``clusters.root`` beside it.

    Raises:
        InputError: the files are in an archive, or have other names.
    """
    if is_folder(path) and not is_table(path):
        if find_file(path, "measurements.root") is None:
            return None
        if is_archive(path):
            raise InputError(
                f"{path}: holds measurements.root; ROOT files are compressed: unpack the archive and give "
                "the folder"
            )
        return Found(FORMAT, path)
    if not is_root_file(path) or not {"measurements", "clusters"} & set(trees_of(path)):
        return None
    if path.name not in ("measurements.root", "clusters.root"):
        raise InputError(
            f"{path}: holds ACTS's measurements; call it measurements.root, in a folder with the rest"
        )
    return Found(FORMAT, path.parent)


def read(found: Found, options: ConvertOptions) -> Source:
    """The events' detector and whether they have truth; the events when they are asked for.

    Raises:
        InputError: as :func:`open_acts_root`, or nothing tells the pixels.
    """
    opened = open_acts_root(found.path)
    opened = replace(opened, has_truth=opened.has_truth and options.truth)
    detector = read_acts_detector(found.path, options.detector)
    return Source(
        detector,
        opened.events,
        lambda number: read_acts_root_event(opened, number, detector),
        opened.has_truth,
    )


FORMAT = Format(
    "acts-root", "ACTS events (ROOT)", "measurements.root", find, read,
    (*INPUTS, "measurements.root", "clusters.root", "hits.root", "particles*.root"),
)  # fmt: skip


def open_acts_root(folder: str | Path) -> ActsRootFolder:
    """See what a folder with ``measurements.root`` holds.

    Raises:
        InputError: a file is missing, damaged or without the branches, or no file has channels.
    """
    folder = Path(folder)
    path = folder / "measurements.root"
    rows = {"measurements": _event_ranges(path, "measurements", "event_nr")}
    stop = min(1, sum(b - a for a, b in rows["measurements"].values()))
    found = read_branches(path, "measurements", (), EXPECTED, (*CHANNELS, *OF_MEASUREMENT), stop=stop)
    channels_in = "measurements"
    if not set(CHANNELS) <= set(found):
        channels_in = "clusters"
        if not (folder / "clusters.root").is_file():
            raise InputError(
                f"{path}: has no {', '.join(CHANNELS)}, and there is no clusters.root beside it; let ACTS "
                "write the channels"
            )
        rows["clusters"] = _event_ranges(folder / "clusters.root", "clusters", "event_nr")
    particles_in = next((name for name in PARTICLES if (folder / f"{name}.root").is_file()), None)
    has_truth = (folder / "hits.root").is_file()
    if has_truth != (particles_in is not None):
        missing = "'particles_simulation.root' (or 'particles.root')" if has_truth else "'hits.root'"
        raise InputError(
            f"{folder}: {missing} is missing; truth needs hits and particles: give both files or neither"
        )
    if has_truth:
        check_particles_named(list(found), str(path))
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
            f"{path}: the entries of event {event} are in {int(times[times > 1][0])} places: {JOINED}. Only "
            f"where all entries are of one job and were shuffled: sort them by {name}"
        )
    return ranges


def _of_event(
    opened: ActsRootFolder, file: str, event: int, branches: Iterable[str], optional: Iterable[str] = ()
) -> tuple[dict[str, ak.Array], str]:
    """Branches of one event, none of its entries where the file does not have it; and the file's path."""
    path = opened.folder / f"{file}.root"
    start, stop = opened.ranges[file].get(event, (0, 0))
    tree = "particles" if file in PARTICLES else file
    return read_branches(path, tree, branches, EXPECTED, optional, start, stop), str(path)


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
        *(OF_MEASUREMENT if opened.has_truth else ()),
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
    module_ids = [flat_branch(table[n], "i8", where, n) for n in MODULE]
    if "measurement_id" not in table:
        _check_modules_together(module_ids, where, event)
    in_pixels = in_detector(detector, module_ids[0])
    table = {n: v[in_pixels] for n, v in table.items()}
    ids, (volume, layer, surface) = ids[in_pixels], [n[in_pixels] for n in module_ids]
    module = detector.find_modules(volume, layer, surface)
    loc0, loc1 = (flat_branch(table[n], "f8", where, n) for n in ("rec_loc0", "rec_loc1"))
    position = local_of(detector, module, loc0, loc1)
    if all(n in table for n in GLOBAL):
        stored = np.stack([flat_branch(table[n], "f8", where, n) for n in GLOBAL], axis=1)
        entries = opened.ranges["measurements"].get(event, (0, 0))[0] + np.flatnonzero(in_pixels)
        check_positions(stored, position, where, entries)
    if opened.channels_in == "measurements":
        cells = _cells(table, ids, where)
    else:
        channels, path = _of_event(opened, "clusters", event, ("cluster_id", *CHANNELS))
        number = flat_branch(channels["cluster_id"], "i8", path, "cluster_id")
        check_ids(number, 0, path, "cluster_id")
        n_cells_unused = int(ak.sum(ak.num(channels["channel_value"])[~np.isin(number, all_ids)]))
        # Channels of strips need no good numbers.
        matched = np.isin(number, ids)
        cells = _cells({n: v[matched] for n, v in channels.items()}, number[matched], path)
    truth = _truth(opened, event, detector, table, ids, module, position) if opened.has_truth else None
    # Simulated hits that no measurement lists are those that the digitisation lost.
    n_without = 0 if truth is None else int(np.sum(~np.isin(ids, truth.hit_id)))
    unmatched = Unmatched(n_cells_unused, n_hits_without_truth=n_without)
    return HitTables(event, ids, module, position, cells, truth, where, int(np.sum(~in_pixels)), unmatched)


def _check_modules_together(module_ids: Sequence[Ints], where: str, event: int) -> None:
    """Check measurements without ids, by which joined events would be known: ACTS writes those of a module
    together.
    """
    key = np.stack(module_ids, axis=1)
    new = (
        np.concatenate([[True], np.any(key[1:] != key[:-1], axis=1)]) if len(key) else np.zeros(0, dtype=bool)
    )
    modules, times = np.unique(key[new], axis=0, return_counts=True)
    if np.any(times > 1):
        scattered = modules[times > 1][0].tolist()
        raise InputError(
            f"{where}: the measurements of event {event} on volume, layer, surface {scattered} are in more "
            f"places than one, and there is no 'measurement_id': {JOINED}. Only where they were shuffled: "
            "add the branch measurement_id"
        )


def _cells(table: Mapping[str, ak.Array], ids: Ints, where: str) -> Cells:
    kinds = zip(CHANNELS, ("i4", "i4", "f8"), strict=True)
    (ch0, ch1, value), counts = same_lengths(
        (jagged_branch(table[n], dtype, where, n) for n, dtype in kinds), where
    )
    return Cells(np.repeat(ids, counts), ch0, ch1, value, where)


def _truth(
    opened: ActsRootFolder, event: int, detector: Detector, table: Mapping[str, ak.Array], ids: Ints,
    module: npt.NDArray[np.int32], position: Floats,
) -> Crossed:  # fmt: skip
    """Crossings that made the measurements ``ids``, and the particles."""
    particle, row = particles_of_measurements(table, str(opened.folder / "measurements.root"))
    branches, where = _of_event(opened, "hits", event, HIT_BRANCHES, OF_HIT)
    hits = read_hits(branches, detector, where)
    made_by = match(hits, particle, ids, row, module, position, event)
    branches, of_particles = _of_event(opened, opened.particles_in, event, PARTICLE_BRANCHES)
    return Crossed(
        hit_id=ids[row],
        particle_id=particle,
        point=hits.point[made_by],
        momentum=hits.momentum[made_by],
        order=hits.order[made_by],
        particles=read_particles(branches, of_particles),
        where=(where, of_particles),
    )
