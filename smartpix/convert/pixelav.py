"""PixelAV's text files (``.out``): clusters with the charge of each pixel, time slice by time slice.

The first line describes the run, the second has the pitches (um), the thickness (um) and the length of a
slice (ps). Each cluster is a line ``<cluster>``, one of the particle, and for every slice a line ``<time
slice 200.0 ps>`` with a line of pixels for each row. M. Swartz, Nucl. Instrum. Meth. A 511 (2003) 88.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartpix.io.cluster_set import ClusterSet, complete_labels
from smartpix.schema import STRONGEST_FIELD, InputError, quoted

__all__ = ["is_pixelav", "read_pixelav"]

Floats = npt.NDArray[np.float64]

CLUSTER, SLICE = "<cluster>", re.compile(r"<time slice\s+([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*ps>")
FIELD = re.compile(r"([-+]?[0-9.]+)\s*T\b")
"""Of the line that describes the run, as in ``-50V,3.57T@90deg``."""
COLUMNS = ("x-entry", "y-entry", "z-entry", "n_x", "n_y", "n_z", "number_eh_pairs", "y-local")
LAYOUTS = {
    9: (*COLUMNS, "pt"),
    10: (*COLUMNS, "z-global", "pt"),
    12: (*COLUMNS, "z-global", "pt", "time", "pdg_id"),
}
"""Of the particle's line, by the number of its words."""
STEP = 200.0
"""ps: the slices of the public sets, by which slices are numbered."""
TENTH = 10.0
"""Electrons for each unit of older versions, which print a tenth."""


def is_pixelav(path: Path) -> bool:
    """Whether a file is PixelAV's: four or more numbers in the second line, and a cluster in the third."""
    if path.suffix != ".out":
        return False
    with path.open("rb") as stream:
        lines = stream.read(4000).decode("utf-8", "replace").splitlines()
    return len(lines) > 2 and lines[2].strip() == CLUSTER and len(lines[1].split()) >= 3


def read_pixelav(path: Path) -> tuple[ClusterSet, dict[str, float]]:
    """All clusters of a file, and the sensor.

    Charges are in e. Older versions print a tenth of the electrons; which one it is, the number of pairs
    tells that is printed for each cluster.

    Returns:
        The clusters with their labels, and pitches and thickness in mm and the field in T.

    Raises:
        InputError: a line that is none of the format, slices or rows that differ among clusters, a cut-off
            file, or charges that are not the pairs'.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give PixelAV's text") from error
    if len(lines) < 3 or not is_pixelav(path):
        raise InputError(
            f"{path}: no file of PixelAV: expected two lines of heading and '{CLUSTER}'; copy it again"
        )
    sizes = _numbers(path, 1, lines[1])
    sensor = {"pitch_x": sizes[0] / 1e3, "pitch_y": sizes[1] / 1e3, "thickness": sizes[2] / 1e3, "field": 0.0}
    if (found := FIELD.search(lines[0])) and abs(float(found.group(1))) <= STRONGEST_FIELD:
        sensor["field"] = float(found.group(1))
    labels: list[list[float]] = []
    images: list[list[Floats]] = []
    times: list[float] = []
    for image, at, label in _clusters(path, lines):
        if labels and (len(label) != len(labels[0]) or at != times or image[0].shape != images[0][0].shape):
            raise InputError(
                f"{path}: cluster {len(labels)} has other slices, rows or words than the first one; the file is cut "
                "off or joined of several runs"
            )
        labels.append(label)
        images.append(image)
        times = at
    charge = np.array(images)
    names = LAYOUTS[len(labels[0])]
    columns = {name: np.array([row[k] for row in labels]) for k, name in enumerate(names)}
    charge *= _unit(path, charge[:, -1].sum(axis=(1, 2)), columns["number_eh_pairs"])
    kept = {name: values for name, values in columns.items() if name not in ("z-global", "time", "pdg_id")}
    complete = complete_labels(kept, sensor["thickness"], str(path))
    slices = tuple(round(t / STEP) - 1 for t in times)
    if len(set(slices)) < len(slices) or min(slices) < 0:
        raise InputError(f"{path}: its slices end at {times} ps, and {STEP:g} ps apart or more are expected")
    return ClusterSet(charge.astype(np.float32), dict(complete), slices), sensor


def _numbers(path: Path, number: int, line: str) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if not values or not np.all(np.isfinite(values)):
        raise InputError(
            f"{path}: line {number + 1} must hold numbers and is {quoted(line)}; copy the file again"
        )
    return values


def _clusters(path: Path, lines: Sequence[str]) -> Iterator[tuple[list[Floats], list[float], list[float]]]:
    """Slices, the times at which they end, and the words of the particle, cluster by cluster."""
    starts = [k for k, line in enumerate(lines) if line.strip() == CLUSTER]
    for number, (first, last) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        body = [k for k in range(first + 1, last) if lines[k].strip()]
        label = _numbers(path, body[0], lines[body[0]]) if body else []
        ends = {k: float(mark[1]) for k, row in enumerate(body) if (mark := SLICE.search(lines[row]))}
        marks = list(ends)
        if len(label) not in LAYOUTS or not marks or marks[0] != 1:
            raise InputError(
                f"{path}: cluster {number} (line {first + 1}): expected a line of {', '.join(map(str, LAYOUTS))} numbers "
                f"and then slices; there are {len(label)}. Copy the file again"
            )
        image: list[Floats] = []
        for begin, end in zip(marks, [*marks[1:], len(body)], strict=True):
            rows = [_numbers(path, k, lines[k]) for k in body[begin + 1 : end]]
            shape = (len(rows), len(rows[0]) if rows else 0)
            if not rows or any(len(row) != shape[1] for row in rows) or (image and image[0].shape != shape):
                raise InputError(
                    f"{path}: cluster {number} (line {body[begin] + 1}): a slice has other rows or columns than the "
                    "first; the file is cut off, copy it again"
                )
            image.append(np.array(rows))
        yield image, list(ends.values()), label


def _unit(path: Path, total: Floats, pairs: Floats) -> float:
    """Electrons for each unit of charge: 1, or 10 in older versions."""
    good = pairs > 0
    ratio = float(np.median(total[good] / pairs[good])) if np.any(good) else 1.0
    if 0.5 < ratio < 2:
        return 1.0
    if 0.05 < ratio < 0.2:
        return TENTH
    raise InputError(
        f"{path}: the pixels hold {ratio:.3g} of the pairs that are printed, and 1 or 0.1 is expected; the array is too "
        "small for these clusters, or the file is of another version"
    )
