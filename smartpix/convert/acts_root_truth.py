"""Truth of ACTS's ROOT files: which simulated hit of which particle made each measurement.

A measurement names its particles and not their hits, so that hits are matched by particle and module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.convert.acts_geometry import in_detector, pack_barcode
from smartpix.convert.hit_tables import Columns
from smartpix.convert.root_columns import flat_branch, jagged_branch, same_lengths
from smartpix.geometry import Detector
from smartpix.schema import InputError, require

__all__ = [
    "HIT_BRANCHES",
    "OF_HIT",
    "OF_MEASUREMENT",
    "PARTICLE_BRANCHES",
    "SimulatedHits",
    "check_particles_named",
    "match",
    "particles_of_measurements",
    "read_hits",
    "read_particles",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PARTS = ("vertex_primary", "vertex_secondary", "particle", "generation", "sub_particle")
# Before there was a branch for each part, some versions wrote lists of the five.
LISTED_OF_MEASUREMENT, LISTED_OF_HIT = "particles", "barcode"
PARTS_OF_MEASUREMENT = tuple(f"particles_{part}" for part in PARTS)
PARTS_OF_HIT = tuple(f"barcode_{part}" for part in PARTS)
OF_MEASUREMENT = (*PARTS_OF_MEASUREMENT, LISTED_OF_MEASUREMENT)
OF_HIT = (*PARTS_OF_HIT, LISTED_OF_HIT)
"""Branches that hold identifiers of particles, of which a file has one kind."""
MODULE = ("volume_id", "layer_id", "sensitive_id")
POINT, MOMENTUM = ("tx", "ty", "tz"), ("tpx", "tpy", "tpz")
HIT_BRANCHES = (*MODULE, *POINT, *MOMENTUM, "index")
START = ("vx", "vy", "vz", "px", "py", "pz")
PARTICLE_BRANCHES = ("particle_type", "q", *START, *PARTS)


@dataclass(frozen=True)
class SimulatedHits:
    """Simulated hits (K,) of one event on modules of the detector.

    Attributes:
        module: rows of the detector table; particle: identifiers; order: along the particle's path.
        point, momentum: (K, 3) global, mm and GeV.
        where: what errors call the table.
    """

    module: npt.NDArray[np.int32]
    particle: Ints
    point: Floats
    momentum: Floats
    order: Ints
    where: str


def _listed_barcodes(values: ak.Array, where: str, name: str) -> Ints:
    flat, counts = jagged_branch(values, "i8", where, name)
    if np.any(counts != len(PARTS)):
        raise InputError(
            f"{where}: branch '{name}' must hold lists of {len(PARTS)} numbers ({', '.join(PARTS)})"
        )
    return pack_barcode(list(flat.reshape(-1, len(PARTS)).T), where)


def check_particles_named(names: Sequence[str], where: str) -> None:
    """Check that measurements, whose branches are ``names``, say which particles made them.

    Raises:
        InputError: they do not.
    """
    if LISTED_OF_MEASUREMENT not in names:
        fix = (
            "Nothing else says whose measurements they are; to convert without truth, move hits.root and "
            "the particles away."
        )
        require(names, PARTS_OF_MEASUREMENT, where, fix)


def particles_of_measurements(table: Mapping[str, ak.Array], where: str) -> tuple[Ints, Ints]:
    """(T,) particles that made measurements, and (T,) the rows of these measurements.

    Raises:
        InputError: the branches hold something else.
    """
    if LISTED_OF_MEASUREMENT in table:
        listed = table[LISTED_OF_MEASUREMENT]
        if listed.ndim != 3:
            raise InputError(
                f"{where}: '{LISTED_OF_MEASUREMENT}' must hold lists of particles and is of type "
                f"{listed.type}"
            )
        counts = ak.to_numpy(ak.num(listed)).astype(np.int64)
        particle = _listed_barcodes(ak.flatten(listed), where, LISTED_OF_MEASUREMENT)
    else:
        branches = (jagged_branch(table[n], "i8", where, n) for n in PARTS_OF_MEASUREMENT)
        parts, counts = same_lengths(branches, where)
        particle = pack_barcode(parts, where)
    return particle, np.repeat(np.arange(len(counts)), counts)


def read_hits(branches: Mapping[str, ak.Array], detector: Detector, where: str) -> SimulatedHits:
    """Simulated hits of one event, those in volumes of the detector.

    Raises:
        InputError: branches hold something else, or a module is not in the table.
    """
    # Hits in strips need no good numbers.
    in_pixels = in_detector(detector, flat_branch(branches["volume_id"], "i8", where, "volume_id"))
    branches = {name: values[in_pixels] for name, values in branches.items()}
    numbers = {
        name: flat_branch(values, "f8" if name in (*POINT, *MOMENTUM) else "i8", where, name)
        for name, values in branches.items()
        if name != LISTED_OF_HIT
    }
    if LISTED_OF_HIT in branches:
        particle = _listed_barcodes(branches[LISTED_OF_HIT], where, LISTED_OF_HIT)
    else:
        require(list(branches), PARTS_OF_HIT, where, "Expected the branches of ACTS's ROOT writers.")
        particle = pack_barcode([numbers[name] for name in PARTS_OF_HIT], where)
    return SimulatedHits(
        module=detector.find_modules(*(numbers[name] for name in MODULE)),
        particle=particle,
        point=np.stack([numbers[name] for name in POINT], axis=1),
        momentum=np.stack([numbers[name] for name in MOMENTUM], axis=1),
        order=numbers["index"],
        where=where,
    )


def read_particles(branches: Mapping[str, ak.Array], where: str) -> Columns:
    """The particles of one event, in the columns of :data:`smartpix.schema.PARTICLES`.

    Raises:
        InputError: branches hold something else.
    """
    whole = ("particle_type", *PARTS)
    lists = (jagged_branch(branches[n], "i8" if n in whole else "f8", where, n) for n in branches)
    columns: dict[str, npt.NDArray[Any]] = dict(zip(branches, same_lengths(lists, where)[0], strict=True))
    return {
        "particle_id": pack_barcode([columns[n] for n in PARTS], where),
        "pdg_id": columns["particle_type"],
        "charge": columns["q"],
        **{n: columns[n] for n in START},
    }


def match(
    hits: SimulatedHits, particle: Ints, ids: Ints, row: Ints, module: npt.NDArray[np.int32],
    position: Floats, event: int,
) -> Ints:  # fmt: skip
    """(T,) the simulated hits that made measurements: of the particle's hits on the measurement's module the
    nearest.

    Args:
        particle: (T,) that made a measurement; row: (T,) of the measurement.
        ids: (H,) of the measurements; module: (H,) rows of the detector table; position: (H, 3) global, mm.

    Raises:
        InputError: a particle has no hit on the module, or fewer than the measurement lists.
    """
    names, number = np.unique(np.concatenate([hits.particle, particle]), return_inverse=True)
    # One number for particle and module, by which hits are looked up.
    n_modules = int(max(hits.module.max(initial=0), module.max(initial=0))) + 1
    key = number * n_modules + np.concatenate([hits.module, module[row]])
    hit_key, row_key = key[: len(hits.particle)], key[len(hits.particle) :]
    by_key = np.argsort(hit_key, kind="stable")
    low, high = (np.searchsorted(hit_key[by_key], row_key, side) for side in ("left", "right"))
    if np.any(low == high):
        i = int(np.argmax(low == high))
        raise InputError(
            f"{hits.where}: event {event} has no hit of particle {names[number[len(hits.particle) + i]]} on "
            f"the module of measurement {ids[row[i]]}; the files are not of the same events"
        )
    chosen: Ints = by_key[low]
    nearest = np.full(len(row_key), np.inf)
    for k in range(int((high - low).max(initial=0))):
        candidates = low + k < high
        candidate = by_key[np.where(candidates, low + k, low)]
        distance = np.where(candidates, np.linalg.norm(hits.point[candidate] - position[row], axis=1), np.inf)
        chosen, nearest = np.where(distance < nearest, candidate, chosen), np.minimum(distance, nearest)
    # A particle that crosses a module several times is listed once for each crossing: the next nearest for
    # the next.
    for listed in _repeated(row_key * max(len(ids), 1) + row):
        first = listed[0]
        candidates = by_key[low[first] : high[first]]
        if len(candidates) < len(listed):
            raise InputError(
                f"{hits.where}: event {event} has {len(candidates)} hits of particle {particle[first]} on "
                f"the module of measurement {ids[row[first]]}, which lists it {len(listed)} times; the files are "
                "not of the same events"
            )
        distance = np.linalg.norm(hits.point[candidates] - position[row[first]], axis=1)
        chosen[listed] = candidates[np.argsort(distance, kind="stable")[: len(listed)]]
    return chosen


def _repeated(values: Ints) -> list[Ints]:
    """Places of each value that is there more than once."""
    order = np.argsort(values, kind="stable")
    groups = np.split(order, np.flatnonzero(values[order][1:] != values[order][:-1]) + 1)
    return [group for group in groups if len(group) > 1]
