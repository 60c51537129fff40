"""Format ``timepix``: pixel lists of Timepix3 (``.t3pa``) and cluster lists (``.elist2``), as of Pixet and of
track processing.

A pixel list has no frames: pixels come as they fire. Pixels with no more than a gap between them are one
    event. A
cluster list has clusters without their pixels: hits without pixels, with charge and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartpix.convert.format import ConvertOptions, Format, Found, Source
from smartpix.convert.hit_tables import HitTables, Unmatched
from smartpix.convert.pixel_frames import Frame, frame_hits, plane_detector
from smartpix.geometry import Detector, read_detector
from smartpix.schema import InputError, quoted, require

__all__ = [
    "FORMAT",
    "GAP",
    "PITCH",
    "PIXELS",
    "ClusterList",
    "find",
    "pixel_times",
    "read",
    "read_elist",
    "read_t3pa",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PIXELS, PITCH = 256, 0.055
"""Of Timepix3: pixels along a side, and their pitch in mm (T. Poikela et al., JINST 9 (2014) C05013)."""
TICK, FINE = 25.0, 25.0 / 16
"""ns of ToA and of FToA, which counts back from the tick."""
GAP = 1000.0
"""ns without pixels between two events; drift in 300 um of silicon and ToT of large charges take less."""
PAIR = 3.62
"""eV for an electron-hole pair in silicon."""
T3PA = ("Matrix Index", "ToA", "ToT", "FToA")
ELIST = ("DetectorID", "EventID", "X", "Y", "E", "T")


@dataclass(frozen=True)
class ClusterList:
    """Clusters (N,) of a list: plane and event numbers, place in pixels from the corner, charge in e, time in
    ns.
    """

    plane: Ints
    event: Ints
    x: Floats
    y: Floats
    charge: Floats
    time: Floats


def find(path: Path) -> Found | None:
    """A list by its ending and the names of its columns."""
    if path.suffix not in (".t3pa", ".elist2", ".elist") or not path.is_file():
        return None
    with path.open("rb") as stream:
        head = stream.read(2000).decode("utf-8", "replace").splitlines()
    names = _head(head[0]) if head else []
    return Found(FORMAT, path) if set(T3PA) <= set(names) or set(ELIST) <= set(names) else None


def read(found: Found, options: ConvertOptions) -> Source:
    """The planes, of Timepix3 unless a table is given; events when they are asked for.

    Raises:
        InputError: a list that cannot be read, or planes that the table does not have.
    """
    if isinstance(options.detector, Path):
        detector = read_detector(options.detector)
    else:
        detector = options.detector or plane_detector([(PIXELS, PIXELS)], [(PITCH, PITCH)], [0.0])
    if found.path.suffix == ".t3pa":
        column, row, value, time = read_t3pa(found.path)
        order = np.argsort(time, kind="stable")
        number = (
            np.concatenate([[0], np.cumsum(np.diff(time[order]) > GAP)])
            if len(order)
            else np.zeros(0, dtype=int)
        )
        n_events = int(number.max(initial=-1)) + 1
        start = np.searchsorted(number, np.arange(n_events + 1))

        def event(k: int) -> HitTables:
            rows = order[start[k] : start[k + 1]]
            module = np.zeros(len(rows), dtype=np.int32)
            frame = Frame(module, column[rows], row[rows], value[rows], time[rows])
            return frame_hits(k, frame, detector, f"{found.path}: event {k}")

        return Source(detector, tuple(range(n_events)), event, False, has_times=True, electrons=1.0)
    listed = read_elist(found.path)
    if len(listed.plane) and not 0 <= listed.plane.min() <= listed.plane.max() < len(detector):
        raise InputError(
            f"{found.path}: DetectorID goes from {listed.plane.min()} to {listed.plane.max()}, and there are "
            f"{len(detector)} planes, numbered from 0; give the table of all planes with --detector"
        )
    numbers = tuple(np.unique(listed.event).tolist())
    return Source(
        detector, numbers, lambda k: _clusters(listed, k, detector, str(found.path)), False, has_cells=False,
        has_times=True,
    )  # fmt: skip


FORMAT = Format("timepix", "Timepix3 lists of pixels or clusters", "*.t3pa or *.elist2", find, read)


def _head(line: str) -> list[str]:
    """Names of columns; some programs write a tab within ``Matrix Index``."""
    return line.replace("Matrix\tIndex", "Matrix Index").split("\t")


def _table(path: Path, names: tuple[str, ...], skip: int) -> dict[str, Floats]:
    """Columns of a table with tabs between them."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); copy it again") from error
    head = _head(lines[0]) if lines else []
    require(head, names, str(path), "Expected the columns of a list of Timepix3.")
    places = [head.index(name) for name in names]
    values = np.empty((len(lines) - 1 - skip, len(names)))
    for k, line in enumerate(lines[1 + skip :]):
        words = line.split("\t")
        try:
            if len(words) != len(head):
                raise ValueError
            values[k] = [float(words[place]) for place in places]
        except ValueError:
            raise InputError(
                f"{path}: line {k + 2 + skip} is {quoted(line)}, and {len(head)} columns of numbers are expected; the "
                "file is cut off or damaged, copy it again"
            ) from None
    if not np.all(np.isfinite(values)):
        raise InputError(f"{path}: has a number that is not finite; make the list again")
    return {name: values[:, k] for k, name in enumerate(names)}


def pixel_times(toa: Floats, ftoa: Floats) -> Floats:
    """Times in ns of ticks and fine ticks."""
    return toa * TICK - ftoa * FINE


def read_t3pa(path: Path) -> tuple[Ints, Ints, Floats, Floats]:
    """Column, row, ToT and time (ns) of each pixel of a list.

    Raises:
        InputError: it cannot be read, or has pixels off the chip.
    """
    table = _table(path, T3PA, 0)
    index = table["Matrix Index"]
    wrong = (index < 0) | (index >= PIXELS * PIXELS) | (index != np.rint(index))
    if np.any(wrong):
        raise InputError(
            f"{path}: 'Matrix Index' is {index[wrong][0]:g} in row {int(np.argmax(wrong))}; expected 0 to "
            f"{PIXELS * PIXELS - 1}"
        )
    row, column = np.divmod(index.astype(np.int64), PIXELS)
    return column, row, table["ToT"], pixel_times(table["ToA"], table["FToA"])


def read_elist(path: Path) -> ClusterList:
    """Clusters of a list, whose second line has the units.

    Raises:
        InputError: it cannot be read.
    """
    table = _table(path, ELIST, 1)
    plane, event = (np.rint(table[name]).astype(np.int64) for name in ("DetectorID", "EventID"))
    return ClusterList(plane, event, table["X"], table["Y"], table["E"] * 1e3 / PAIR, table["T"])


def _clusters(listed: ClusterList, event: int, detector: Detector, where: str) -> HitTables:
    """Clusters of one event as hits without pixels."""
    rows = np.flatnonzero(listed.event == event)
    module = listed.plane[rows].astype(np.int32)
    place = [listed.x[rows], listed.y[rows]]
    position = np.stack(
        [np.asarray(detector.columns[f"c{g}"], dtype=np.float64)[module] for g in "xyz"], axis=1
    )
    for name, half, pitch, index in (
        ("u", "module_maxhu", "pitch_u", place[0]), ("v", "module_hv", "pitch_v", place[1])
    ):  # fmt: skip
        along = (
            index * np.asarray(detector.columns[pitch])[module] - np.asarray(detector.columns[half])[module]
        )
        axis = np.stack([np.asarray(detector.columns[f"rot_{g}{name}"]) for g in "xyz"], axis=1)[module]
        position = position + along[:, None] * axis
    return HitTables(
        event, np.arange(len(rows)), module, position, None, None, f"{where}: event {event}", 0, Unmatched(),
        charge=listed.charge[rows], time=listed.time[rows],
    )  # fmt: skip
