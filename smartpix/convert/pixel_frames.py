"""Pixels of frames on planes of a sensor, without clusters: neighbours, corners included, become one
cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.convert.hit_tables import Cells, HitTables, Unmatched
from smartpix.geometry import Detector
from smartpix.schema import DETECTOR, InputError
from smartpix.simulate.readout import label_clusters

__all__ = ["Frame", "frame_hits", "plane_detector"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

THICKNESS = 0.3
"""mm, of sensors whose file does not tell it; usual with pixel chips of 55 um. Nothing but checks reads it,
where clusters have no estimates."""
SPACING = 2
"""Of the layers' numbers, as in tables of ACTS."""


@dataclass(frozen=True)
class Frame:
    """Pixels (K,) of one frame.

    Attributes:
        module: rows of the detector table; column, row: along the module's u and v, from 0.
        value: what each measured; time: ns.
    """

    module: npt.NDArray[np.int32]
    column: Ints
    row: Ints
    value: Floats
    time: Floats


def plane_detector(
    size: list[tuple[int, int]],
    pitch: list[tuple[float, float]],
    z: list[float],
    thickness: float = THICKNESS,
) -> Detector:
    """Planes across z about its axis, u along x and v along y.

    Args:
        size: columns and rows of each plane; pitch: mm along x and y; z: mm; thickness: mm.
    """
    n = len(size)
    half = np.array(size) * np.array(pitch) / 2
    columns: dict[str, npt.NDArray[np.generic]] = {
        "volume_id": np.ones(n, dtype=np.int32), "layer_id": SPACING * np.arange(1, n + 1, dtype=np.int32),
        "module_id": np.ones(n, dtype=np.int32),
        "cx": np.zeros(n), "cy": np.zeros(n), "cz": np.array(z, dtype=np.float64),
        **{f"rot_{g}{a}": np.full(n, float(g + a in ("xu", "yv", "zw"))) for g in "xyz" for a in "uvw"},
        "module_t": np.full(n, thickness / 2), "module_minhu": half[:, 0], "module_maxhu": half[:, 0],
        "module_hv": half[:, 1], "pitch_u": np.array(pitch)[:, 0], "pitch_v": np.array(pitch)[:, 1],
    }  # fmt: skip
    return Detector({name: columns[name] for name in DETECTOR})


def frame_hits(event: int, frame: Frame, detector: Detector, where: str) -> HitTables:
    """Clusters of a frame with their cells; their times are those of their earliest pixels.

    Positions are the means of the pixels, weighted by what these measured.

    Raises:
        InputError: a pixel off its module, or twice.
    """
    u, v = (np.asarray(detector.columns[name]) for name in ("pitch_u", "pitch_v"))
    half = np.stack(
        [np.asarray(detector.columns[n], dtype=np.float64) for n in ("module_maxhu", "module_hv")], axis=1
    )
    size = np.rint(2 * half / np.stack([u, v], axis=1)).astype(np.int64)[frame.module]
    off = (frame.column < 0) | (frame.column >= size[:, 0]) | (frame.row < 0) | (frame.row >= size[:, 1])
    if np.any(off):
        i = int(np.argmax(off))
        raise InputError(
            f"{where}: the pixel ({frame.column[i]}, {frame.row[i]}) is off its module of {size[i, 0]} x {size[i, 1]} "
            f"pixels ({int(off.sum())} such pixels); give the table of this detector with --detector"
        )
    order = np.lexsort((frame.row, frame.column, frame.module))
    module, column, row = frame.module[order], frame.column[order], frame.row[order]
    twice = (np.diff(module) == 0) & (np.diff(column) == 0) & (np.diff(row) == 0)
    if np.any(twice):
        i = int(np.argmax(twice))
        raise InputError(
            f"{where}: the pixel ({column[i]}, {row[i]}) is there more than once in a frame ({int(twice.sum())} such "
            "pixels); frames of several runs may have been joined"
        )
    number = label_clusters(module, column.astype(np.int32), row.astype(np.int32))
    n = int(number.max(initial=-1)) + 1
    value, time = frame.value[order], frame.time[order]
    weight = np.where(np.bincount(number, value, n)[number] > 0, np.maximum(value, 0.0), 1.0) if n else value
    total = np.bincount(number, weight, n)
    first = np.unique(number, return_index=True)[1]
    of_hit = module[first]
    position = np.stack(
        [np.asarray(detector.columns[f"c{g}"], dtype=np.float64)[of_hit] for g in "xyz"], axis=1
    )
    for name, index, pitch, k in (("u", column, u, 0), ("v", row, v, 1)):
        place = (index + 0.5) * pitch[module] - half[module, k]
        mean = np.bincount(number, weight * place, n) / total if n else np.zeros(0)
        axis = np.stack([np.asarray(detector.columns[f"rot_{g}{name}"]) for g in "xyz"], axis=1)[of_hit]
        position = position + mean[:, None] * axis
    earliest = np.full(n, np.inf)
    np.minimum.at(earliest, number, time)
    cells = Cells(number, column.astype(np.int32), row.astype(np.int32), value, where)
    return HitTables(
        event,
        np.arange(n),
        of_hit.astype(np.int32),
        position,
        cells,
        None,
        where,
        0,
        Unmatched(),
        time=earliest,
    )
