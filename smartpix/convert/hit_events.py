"""The event of ours that hits, cells and truth of a foreign format make, and the checks of these."""

from __future__ import annotations

from dataclasses import fields

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.cluster_records import Pixels, Truth, bare_records, cluster_records, one_event
from smartpix.convert.hit_tables import (
    ELECTRONS_PER_MM,
    SLICES,
    Cells,
    Crossed,
    Floats,
    HitTables,
    Ints,
    rows_of,
)
from smartpix.geometry import Detector
from smartpix.io.event_checks import POSITION_TOLERANCE
from smartpix.io.physics_checks import LARGEST_OF_PARTICLES, OVER_EDGE
from smartpix.records import records_of
from smartpix.schema import InputError

__all__ = ["LORENTZ", "MOST_CHARGE", "OFF_PLANE", "make_event"]

OFF_PLANE = 0.01
"""Largest distance in mm of a position from its module's midplane: the rounding of a number of metres to six
digits. For sensors thinner than two of it, about half the thickness."""
LORENTZ = 0.25
"""Share of the sensor's thickness by which charge may drift sideways on the mean: half of it times a Lorentz
angle's tangent of 0.5, that of electrons in 4 T at most."""
MOST_CHARGE = 1e8
"""e: the charge of a cell stays below it. It is 360 MeV; charges in e that are taken for path lengths in mm
go beyond it.
"""


def make_event(tables: HitTables, detector: Detector, electrons: float = ELECTRONS_PER_MM) -> ak.Array:
    """An array of one event, its clusters in the order of the hits' ids.

    Args:
        electrons: charge in e of a cell of value 1.

    Raises:
        InputError: ids that are there twice, hits without cells that are not bare, channels off the module,
            positions off the module or off their cells, cells or crossings that are there twice, charges,
            momenta or starts that cannot be, crossings off the sensor, along it, or of unknown particles.
    """
    order = np.argsort(tables.hit_id, kind="stable")
    ids, module, position = tables.hit_id[order], tables.module[order], tables.position[order]
    _check_unique(ids, "hit", tables.where)
    bare = np.full(len(ids), tables.cells is None) if tables.bare is None else tables.bare[order]
    _check_planes(tables, ids, module, position, bare, detector)
    rows, pixels = np.flatnonzero(~bare), None
    if len(rows) or tables.cells is not None:
        pixels = _pixels(tables.cells, ids[rows], module[rows], detector, electrons)
        _check_places(tables, ids[rows], position[rows], pixels, detector)
    truth = None if tables.truth is None else _truth(tables.truth, ids, module, detector)
    parts = []
    if pixels is not None:
        no_shift = np.zeros((len(detector), 2))
        of_rows = _truth_of(truth, rows)
        parts.append(cluster_records(detector, pixels, of_rows, SLICES, no_shift, ids[rows], position[rows]))
    if len(rows := np.flatnonzero(bare)) or not parts:
        sigma = _pitch_sigma(detector, module) if tables.sigma is None else tables.sigma[order]
        of_rows = _truth_of(truth, rows)
        parts.append(
            bare_records(
                detector, module[rows], position[rows], sigma[rows], of_rows, SLICES, ids[rows],
                None if tables.charge is None else tables.charge[order][rows],
            )
        )  # fmt: skip
    clusters = (
        ak.concatenate(parts)[np.argsort(np.argsort(bare, kind="stable"))] if len(parts) > 1 else parts[0]
    )
    if tables.time is not None:
        clusters = ak.with_field(clusters, tables.time[order].astype(np.float32), "time")
    if tables.truth is None:
        columns = tables.particles or {}
    else:
        columns = tables.truth.particles
    particles = {n: np.asarray(columns.get(n, ())).astype(c.dtype) for n, c in schema.PARTICLES.items()}
    return one_event(tables.event, clusters, records_of(particles))


def _pitch_sigma(detector: Detector, module: npt.NDArray[np.int32]) -> Floats:
    """(H, 2) standard deviation of a place that is anywhere within a pixel, mm."""
    pitch = np.stack([detector.pitch_x[module], detector.pitch_y[module]], axis=1)
    return np.asarray(pitch / np.sqrt(12.0))


def _truth_of(truth: Truth | None, rows: Ints) -> Truth | None:
    """Truth of the clusters ``rows``, rising, numbered from 0."""
    if truth is None:
        return None
    place = rows_of(rows, truth.cluster)
    kept = np.flatnonzero(place >= 0)
    columns = {column.name: getattr(truth, column.name)[kept] for column in fields(Truth)}
    return Truth(**(columns | {"cluster": place[kept]}))


def _check_unique(ids: Ints, kind: str, where: str) -> None:
    repeated = np.flatnonzero(ids[1:] == ids[:-1])
    if len(repeated):
        raise InputError(
            f"{where}: {kind} {ids[repeated[0]]} is there more than once ({len(repeated)} such rows); ids "
            "must be unique in an event. Two events may have been put together as one (tables one after the "
            "other, hadd of jobs whose event numbers repeat)"
        )


def _pixels(
    cells: Cells | None, ids: Ints, module: npt.NDArray[np.int32], detector: Detector, electrons: float
) -> Pixels:
    if cells is None:
        raise InputError("convert: hits are said to have cells, and there is no table of them")
    number = rows_of(ids, cells.hit_id)
    matched = number >= 0
    number, ch0, ch1, value = number[matched], cells.ch0[matched], cells.ch1[matched], cells.value[matched]
    without = np.setdiff1d(np.arange(len(ids)), number)
    if len(without):
        raise InputError(
            f"{cells.where}: hit {ids[without[0]]} has no cell ({len(without)} such hits); every hit needs "
            "at least one"
        )
    cell_module = module[number]
    inside = (
        (ch0 >= 0)
        & (ch0 < detector.n_rows[cell_module])
        & (ch1 >= 0)
        & (ch1 < detector.n_columns[cell_module])
    )
    if not np.all(inside):
        i = int(np.argmin(inside))
        raise InputError(
            f"{cells.where}: hit {ids[number[i]]} has channel ({ch0[i]}, {ch1[i]}) off its module of "
            f"{detector.n_rows[cell_module[i]]} x {detector.n_columns[cell_module[i]]} pixels; cells and "
            "detector table do not match"
        )
    if np.any(value < 0):
        i = int(np.argmax(value < 0))
        raise InputError(
            f"{cells.where}: hit {ids[number[i]]} has a cell of value {value[i]:g}; values are charges or "
            "path lengths"
        )
    charge = value * electrons
    if np.any(charge > MOST_CHARGE):
        i = int(np.argmax(charge))
        raise InputError(
            f"{cells.where}: hit {ids[number[i]]} has a cell of value {value[i]:g}, which is a charge of "
            f"{charge[i]:.3g} e, and {MOST_CHARGE:g} e are allowed ({int(np.sum(charge > MOST_CHARGE))} such "
            "cells); if values are charges in e, give --electrons 1"
        )
    # Channels count along u and v; rows and columns along y and x of the sensor frame, which may run the
    # other way.
    row = np.where(detector.u_sign[cell_module] > 0, ch0, detector.n_rows[cell_module] - 1 - ch0)
    column = np.where(detector.v_sign[cell_module] > 0, ch1, detector.n_columns[cell_module] - 1 - ch1)
    # One number for hit, row and column: a side of a module has at most 32,767 pixels.
    key = (number * 100_000 + row) * 100_000 + column
    order = np.lexsort((value, key))
    repeated = (key[order][1:] == key[order][:-1]) & (value[order][1:] == value[order][:-1])
    if np.any(repeated):
        i = int(order[np.argmax(repeated)])
        raise InputError(
            f"{cells.where}: hit {ids[number[i]]} has the cell ({ch0[i]}, {ch1[i]}) of value {value[i]:g} "
            f"more than once ({int(repeated.sum())} such rows); drop the copies"
        )
    # TrackML lists a cell that is crossed twice so, with other values: it is one pixel with both charges.
    unique, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    summed = np.bincount(inverse, charge, len(unique))
    return Pixels(
        number[first], module[number[first]], row[first].astype(np.int32), column[first].astype(np.int32),
        summed[:, None].astype(np.float32),
    )  # fmt: skip


def _check_planes(
    tables: HitTables, ids: Ints, module: npt.NDArray[np.int32], position: Floats,
    bare: npt.NDArray[np.bool_], detector: Detector,
) -> None:  # fmt: skip
    """Check that positions (H, 3) are in the planes of their modules, and those of bare hits on them."""
    if len(ids) == 0:
        return
    local = detector.to_local(module, position)
    fix = "positions, cells and detector table must be of one detector and one event"
    half = np.stack([detector.half_x, detector.half_y], axis=1)[module]
    beside = np.where(bare, np.max(np.abs(local[:, :2]) - half, axis=1), 0.0)
    if np.any(beside > OVER_EDGE):
        i = int(np.argmax(beside))
        raise InputError(
            f"{tables.where}: hit {ids[i]} lies {beside[i]:.3g} mm beside its module, and {OVER_EDGE:g} mm are "
            f"allowed ({int(np.sum(beside > OVER_EDGE))} such hits); {fix}"
        )
    height = np.abs(local[:, 2])
    # Event files allow less for a thin sensor; half their tolerance is for rounding.
    most = np.minimum(OFF_PLANE, detector.thickness[module] / 2 + POSITION_TOLERANCE / 2)
    if np.any(height > most):
        i = int(np.argmax(height - most))
        raise InputError(
            f"{tables.where}: hit {ids[i]} lies {height[i]:.3g} mm off the plane of its module, and "
            f"{most[i]:.3g} mm are allowed ({int(np.sum(height > most))} such hits); {fix}"
        )


def _check_places(tables: HitTables, ids: Ints, position: Floats, pixels: Pixels, detector: Detector) -> None:
    """Check that positions (H, 3) are within their cells' outermost centres.

    Allowed is one pixel more, as charge is shared with neighbours below the threshold, or :data:`LORENTZ` of
    the thickness.
    """
    if len(ids) == 0 or tables.cells is None:
        return
    first = np.flatnonzero(np.concatenate([[True], pixels.cluster[1:] != pixels.cluster[:-1]]))
    module = pixels.module[first]
    local = detector.to_local(module, position)
    fix = "positions, cells and detector table must be of one detector and one event"
    for axis, (index, pitch, half) in enumerate(
        ((pixels.column, detector.pitch_x, detector.half_x), (pixels.row, detector.pitch_y, detector.half_y))
    ):
        center = (index + 0.5) * pitch[pixels.module] - half[pixels.module]
        low, high = np.minimum.reduceat(center, first), np.maximum.reduceat(center, first)
        away = np.maximum(low - local[:, axis], local[:, axis] - high)
        allowed = np.maximum(pitch[module], LORENTZ * detector.thickness[module])
        if np.any(away > allowed):
            i = int(np.argmax(away - allowed))
            raise InputError(
                f"{tables.where}: hit {ids[i]} lies {away[i]:.3g} mm beside its cells in "
                f"{tables.cells.where}, and {allowed[i]:.3g} mm are allowed ({int(np.sum(away > allowed))} "
                f"such hits); {fix}"
            )


def _check_crossings(
    crossed: Crossed, number: Ints, ids: Ints, particle: Ints, point: Floats, beside: Floats
) -> None:
    """Check that crossings (T,) of the hits ``number`` are different ones, and on their sensors but for
    ``off`` mm.
    """
    if np.any(beside > OVER_EDGE):
        i = int(np.argmax(beside))
        raise InputError(
            f"{crossed.where[0]}: the particle of hit {ids[number[i]]} crossed {beside[i]:.3g} mm off the "
            f"hit's sensor ({int(np.sum(beside > OVER_EDGE))} such crossings); truth and hits must be of one "
            "event"
        )
    order = np.lexsort((*point.T, particle, number))
    same = (number[order][1:] == number[order][:-1]) & (particle[order][1:] == particle[order][:-1])
    same &= np.all(point[order][1:] == point[order][:-1], axis=1)
    if np.any(same):
        i = int(order[np.argmax(same)])
        raise InputError(
            f"{crossed.where[0]}: particle {particle[i]} makes hit {ids[number[i]]} twice at the same place "
            f"({int(same.sum())} such crossings); rows must be there once"
        )


def _check_particles(crossed: Crossed) -> None:
    for name, (most, unit, whose) in LARGEST_OF_PARTICLES.items():
        tables = [(np.asarray(crossed.particles[name]), crossed.particles["particle_id"], crossed.where[1])]
        if name[0] == "p":
            tables.append((crossed.momentum[:, "xyz".index(name[1])], crossed.particle_id, crossed.where[0]))
        for values, particle, where in tables:
            if np.any(np.abs(values) > most):
                i = int(np.argmax(np.abs(values)))
                raise InputError(
                    f"{where}: particle {particle[i]} has a {name} of {values[i]:g} {unit}, and {most:g} "
                    f"{unit} are more than any {whose}; the value is damaged or in another unit"
                )


def _truth(crossed: Crossed, ids: Ints, module: npt.NDArray[np.int32], detector: Detector) -> Truth:
    table = np.asarray(crossed.particles["particle_id"])
    by_id = np.argsort(table, kind="stable")
    _check_unique(table[by_id], "particle", crossed.where[1])
    _check_particles(crossed)
    number = rows_of(ids, crossed.hit_id)
    matched = number >= 0
    number, particle = number[matched], crossed.particle_id[matched]
    point, momentum = crossed.point[matched], crossed.momentum[matched]
    particle_row = rows_of(table[by_id], particle)
    if np.any(particle_row < 0):
        lost = particle[particle_row < 0]
        raise InputError(
            f"{crossed.where[0]}: has hits of particle {lost[0]}, which {crossed.where[1]} lacks "
            f"({len(lost)} such hits); the files must be of the same events"
        )
    hit_module = module[number]
    local, direction = detector.to_local(hit_module, point), detector.direction_to_local(hit_module, momentum)
    outside = np.abs(local) - np.stack(
        [detector.half_x[hit_module], detector.half_y[hit_module], detector.thickness[hit_module] / 2], axis=1
    )
    _check_crossings(crossed, number, ids, particle, point, outside.max(axis=1, initial=-np.inf))
    along = np.abs(direction[:, 2]) <= 1e-9 * np.linalg.norm(direction, axis=1)
    if np.any(along):
        i = int(np.argmax(along))
        raise InputError(
            f"{crossed.where[0]}: hit {ids[number[i]]} has the momentum {momentum[i].tolist()} GeV, which is "
            "zero or along its sensor; drop such crossings"
        )
    if crossed.order is None:
        # Without a running number, distance from the start orders crossings of all but the softest loopers.
        start = np.stack([crossed.particles[n] for n in ("vx", "vy", "vz")], axis=1)[by_id][particle_row]
        order = _ranks(particle, np.linalg.norm(point - start, axis=1))
    else:
        order = crossed.order[matched].astype(np.int32)
    # A particle leaves charge as it goes through the thickness: the longer its path, the more.
    path = np.linalg.norm(direction, axis=1) / np.abs(direction[:, 2])
    in_cluster = np.bincount(number, path, len(ids))
    return Truth(
        cluster=number, particle_id=particle, share=path / in_cluster[number], order=order, x=local[:, 0],
        y=local[:, 1],
        cot_alpha=direction[:, 0] / direction[:, 2], cot_beta=direction[:, 1] / direction[:, 2],
        pt=np.hypot(momentum[:, 0], momentum[:, 1]),
    )  # fmt: skip


def _ranks(group: Ints, value: Floats) -> npt.NDArray[np.int32]:
    """Rank of each value within its group, from 0."""
    sort = np.lexsort((value, group))
    grouped = group[sort]
    new = np.concatenate([[True], grouped[1:] != grouped[:-1]]) if len(group) else np.zeros(0, dtype=bool)
    begin = (
        np.maximum.accumulate(np.where(new, np.arange(len(group)), 0))
        if len(group)
        else np.zeros(0, dtype=np.int64)
    )
    rank = np.empty(len(group), dtype=np.int32)
    rank[sort] = np.arange(len(group)) - begin
    return rank
