"""Format ``allpix``: text of Allpix Squared's TextWriter (arXiv 1806.05813) with PixelHit objects and,
where they are there, PixelCharge objects.

Each ``=== N ===`` begins an event, each ``--- NAME ---`` a detector in it. A pixel's charge is that of
its PixelCharge, else the signal of its PixelHit. Where no table of the detector is given, planes across
z are taken, with the pitches and numbers of pixels that indices and global positions tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartpix.convert.format import ConvertOptions, Format, Found, Source
from smartpix.convert.hit_tables import HitTables
from smartpix.convert.pixel_frames import Frame, frame_hits, plane_detector
from smartpix.geometry import Detector, read_detector
from smartpix.io.root_files import is_root_file, reading, root_file
from smartpix.schema import InputError, quoted

__all__ = ["FORMAT", "AllpixHits", "find", "read", "read_allpix"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HEAD = b"# Allpix Squared ASCII data"
EVENT, PLANE = re.compile(r"=== (\d+) ===$"), re.compile(r"--- (\S+) ---$")
HIT, PIXEL, CHARGE = (
    "PixelHit ",
    re.compile(r"Pixel: \((\d+), (\d+)\)$"),
    re.compile(r"Charge: ([-+0-9.eE]+) e$"),
)
OBJECTS = {"PixelHit", "PixelCharge", "PropagatedCharge", "DepositedCharge", "MCParticle", "MCTrack"}
"""Trees of ROOTObjectWriter; CONFIG: the folder beside them."""
CONFIG = "config"
WORDS = 8
"""Of a PixelHit: indices, signal, local and global time (ns), global position (mm)."""
NEAR = 1e-3
"""mm: positions of pixels are on a grid to this."""


@dataclass(frozen=True)
class AllpixHits:
    """Fired pixels of all events.

    Attributes:
        events: numbers of all events, with and without pixels.
        names: of the detectors, sorted.
        event: (K,) number of each pixel's event; plane: (K,) of its detector in ``names``.
        index: (K, 2) along x and y, from 0; value: (K,) charge in e, or signal.
        time: (K,) local time in ns; position: (K, 3) global, mm.
    """

    events: tuple[int, ...]
    names: tuple[str, ...]
    event: Ints
    plane: Ints
    index: Ints
    value: Floats
    time: Floats
    position: Floats


def find(path: Path) -> Found | None:
    """A text that begins as Allpix Squared's do.

    Raises:
        InputError: a ROOT file of Allpix Squared.
    """
    _refuse_objects(path)
    if path.suffix != ".txt" or not path.is_file():
        return None
    with path.open("rb") as stream:
        return Found(FORMAT, path) if stream.read(len(HEAD)) == HEAD else None


def _refuse_objects(path: Path) -> None:
    """Refuse the files of ROOTObjectWriter: trees of lists of pointers to objects, a branch a detector, and
    the configuration as folders. Without the dictionaries of their classes nobody can read them.
    """
    if not is_root_file(path):
        return
    with root_file(path) as file, reading(path):
        names = {name.split(";")[0] for name in file.classnames(recursive=False)}
    trees = sorted(names & OBJECTS)
    if CONFIG in names and trees:
        raise InputError(
            f"{path}: holds objects of Allpix Squared ({', '.join(trees)}; ROOTObjectWriter), which need its own classes; "
            'write the events as text: [TextWriter] in the configuration, include = "PixelHit", "PixelCharge". '
            "`smartpix convert allpix` reads that"
        )


def read_allpix(path: Path) -> AllpixHits:
    """The fired pixels of a file.

    Raises:
        InputError: a line that cannot be read, or pixels before the first event.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); copy it again") from error
    events: list[int] = []
    planes: list[str] = []
    hits: list[tuple[int, str, Sequence[float]]] = []
    charges: dict[tuple[int, str, int, int], float] = {}
    pixel: tuple[int, int] | None = None
    for number, text in enumerate(lines, 1):
        line = text.strip()
        if match := EVENT.match(line):
            events.append(int(match.group(1)))
            planes.clear()
        elif match := PLANE.match(line):
            planes.append(match.group(1))
        elif match := PIXEL.match(line):
            pixel = int(match.group(1)), int(match.group(2))
        elif (match := CHARGE.match(line)) and pixel and events and planes:
            charges[events[-1], planes[-1], *pixel] = float(match.group(1))
            pixel = None
        elif line.startswith(HIT):
            hits.append((*_place(path, number, events, planes), _words(path, number, line)))
    names = tuple(sorted({name for _, name, _ in hits}))
    words = np.array([w for _, _, w in hits]).reshape(-1, WORDS)
    index = np.rint(words[:, :2]).astype(np.int64)
    value = np.array([
        charges.get((event, name, int(x), int(y)), signal)
        for (event, name, _), (x, y), signal in zip(hits, index, words[:, 2], strict=True)
    ])  # fmt: skip
    if len(set(events)) < len(events):
        raise InputError(f"{path}: event {next(e for e in events if events.count(e) > 1)} is there twice; files of "
                         "several runs were joined, give them one by one")  # fmt: skip
    return AllpixHits(
        tuple(events), names, np.array([event for event, _, _ in hits], dtype=np.int64),
        np.array([names.index(name) for _, name, _ in hits], dtype=np.int64), index, value.astype(np.float64),
        words[:, 3], words[:, 5:],
    )  # fmt: skip


def _place(path: Path, number: int, events: Sequence[int], planes: Sequence[str]) -> tuple[int, str]:
    if not events or not planes:
        raise InputError(
            f"{path}: line {number} has a pixel before any event and detector; the file is cut off in front"
        )
    return events[-1], planes[-1]


def _words(path: Path, number: int, line: str) -> list[float]:
    try:
        words = [float(word) for word in line.removeprefix(HIT).split(",")]
    except ValueError:
        words = []
    if len(words) != WORDS or not np.all(np.isfinite(words)):
        raise InputError(
            f"{path}: line {number} is {quoted(line)}; expected 'PixelHit x, y, signal, local time, global time, x, y, z' "
            "of Allpix Squared. The file is cut off or of another version"
        )
    return words


def read(found: Found, options: ConvertOptions) -> Source:
    """The planes and the events; events when they are asked for.

    Raises:
        InputError: as :func:`read_allpix`, pixels on no grid, or a table of another number of planes.
    """
    hits = read_allpix(found.path)
    if options.detector is None:
        detector = _planes(hits, str(found.path))
    else:
        given = options.detector
        detector = given if isinstance(given, Detector) else read_detector(given)
        if len(detector) < len(hits.names):
            raise InputError(
                f"{found.path}: has pixels of {len(hits.names)} detectors ({', '.join(hits.names)}) and the table has "
                f"{len(detector)} modules; give a module for each, in the order of their names"
            )

    def event(number: int) -> HitTables:
        rows = np.flatnonzero(hits.event == number)
        frame = Frame(
            hits.plane[rows].astype(np.int32), hits.index[rows, 0], hits.index[rows, 1], hits.value[rows],
            hits.time[rows],
        )  # fmt: skip
        return frame_hits(number, frame, detector, f"{found.path}: event {number}")

    return Source(detector, hits.events, event, False, has_times=True, electrons=1.0)


FORMAT = Format("allpix", "Allpix Squared's text", "a text of Allpix Squared (*.txt)", find, read)


def _planes(hits: AllpixHits, where: str) -> Detector:
    """Planes across z, about its axis, from indices and global positions of the pixels."""
    size, pitch, z = [], [], []
    for k, name in enumerate(hits.names):
        rows = np.flatnonzero(hits.plane == k)
        place, index = hits.position[rows], hits.index[rows].astype(np.float64)
        of_plane = []
        for axis in (0, 1):
            grid = (
                np.polyfit(index[:, axis], place[:, axis], 1) if len({*index[:, axis]}) > 1 else np.zeros(2)
            )
            off = np.abs(np.polyval(grid, index[:, axis]) - place[:, axis]).max(initial=0.0)
            # Centred on the axis: the first pixel lies (n - 1) / 2 pitches below it.
            n = 1 - 2 * grid[1] / grid[0] if grid[0] > 0 else 0.0
            if off > NEAR or n < 1 or abs(n - round(n)) * grid[0] > 2 * NEAR:
                raise InputError(
                    f"{where}: the pixels of {name} do not tell where its plane is (it is turned, off the axis, or too "
                    "few fired); give its table with --detector"
                )
            of_plane.append((round(n), round(float(grid[0]), 6)))
        size.append((of_plane[0][0], of_plane[1][0]))
        pitch.append((of_plane[0][1], of_plane[1][1]))
        z.append(float(place[:, 2].mean()))
        if np.ptp(place[:, 2]) > NEAR:
            raise InputError(f"{where}: {name} is not across z; give its table with --detector")
    return plane_detector(size, pitch, z)
