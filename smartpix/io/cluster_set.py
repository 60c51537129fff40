"""Clusters in the layout of the public smart-pixel data sets: in memory, and the columns of their parquet
files.

Source of the layout: the simulated clusters of the smart-pixel collaboration (J. Dickinson et al., arXiv
2310.02474; B. Parpillon et al., arXiv 2602.15946).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import Column, InputError, nearest, require

__all__ = [
    "ALL_LABELS",
    "LABELS",
    "LAYOUTS",
    "MAY_BE_NAN",
    "MERGED_LABELS",
    "N_PARTICLES",
    "TARGETS",
    "ClusterSet",
    "check_labels",
    "check_merged",
    "checked_parts",
    "complete_labels",
    "label_of",
    "regroup",
]

Floats = npt.NDArray[np.float64]

LABELS: dict[str, Column] = {
    "x-entry": Column("f8", "um", "entry into the sensor, from the origin pixel's centre, along the columns"),
    "y-entry": Column("f8", "um", "entry into the sensor, from the origin pixel's centre, along the rows"),
    "z-entry": Column("f8", "um", "0: through the far side, the thickness: through the pixel side"),
    "n_x": Column("f8", "GeV", "momentum, sensor frame"),
    "n_y": Column("f8", "GeV", "momentum, sensor frame"),
    "n_z": Column("f8", "GeV", "momentum, sensor frame; z runs towards the pixel (collecting) side"),
    "number_eh_pairs": Column("f8", "", "electron-hole pairs made in the silicon"),
    "y-local": Column("f8", "mm", "position of the array on the module, along the rows"),
    "pt": Column("f8", "GeV", "transverse momentum times the sign of the charge"),
    "cotAlpha": Column("f8", "", "n_x / n_z"),
    "cotBeta": Column("f8", "", "n_y / n_z (beta bends)"),
    "x-midplane": Column(
        "f8", "um", "crossing of the midplane: x-entry + cotAlpha * (thickness / 2 - z-entry)"
    ),
    "y-midplane": Column(
        "f8", "um", "crossing of the midplane: y-entry + cotBeta * (thickness / 2 - z-entry)"
    ),
}
"""Label columns of the public data sets, in their order. Lengths in um and momenta in GeV, as published."""

N_PARTICLES = "n_particles"
"""Label of windows that several particles cross, which have :data:`MERGED_LABELS` besides."""


def label_of(name: str, particle: int) -> str:
    """A label of the first, second or third particle of a window."""
    return name if particle == 1 else f"{name}-{particle}"


MERGED_LABELS: dict[str, Column] = {
    N_PARTICLES: Column("f8", "", "particles that cross the window: 1, 2 or 3"),
    **{
        label_of(name, k): Column("f8", column.unit, f"as {name}, of particle {k}; nan where there is none")
        for k in (2, 3)
        for name, column in LABELS.items()
    },
}
ALL_LABELS = LABELS | MERGED_LABELS
"""Labels of any table, in their order."""
MAY_BE_NAN = frozenset(MERGED_LABELS) - {N_PARTICLES}

TARGETS = ("x-midplane", "y-midplane", "cotAlpha", "cotBeta")
"""Labels that networks are trained on: every set has them."""
_SLOPES = {"cotAlpha": ("n_x", "n_z"), "cotBeta": ("n_y", "n_z")}
_CROSSINGS = {
    "x-midplane": ("x-entry", "z-entry", "cotAlpha"),
    "y-midplane": ("y-entry", "z-entry", "cotBeta"),
}

LAYOUTS = {5460: (20, 13, 21), 5120: (20, 16, 16)}
"""Slices, rows and columns of the public sets by their number of image columns. Positions are counted from
the centre of the pixel (:func:`smartpix.schema.origin_pixel` of the rows, of the columns): (6, 10) and (7,
7).
"""

TOLERANCE = 1e-3
"""Labels of one row agree to this, relative and absolute; those of different clusters do not."""


@dataclass(frozen=True)
class ClusterSet:
    """N clusters with their labels.

    Attributes:
        charge: (N, S, R, C) float32, cumulative induced charge in e; rows along y (r-phi), columns along x.
        labels: (N,) columns named as in :data:`ALL_LABELS`, public units.
        slices: (S,) numbers of the 200 ps slices in ``charge``.
    """

    charge: npt.NDArray[np.float32]
    labels: dict[str, Floats]
    slices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.charge)

    def select(self, slices: Sequence[int]) -> ClusterSet:
        """The same clusters with some of their slices, in the wanted order.

        Raises:
            InputError: a slice is not there.
        """
        missing = sorted(set(slices) - set(self.slices))
        if missing:
            raise InputError(f"clusters: the slices {missing} are not there; there are {list(self.slices)}")
        if tuple(slices) == self.slices:
            return self
        columns = [self.slices.index(s) for s in slices]
        return ClusterSet(np.ascontiguousarray(self.charge[:, columns]), self.labels, tuple(slices))

    def targets(self, particle: int = 1) -> Floats:
        """(N, 4) x and y of the midplane crossing in mm from the origin pixel's centre, cot alpha, cot
        beta; of the second or third particle of a window nan where there is none.
        """
        columns = [self.labels[label_of(name, particle)] for name in TARGETS]
        return np.asarray(np.stack(columns, axis=1) * np.array([1e-3, 1e-3, 1.0, 1.0]))


def check_labels(present: Sequence[str], thickness: float | None, where: str) -> None:
    """Check that the :data:`TARGETS` are present or can be computed by :func:`complete_labels`.

    Args:
        present: names of the columns.
        thickness: of the sensor in mm, where it is known.
        where: what the labels belong to, for the message.

    Raises:
        InputError: names the missing label, its nearest present name and the fix.
    """
    misspelt = [name for name in present if name not in LABELS]
    for name, inputs in {**_SLOPES, **_CROSSINGS}.items():
        if name in present:
            continue
        lacking = [column for column in inputs if column not in present and column not in _SLOPES]
        if lacking:
            fix = (
                f"It could be computed, but '{lacking[0]}' is missing as well; take the labels from the same "
                f"data set."
            )
            require(misspelt, (name,), where, fix)
        if name in _CROSSINGS and thickness is None:
            fix = f"To have it computed from {', '.join(inputs)}, give the thickness of the sensor in mm."
            require(misspelt, (name,), where, fix)


def complete_labels(
    labels: Mapping[str, Floats], thickness: float | None, where: str, first_row: int = 0
) -> dict[str, Floats]:
    """Labels in the order of :data:`ALL_LABELS`, with the missing :data:`TARGETS` computed and the given ones
    checked.

    Args:
        labels: (N,) columns that pass :func:`check_labels`.
        thickness: of the sensor in mm, for the midplane.
        where: what the labels belong to, for messages.
        first_row: number of the first row, for messages.

    Raises:
        InputError: momentum and cotangents of a row contradict each other, or the crossings of entry and
            midplane do.
    """
    # Slopes before crossings, which are computed from them.
    full = dict(labels)
    for name, (across, along) in _SLOPES.items():
        if across not in full or along not in full:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = full[across] / full[along]
            label = full.setdefault(name, slope)
            # Relative and absolute at once: slopes go from 0 to several hundred.
            wrong = ~np.isfinite(slope) | (np.abs(label - slope) > TOLERANCE * (1 + np.abs(slope)))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"{where}: row {first_row + row} (the first is 0) has {name} {label[row]:.6g} and {across} / "
                f"{along} = {full[across][row]:.6g} / {full[along][row]:.6g} ({int(wrong.sum())} such rows); "
                "its columns are likely of different clusters, make the file again"
            )
    for name, (entry, height, slope_name) in _CROSSINGS.items():
        if thickness is None or not {entry, height, slope_name} <= set(full):
            continue
        crossing = full[entry] + full[slope_name] * (1e3 * thickness / 2 - full[height])
        label = full.setdefault(name, crossing)
        # A long way through the sensor is a difference of large numbers, rounded as those are.
        wrong = np.abs(label - crossing) > TOLERANCE * (1 + np.abs(full[entry]))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"{where}: row {first_row + row} (the first is 0) has {name} {label[row]:.6g}, and by "
                f"{entry}, {slope_name}, {height} and a thickness of {1e3 * thickness:g} um it is "
                f"{crossing[row]:.6g} ({int(wrong.sum())} such rows); the thickness or sensor type given is "
                "likely another, or columns are of different clusters"
            )
    check_merged(full, where, first_row)
    return {name: full[name] for name in ALL_LABELS if name in full}


def check_merged(labels: Mapping[str, Floats], where: str, first_row: int = 0) -> None:
    """Check the labels of windows that several particles cross.

    Args:
        labels: (N,) columns; where: what they belong to, for messages; first_row: number of the first row.

    Raises:
        InputError: :data:`TARGETS` of a second or third particle are missing, or there are labels of
            particles without their number, or a number that is none, or more or fewer particles than it says.
    """
    if not set(labels) & set(MERGED_LABELS):
        return
    needed = [N_PARTICLES, *(label_of(name, k) for k in (2, 3) for name in TARGETS)]
    require(list(labels), needed, where, "Windows of several particles have them all.")
    number = labels[N_PARTICLES]
    wrong = ~np.isin(number, (1, 2, 3))
    expected = "1, 2 or 3"
    for k in (2, 3):
        for name in LABELS:
            if (label := label_of(name, k)) in labels and not wrong.any():
                wrong = np.isnan(labels[label]) != (number < k)
                expected = f"at least {k} exactly where {label} is a number"
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{where}: row {first_row + row} (the first is 0) has {N_PARTICLES} {number[row]:g}, which must be "
            f"{expected}; make the file again"
        )


def checked_parts(parts: Iterable[ClusterSet], where: str) -> Iterator[ClusterSet]:
    """The same parts of a set, each checked in itself and against the first.

    Raises:
        InputError: there is no part, or one has an unknown label, lacks one, differs from the first in
            slices, shape or labels, or holds a value that is not finite.
    """
    first: ClusterSet | None = None
    row = 0
    for part in parts:
        if first is None:
            first = part
            unknown = [name for name in part.labels if name not in ALL_LABELS]
            if unknown:
                close, names = nearest(unknown[0], ALL_LABELS), ", ".join(LABELS)
                raise InputError(f"{where}: label '{unknown[0]}' is unknown.{close} Known: {names}")
            require(list(part.labels), TARGETS, f"{where}: labels", "Networks are trained on all of them.")
        if part.charge.ndim != 4 or len(part.slices) != part.charge.shape[1]:
            raise InputError(
                f"{where}: charge must be of the shape (clusters, {len(part.slices)} slices, rows, columns) "
                f"and is of {part.charge.shape}"
            )
        described, expected = ((s.slices, s.charge.shape[1:], sorted(s.labels)) for s in (part, first))
        if described != expected:
            raise InputError(
                f"{where}: from cluster {row} on slices, shape and labels are {described}, before "
                f"{expected}; keep them apart"
            )
        columns: dict[str, npt.NDArray[Any]] = {"charge": part.charge, **part.labels}
        for name, values in columns.items():
            if name != "charge" and values.shape != (len(part),):
                raise InputError(
                    f"{where}: label '{name}' has the shape {values.shape} for {len(part)} clusters; give "
                    "one each"
                )
            good = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
            if name in MAY_BE_NAN:
                good |= np.isnan(values)
            bad = np.flatnonzero(~good)
            if len(bad):
                raise InputError(
                    f"{where}: {name} of cluster {row + bad[0]} must be finite and is not; drop such clusters"
                )
        check_merged(part.labels, where, row)
        row += len(part)
        yield part
    if first is None:
        raise InputError(f"{where}: there are no clusters; give at least one set")


def regroup(parts: Iterable[ClusterSet], size: int) -> Iterator[list[ClusterSet]]:
    """Parts cut and gathered into groups of ``size`` clusters; the last group may have fewer."""
    waiting: list[ClusterSet] = []
    n_waiting = 0
    for part in parts:
        low = 0
        while low < len(part):
            high = min(low + size - n_waiting, len(part))
            labels = {name: values[low:high] for name, values in part.labels.items()}
            waiting.append(ClusterSet(part.charge[low:high], labels, part.slices))
            n_waiting += high - low
            low = high
            if n_waiting == size:
                yield waiting
                waiting, n_waiting = [], 0
    if waiting:
        yield waiting
