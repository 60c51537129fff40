"""Labelled clusters for training and tests, from event files or from data sets in the public layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from smartpix.clusters import flatten, windows
from smartpix.estimate.base import same_sensor, sensor_of, sensor_words, truth_targets, window_center
from smartpix.files import as_paths
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import EventFile, iterate
from smartpix.io.parquet import Table, is_cluster_file, list_tables, read_clusters
from smartpix.notebook import one_line_and_table
from smartpix.schema import InputError, origin_pixel
from smartpix.simulate.datasets import REGION
from smartpix.simulate.readout import ReadoutOptions, digitise

__all__ = ["AS_THEY_ARE", "Reading", "Samples", "check_region", "from_clusters", "load_samples", "one_sensor"]

Floats = npt.NDArray[np.float64]
CHUNK = 5_000
"""Clusters read out at a time: 110 MB with 20 slices of 13 x 21 pixels, several times over."""
SIGNIFICANT = 4.5
"""In units of the noise and the threshold's dispersion, added in quadrature."""
TOUCHING = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])
"""Pixels of one image that touch, corners included; images do not."""


@one_line_and_table
@dataclass(frozen=True)
class Samples:
    """N clusters as the chip reads them, with their truth.

    Attributes:
        images: (N, S, R, C) float32 charge in e; the middle of the fired pixels' bounding box is at the
            window's origin pixel.
        targets: (N, 4) x and y (mm, from the centre of the window's origin pixel), cot alpha, cot beta.
        truncated: (N,) fired pixels reach the border of the recorded array, or do not fit the window.
        sensor: pitch_x, pitch_y, thickness (mm) and field (T).
        slices: numbers of the S slices.
        made_by: how the clusters were made and read out.
        parts: numbers of clusters of the files they are from, in this order; empty: of one.
        columns: (N,) columns the whole clusters span, in and beyond the window; empty: nothing is known
            beyond it.
        files: that they are from; empty: they were made in memory.
    """

    images: npt.NDArray[np.float32]
    targets: Floats
    truncated: npt.NDArray[np.bool_]
    sensor: Mapping[str, float]
    slices: tuple[int, ...]
    made_by: Mapping[str, Any]
    parts: tuple[int, ...] = ()
    columns: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    files: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Reading:
    """How clusters are read from files.

    Attributes:
        slices: which; None: the first and last of event files, 0 and 19 of data sets.
        readout: for data sets; None leaves them as they are.
        sensor: pitch_x, pitch_y, thickness (mm) and field (T); needed for data sets whose files do not say.
    """

    slices: Sequence[int] | None = None
    readout: ReadoutOptions | None = None
    sensor: Mapping[str, float] | None = None


AS_THEY_ARE = Reading()


def load_samples(
    files: str | Path | Sequence[str | Path],
    region: str,
    reading: Reading = AS_THEY_ARE,
    min_share: float = 0.95,
) -> Samples:
    """Clusters of event files (ROOT, read out already) or of data sets (parquet, noise-free: they are read
    out here).

    Args:
        region: ``"barrel"`` or ``"endcap"``; of event files, which modules.
        reading: slices, readout and sensor.
        min_share: clusters of event files need one particle with this share of the charge.

    Raises:
        InputError: files of both kinds, of different sensors, of another one than given or of the other
            region, no truth, no cluster, or a readout for event files.
    """
    files = as_paths(files)
    kinds = {is_cluster_file(f) for f in files}
    if len(kinds) != 1:
        raise InputError(
            f"{', '.join(map(str, files))}: give either event files (ROOT) or data sets (parquet), not both"
        )
    if kinds == {True}:
        tables = list_tables(list(files))
        sensor = one_sensor(tables, reading.sensor)
        check_region(tables, region)
        made_by = tables[0].made_by if all(table.made_by == tables[0].made_by for table in tables) else None
        slices = tuple(reading.slices or (0, 19))
        clusters = read_clusters(list(files), slices, thickness=sensor["thickness"])
        made_by = made_by or {"files": [str(f) for f in files]}
        samples = from_clusters(clusters, reading.readout, sensor, made_by)
        # Images and labels may be files of their own.
        paths = dict.fromkeys(path for table in tables for path in (table.images, table.labels))
        return replace(samples, parts=tuple(table.n_clusters for table in tables), files=tuple(paths))
    if reading.readout is not None:
        raise InputError(
            f"{files[0]}: event files are read out already; leave out the noise, threshold and bits"
        )
    return replace(_from_events(files, region, reading, min_share), files=tuple(files))


def one_sensor(tables: Sequence[Table], sensor: Mapping[str, float] | None) -> Mapping[str, float]:
    """The sensor of data sets: what they say, or the one given if not all of them do.

    Raises:
        InputError: one says another than is given, or one does not say and none is given.
    """
    for table in tables:
        if table.sensor is None and sensor is None:
            raise InputError(
                f"{table.images}: does not say what sensor its clusters are of; name it with --type"
            )
        if table.sensor is not None and sensor is not None and not same_sensor(sensor, table.sensor):
            raise InputError(
                f"{table.images}: is of the sensor {sensor_words(table.sensor)}, not {sensor_words(sensor)}; "
                f"leave out --type"
            )
    return next(s for s in (*(table.sensor for table in tables), sensor) if s is not None)


def check_region(tables: Sequence[Table], region: str) -> None:
    """Check that data sets, as far as they say which they are, are of the region.

    Raises:
        InputError: one is of the other.
    """
    for table in tables:
        options = (table.made_by or {}).get("options")
        dataset = str(options.get("dataset")) if isinstance(options, Mapping) else ""
        if REGION.get(dataset, region) != region:
            raise InputError(
                f"{table.images}: is data set {dataset}, of the {REGION[dataset]}, and {region} clusters are "
                f"needed"
            )


def from_clusters(
    clusters: ClusterSet,
    readout: ReadoutOptions | None,
    sensor: Mapping[str, float],
    made_by: Mapping[str, Any],
    seed: int = 0,
) -> Samples:
    """Read out a data set and put its clusters in the middle of their windows."""
    rng = np.random.default_rng(seed)
    level, connected = 0.0, False
    if readout is not None:
        # Where noise alone passes the threshold, only pixels well above it tell where the cluster is. With
        # dispersion some thresholds are low and the ADC's lowest level may lie above that: then only pixels
        # that touch the largest one do.
        spread = SIGNIFICANT * math.hypot(readout.noise, readout.threshold_dispersion)
        level = spread if readout.threshold < spread else 0.0
        connected = readout.threshold_dispersion > 0
    images = np.empty_like(clusters.charge)
    shift = np.empty((len(clusters), 2))
    truncated = np.empty(len(clusters), dtype=bool)
    n_slices, n_rows, n_columns = clusters.charge.shape[1:]
    for first in range(0, len(clusters), CHUNK):
        part = slice(first, first + CHUNK)
        charge = clusters.charge[part]
        if readout is not None:
            pixels = np.moveaxis(charge, 1, 3).reshape(-1, n_slices)
            charge = np.moveaxis(
                digitise(pixels, readout, rng).reshape(len(charge), n_rows, n_columns, n_slices), 3, 1
            )
        images[part], shift[part], truncated[part] = _centred(charge, level, connected)
    targets = clusters.targets()
    targets[:, :2] += shift * np.array([sensor["pitch_x"], sensor["pitch_y"]])
    described = dict(made_by) | {"readout": None if readout is None else asdict(readout)}
    return Samples(images, targets, truncated, dict(sensor), clusters.slices, described)


def _centred(
    charge: npt.NDArray[np.float32], level: float, connected: bool
) -> tuple[npt.NDArray[np.float32], Floats, npt.NDArray[np.bool_]]:
    """Images shifted by whole pixels, the shifts (columns, rows), and which images reach the border of the
    array.

    The middle of the bounding box of the pixels above ``level`` comes to the origin pixel; ``connected``: of
    those among them that touch the one with the largest charge, directly or through others.
    """
    fired = np.any(np.abs(charge) > level, axis=1)
    if connected:
        largest = np.where(fired, np.abs(charge).max(axis=1), 0).reshape(len(charge), -1).argmax(axis=1)
        labels, _ = ndimage.label(fired, TOUCHING)
        cluster = labels.reshape(len(charge), -1)[np.arange(len(charge)), largest]
        fired &= labels == cluster[:, None, None]
    moved = []
    border = np.zeros(len(charge), dtype=bool)
    for axis in (2, 1):
        size = fired.shape[axis]
        line = fired.any(axis=3 - axis)
        low, high = line.argmax(axis=1), size - 1 - line[:, ::-1].argmax(axis=1)
        border |= line[:, 0] | line[:, -1]
        moved.append(
            np.where(
                line.any(axis=1), np.clip(origin_pixel(size) - (low + high) // 2, -low, size - 1 - high), 0
            )
        )
    columns, rows = moved
    n_rows, n_columns = charge.shape[2:]
    out = np.zeros_like(charge)
    for c, r in set(zip(columns.tolist(), rows.tolist(), strict=True)):
        moved_alike = np.flatnonzero((columns == c) & (rows == r))
        out[moved_alike, :, max(r, 0) : n_rows + min(r, 0), max(c, 0) : n_columns + min(c, 0)] = charge[
            moved_alike, :, max(-r, 0) : n_rows - max(r, 0), max(-c, 0) : n_columns - max(c, 0)
        ]
    return out, np.stack([columns, rows], axis=1).astype(np.float64), border


def _from_events(files: Sequence[str | Path], region: str, reading: Reading, min_share: float) -> Samples:
    images, targets, truncated, columns = [], [], [], []
    parts: list[int] = []
    previous: EventFile | None = None
    sensor: dict[str, float] = {}
    made_by: Mapping[str, Any] = {}
    slices = reading.slices
    for opened, events in iterate(list(files), step=5):
        if not opened.has_truth:
            raise InputError(f"{opened.path}: has no truth to train on; give simulated files")
        header = opened.header
        # Of the first file where none are asked for, and of all that follow the same.
        slices, made_by = tuple(slices or (header.slices[0], header.slices[-1])), header.made_by
        if not set(slices) <= set(header.slices):
            raise InputError(
                f"{opened.path}: has slices {list(header.slices)} and {list(slices)} were asked for"
            )
        sensors = sensor_of(header.detector, header.field)
        if region not in sensors:
            raise InputError(
                f"{opened.path}: the detector has no {region} modules; give files of one that has, or train "
                f"the other region"
            )
        file_sensor = sensors[region]
        if reading.sensor is not None and not same_sensor(reading.sensor, file_sensor):
            raise InputError(
                f"{opened.path}: is of the sensor {sensor_words(file_sensor)}, not "
                f"{sensor_words(reading.sensor)}; "
                "leave out --type"
            )
        if sensor and sensor != file_sensor:
            raise InputError(
                f"{opened.path}: is of the sensor {sensor_words(file_sensor)}, and the files before it are "
                f"of {sensor_words(sensor)}; train on one sensor at a time"
            )
        sensor = file_sensor
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
        clusters = ak.flatten(events["clusters"], axis=1)
        target, has = truth_targets(clusters, min_share, event)
        chosen = has & (header.detector.barrel[ak.to_numpy(clusters["module_index"])] == (region == "barrel"))
        clusters, target = clusters[chosen], target[chosen]
        if len(clusters) == 0:
            continue
        flat = flatten(clusters, slices)
        image, origin = windows(flat)
        target[:, :2] -= window_center(origin, flat.module, header.detector)
        images.append(image)
        targets.append(target)
        truncated.append(flat.truncated)
        columns.append(
            np.maximum.reduceat(flat.column, flat.first) - np.minimum.reduceat(flat.column, flat.first) + 1
        )
        if opened is not previous:
            parts.append(0)
            previous = opened
        parts[-1] += len(image)
    if not images or slices is None:
        raise InputError(
            f"{', '.join(map(str, files))}: no {region} cluster with truth to train on; simulate more events"
        )
    return Samples(
        np.concatenate(images),
        np.concatenate(targets),
        np.concatenate(truncated),
        sensor,
        tuple(slices),
        dict(made_by),
        tuple(parts),
        np.concatenate(columns).astype(np.int64),
    )
