"""What the branches of an event file must be, checked where a file enters: types, ids, positions, truth.

Every error names the file, the event and the branch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.geometry import Detector
from smartpix.io.event_groups import Group, Ints
from smartpix.io.physics_checks import check_bare, check_crossings, check_particles, check_pixels
from smartpix.schema import InputError, whole_ids

__all__ = ["POSITION_TOLERANCE", "Branch", "branch_types", "check_events", "check_numbers", "typed_branches"]

POSITION_TOLERANCE = 2e-3
"""mm: x, y and z are where the module has local_x and local_y, to this along the sensor and, across it, to
half of its thickness. Single precision rounds by 0.0001 mm at 1.5 m and by 0.001 mm at 16 m."""
SHARE_TOLERANCE = 1e-5
"""Shares are quotients in single precision."""


def branch_types(
    slices: Sequence[int], truth: bool, particles: bool | None = None, times: bool = False
) -> dict[str, str]:
    """Branches of the tree of events with the NumPy types of their numbers; all but ``event`` hold a list an
    event.

    Args:
        slices: that pixels carry.
        truth: with the branches of who made which cluster.
        particles: with those of the particles; None: where there is truth.
        times: with the times of clusters.
    """
    types = (
        {"event": "i8"}
        | {f"cluster_{n}": c.dtype for n, c in schema.CLUSTERS.items() if times or not c.optional}
        | {"cluster_n_pixels": "i4"}
    )
    types |= {f"pixel_{n}": c.dtype for n, c in schema.PIXELS.items()} | {
        f"pixel_charge_{s:02d}": "f4" for s in slices
    }
    if truth:
        types |= {"cluster_n_truth": "i4"} | {f"truth_{n}": c.dtype for n, c in schema.TRUTH.items()}
    if truth if particles is None else particles:
        types |= {f"particle_{n}": c.dtype for n, c in schema.PARTICLES.items()}
    return types


@dataclass(frozen=True)
class Branch:
    """Numbers of N events one after the other, and (N + 1,) where each event's begin."""

    numbers: npt.NDArray[Any]
    starts: Ints

    @property
    def counts(self) -> Ints:
        """(N,) numbers that each event has."""
        return np.diff(self.starts)


def typed_branches(arrays: Mapping[str, ak.Array], types: Mapping[str, str], where: str) -> dict[str, Branch]:
    """Branches of N events in the types of the schema.

    Raises:
        InputError: a branch holds something else, or numbers that its type cannot.
    """
    branches: dict[str, Branch] = {}
    for name, dtype in types.items():
        numbers, starts = _flat(arrays[name], name, where)
        if numbers.dtype != np.dtype(dtype):
            numbers = _typed(
                numbers,
                dtype,
                where,
                name,
                starts,
                branches["event"].numbers if "event" in branches else None,
            )
        branches[name] = Branch(numbers, starts)
    return branches


def _flat(values: ak.Array, name: str, where: str) -> tuple[npt.NDArray[Any], Ints]:
    """The numbers of a branch and where each event's begin; of ``event`` there is one each, of all others a
    list.
    """
    layout = ak.to_packed(values).layout
    one_each = name == "event"
    if isinstance(layout, ak.contents.RegularArray):
        layout = layout.to_ListOffsetArray64(True)
    # Strings are lists with a parameter.
    is_list = isinstance(layout, ak.contents.ListOffsetArray) and not layout.parameters
    content = layout.content if is_list else layout
    is_number = (
        isinstance(content, (ak.contents.NumpyArray, ak.contents.EmptyArray)) and content.purelist_depth == 1
    )
    if is_list == one_each or not is_number:
        requirement = "one number" if one_each else "a list of numbers"
        raise InputError(
            f"{where}: branch '{name}' must hold {requirement} an event and is of type {values.type}"
        )
    starts = np.arange(len(values) + 1) if one_each else np.asarray(layout.offsets.data, dtype=np.int64)
    return np.asarray(ak.to_numpy(content)), starts


def _typed(
    numbers: npt.NDArray[Any], dtype: str, where: str, name: str, starts: Ints, event: Ints | None
) -> npt.NDArray[Any]:
    """Numbers in another type, if it can hold them."""
    if dtype == "?":
        good = numbers.dtype.kind == "b" or bool(np.all((numbers == 0) | (numbers == 1)))
    else:
        good = numbers.dtype.kind in "iuf"
    if not good:
        raise InputError(
            f"{where}: branch '{name}' must be of type {np.dtype(dtype)} and is of type {numbers.dtype}"
        )
    if np.dtype(dtype).kind in "iu":
        try:
            return whole_ids(numbers, dtype, where, name)
        except InputError:
            # Once more, event by event, to name the first that is wrong.
            for k, (a, b) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
                whole_ids(
                    numbers[a:b],
                    dtype,
                    f"{where}: {f'entry {k}' if event is None else f'event {event[k]}'}",
                    name,
                )
            raise
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
        return numbers.astype(dtype)


def check_numbers(events: Ints, where: str) -> None:
    """Check that all events of a file have numbers of their own.

    Raises:
        InputError: one is there twice.
    """
    order = np.argsort(events, kind="stable")
    repeated = np.flatnonzero(np.diff(events[order]) == 0)
    if len(repeated):
        a, b = order[repeated[0]], order[repeated[0] + 1]
        raise InputError(
            f"{where}: event {events[a]} is there twice, as the entries {a} and {b}; files of jobs that "
            "number alike were joined (hadd), or an event was written twice. Give the files one by one "
            "(commands take several), or number anew"
        )


def check_events(flat: Mapping[str, Branch], detector: Detector, where: str) -> None:
    """Check some events, all branches of them.

    Raises:
        InputError: values that are not finite; modules, pixels or ids that the detector table does not have;
            repeated ids; sigmas that are not positive; positions that are not where the module has the local
            ones; shares that are none; truth of particles that are not there; what
            :mod:`smartpix.io.physics_checks` refuses.
    """
    kinds = {
        "cluster": "cluster_hit_id",
        "pixel": "pixel_row",
        "truth": "truth_share",
        "particle": "particle_particle_id",
    }
    groups = {
        kind: Group(where, flat["event"].numbers, flat[name].counts)
        for kind, name in kinds.items()
        if name in flat
    }
    for name, branch in flat.items():
        if name == "event":
            continue
        kind = name.split("_")[0]
        if not np.array_equal(branch.starts, flat[kinds[kind]].starts):
            raise InputError(
                f"{where}: {name} and {kinds[kind]} differ in length; the file was written inconsistently"
            )
        if branch.numbers.dtype.kind == "f":
            groups[kind].refuse(
                ~np.isfinite(branch.numbers), f"{name} must be a finite number", branch.numbers
            )
    columns = {name: branch.numbers for name, branch in flat.items()}
    _check_clusters(columns, groups, detector)
    if "particle" in groups:
        _check_particle_ids(columns, groups["particle"])
        check_particles(columns, groups["particle"])
    if "truth" in groups:
        _check_truth(columns, groups, detector)


def _check_clusters(
    columns: Mapping[str, npt.NDArray[Any]], groups: Mapping[str, Group], detector: Detector
) -> None:
    clusters, pixels = groups["cluster"], groups["pixel"]
    module = columns["cluster_module_index"]
    outside = (module < 0) | (module >= len(detector))
    clusters.refuse(
        outside,
        f"cluster_module_index must be a row of the detector table, 0 to {len(detector) - 1},",
        module,
    )
    for name in ("volume_id", "layer_id", "module_id"):
        differs = columns[f"cluster_{name}"] != np.asarray(detector.columns[name])[module]
        requirement = (
            f"cluster_{name} must be the detector table's at cluster_module_index (write the table the "
            f"clusters belong to)"
        )
        clusters.refuse(differs, requirement, columns[f"cluster_{name}"])
    clusters.refuse_repeated("cluster_hit_id", columns["cluster_hit_id"])
    for name in ("sigma_x", "sigma_y"):
        sigma = columns[f"cluster_{name}"]
        clusters.refuse(sigma <= 0, f"cluster_{name} must be positive (mm)", sigma)
        size = 2 * (detector.half_x if name == "sigma_x" else detector.half_y)[module]
        clusters.refuse(sigma > size, f"cluster_{name} must be the module's size at most (mm)", sigma)
    point = np.stack([columns[f"cluster_{n}"] for n in "xyz"], axis=1).astype(np.float64)
    local = detector.to_local(module, point)
    for axis, name in enumerate(("local_x", "local_y")):
        distance = np.abs(local[:, axis] - columns[f"cluster_{name}"])
        requirement = (
            f"cluster_{name} must be where cluster_x, _y, _z lie on the module, to {POSITION_TOLERANCE:g} mm,"
        )
        clusters.refuse(distance > POSITION_TOLERANCE, requirement, distance, off="that place")
    height = np.abs(local[:, 2]) - detector.thickness[module] / 2
    requirement = "the position cluster_x, _y, _z must lie in the module's thickness"
    clusters.refuse(height > POSITION_TOLERANCE, requirement, height, off="its surface")
    counts = columns["cluster_n_pixels"]
    clusters.refuse(counts < 0, "cluster_n_pixels must not be negative", counts)
    _check_counts("cluster_n_pixels", counts, clusters, pixels)
    check_bare(columns, clusters, detector)
    check_pixels(columns, clusters, pixels, detector)


def _check_counts(name: str, counts: npt.NDArray[Any], clusters: Group, inside: Group) -> None:
    """What clusters count adds up to what there is, event by event."""
    total = np.bincount(clusters.owner, counts, len(clusters.counts)).astype(np.int64)
    if not np.array_equal(total, inside.counts):
        k = int(np.argmax(total != inside.counts))
        raise InputError(
            f"{clusters.where}: event {clusters.event[k]}: {name} adds up to {total[k]} and there are "
            f"{inside.counts[k]} entries; the file was written inconsistently"
        )


def _check_truth(
    columns: Mapping[str, npt.NDArray[Any]], groups: Mapping[str, Group], detector: Detector
) -> None:
    clusters, truth, particles = (groups[kind] for kind in ("cluster", "truth", "particle"))
    counts = columns["cluster_n_truth"]
    clusters.refuse(counts < 0, "cluster_n_truth must not be negative", counts)
    _check_counts("cluster_n_truth", counts, clusters, truth)
    particle_ids, truth_ids = columns["particle_particle_id"], columns["truth_particle_id"]
    share = columns["truth_share"]
    truth.refuse((share < 0) | (share > 1 + SHARE_TOLERANCE), "truth_share must be from 0 to 1", share)
    # Ids may take all of 64 bits: ranks of ids fit into one number with the event, ids do not.
    names, number = np.unique(np.concatenate([particle_ids, truth_ids]), return_inverse=True)
    key = np.concatenate([particles.owner, truth.owner]) * (len(names) + 1) + number
    lost = ~np.isin(key[len(particle_ids) :], key[: len(particle_ids)])
    truth.refuse(lost, "truth_particle_id must be among the event's particle_particle_id", truth_ids)
    check_crossings(columns, truth, detector)


def _check_particle_ids(columns: Mapping[str, npt.NDArray[Any]], particles: Group) -> None:
    """Ids of particles are positive and different."""
    ids = columns["particle_particle_id"]
    particles.refuse(ids <= 0, "particle_particle_id must be above 0", ids)
    particles.refuse_repeated("particle_particle_id", ids)
