"""Labelled clusters for training and tests, from event files or from data sets in the public layout."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters, flatten, windows
from smartpix.estimate.base import same_sensor, sensor_of, sensor_words, truth_targets, window_center
from smartpix.files import as_paths
from smartpix.io.cluster_set import N_PARTICLES, ClusterSet
from smartpix.io.events import EventFile, Header, iterate
from smartpix.io.parquet import Table, is_cluster_file, list_tables, read_clusters
from smartpix.notebook import words_and_table
from smartpix.sample_windows import read_out
from smartpix.schema import InputError
from smartpix.simulate.datasets import REGION
from smartpix.simulate.readout import ReadoutOptions

__all__ = [
    "AS_THEY_ARE",
    "EventClusters",
    "Reading",
    "Samples",
    "TableClusters",
    "are_tables",
    "check_region",
    "count_by_file",
    "described_readout",
    "event_clusters",
    "from_clusters",
    "load_samples",
    "made_by_all",
    "no_clusters",
    "one_sensor",
    "read_tables",
]  # fmt: skip

Floats = npt.NDArray[np.float64]


@words_and_table
@dataclass(frozen=True)
class Samples:
    """N clusters as the chip reads them, with their truth.

    Attributes:
        images: (N, S, R, C) float32 charge in e; the middle of the fired pixels' bounding box is at the
            window's origin pixel.
        targets: (N, 4) x and y (mm, from the centre of the window's origin pixel), cot alpha, cot beta; of
            clusters of K particles (N, K, 4).
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
    code: str = "",
) -> Samples:
    """Clusters of event files (ROOT, read out already) or of data sets (parquet, noise-free: they are read
    out here).

    Args:
        region: ``"barrel"`` or ``"endcap"``; of event files, which modules.
        reading: slices, readout and sensor.
        min_share: clusters of event files need one particle with this share of the charge.
        code: weights of a learned code of the link, by name or path, that clusters of event files go through:
            they are as the host decodes them. Empty: none.

    Raises:
        InputError: files of both kinds, of different sensors, of another one than given or of the other
            region, of several particles in a window, no truth, no cluster, a readout for event files, a code
            for data sets, or one for another ADC.
    """
    files = as_paths(files)
    if are_tables(files, reading):
        if code:
            raise InputError(
                f"{files[0]}: codes of the link are for event files (ROOT); give those, or no code"
            )
        found = read_tables(files, region, reading)
        if N_PARTICLES in found.clusters.labels:
            raise InputError(
                f"{files[0]}: several particles cross its windows, and one of each is needed; give clusters of "
                f"single particles"
            )
        samples = from_clusters(found.clusters, reading.readout, found.sensor, found.made_by)
        return replace(samples, parts=found.parts, files=found.files)
    return replace(_from_events(files, region, reading, min_share, code), files=tuple(files))


def are_tables(files: Sequence[Path], reading: Reading) -> bool:
    """Whether files are data sets (parquet); else they are event files (ROOT).

    Raises:
        InputError: files of both kinds, or a readout for event files.
    """
    kinds = {is_cluster_file(f) for f in files}
    if len(kinds) != 1:
        raise InputError(
            f"{', '.join(map(str, files))}: give either event files (ROOT) or data sets (parquet), not both"
        )
    if kinds == {False} and reading.readout is not None:
        raise InputError(
            f"{files[0]}: event files are read out already; leave out the noise, threshold and bits"
        )
    return kinds == {True}


@dataclass(frozen=True)
class TableClusters:
    """Clusters of data sets, not read out yet.

    Attributes:
        clusters: with their labels.
        sensor, made_by, parts, files: as of :class:`Samples`.
    """

    clusters: ClusterSet
    sensor: Mapping[str, float]
    made_by: Mapping[str, Any]
    parts: tuple[int, ...]
    files: tuple[Path, ...]


def read_tables(files: Sequence[Path], region: str, reading: Reading) -> TableClusters:
    """Clusters of data sets of a region.

    Raises:
        InputError: data sets of several sensors, of another one than given or of the other region.
    """
    tables = list_tables(list(files))
    sensor = one_sensor(tables, reading.sensor)
    check_region(tables, region)
    made_by = tables[0].made_by if all(table.made_by == tables[0].made_by for table in tables) else None
    slices = tuple(reading.slices or (0, 19))
    clusters = read_clusters(list(files), slices, thickness=sensor["thickness"])
    # Images and labels may be files of their own.
    paths = dict.fromkeys(path for table in tables for path in (table.images, table.labels))
    return TableClusters(
        clusters, sensor, made_by or {"files": [str(f) for f in files]},
        tuple(table.n_clusters for table in tables), tuple(paths),
    )  # fmt: skip


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
    images, shift, truncated = read_out(clusters, readout, sensor, seed)
    targets = clusters.targets()
    targets[:, :2] += shift
    return Samples(
        images, targets, truncated, dict(sensor), clusters.slices, described_readout(made_by, readout)
    )


def described_readout(made_by: Mapping[str, Any], readout: ReadoutOptions | None) -> dict[str, Any]:
    """How a data set's clusters were made, and read out."""
    return dict(made_by) | {"readout": None if readout is None else asdict(readout)}


@dataclass(frozen=True)
class EventClusters:
    """Clusters of some events of a file, flattened.

    Attributes:
        opened: the file.
        clusters: records (N,) of all its regions.
        event: (N,) number of each one's event among these.
        in_region: (N,) whether it is on a module of the region.
        slices, sensor: as of :class:`Samples`.
    """

    opened: EventFile
    clusters: ak.Array
    event: npt.NDArray[np.int64]
    in_region: npt.NDArray[np.bool_]
    slices: tuple[int, ...]
    sensor: dict[str, float]


def event_clusters(files: Sequence[Path], region: str, reading: Reading) -> Iterator[EventClusters]:
    """Clusters of event files with truth, some events at a time.

    Raises:
        InputError: files without truth or of different sensors, another one than given, no module of the
            region, or a slice that is not there.
    """
    slices, sensor = reading.slices, dict[str, float]()
    for opened, events in iterate(list(files), step=5):
        if not opened.has_truth:
            raise InputError(f"{opened.path}: has no truth to train on; give simulated files")
        header = opened.header
        # Of the first file where none are asked for, and of all that follow the same.
        slices = tuple(slices or (header.slices[0], header.slices[-1]))
        if not set(slices) <= set(header.slices):
            raise InputError(
                f"{opened.path}: has slices {list(header.slices)} and {list(slices)} were asked for"
            )
        sensor = _sensor_of_file(opened, region, reading, sensor)
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
        clusters = ak.flatten(events["clusters"], axis=1)
        module, detector = ak.to_numpy(clusters["module_index"]), header.detector
        chosen = (detector.barrel[module] == (region == "barrel")) & ~detector.strips[module]
        yield EventClusters(opened, clusters, event, chosen, slices, sensor)


def _sensor_of_file(
    opened: EventFile, region: str, reading: Reading, before: Mapping[str, float]
) -> dict[str, float]:
    """The sensor of a region of a file; ``before``: that of the files before it, empty of the first."""
    sensors = sensor_of(opened.header.detector, opened.header.field)
    if region not in sensors:
        raise InputError(
            f"{opened.path}: the detector has no {region} modules; give files of one that has, or train the "
            f"other region"
        )
    sensor = sensors[region]
    if reading.sensor is not None and not same_sensor(reading.sensor, sensor):
        raise InputError(
            f"{opened.path}: is of the sensor {sensor_words(sensor)}, not {sensor_words(reading.sensor)}; "
            f"leave out --type"
        )
    if before and before != sensor:
        raise InputError(
            f"{opened.path}: is of the sensor {sensor_words(sensor)}, and the files before it are of "
            f"{sensor_words(before)}; train on one sensor at a time"
        )
    return sensor


def no_clusters(files: Sequence[Path], region: str) -> InputError:
    """The error of files without a cluster to train on."""
    return InputError(
        f"{', '.join(map(str, files))}: no {region} cluster with truth to train on; simulate more events"
    )


def made_by_all(parts: Sequence[tuple[EventFile, int]]) -> dict[str, Any]:
    """How the last of several event files was made, and ``seeds``: of all that tell theirs."""
    told = [opened.header.made_by for opened, _ in parts]
    seeds = sorted({made["seed"] for made in told if isinstance(made.get("seed"), int)})
    return dict(told[-1]) | ({"seeds": seeds} if seeds else {})


def count_by_file(parts: Sequence[tuple[EventFile, int]]) -> tuple[int, ...]:
    """Sums of numbers of clusters of files that follow each other, file by file."""
    return tuple(
        sum(n for _, n in group) for _, group in itertools.groupby(parts, key=lambda part: id(part[0]))
    )


def _decoding(code: str) -> Callable[[FlatClusters, Header], FlatClusters]:
    """What makes clusters those that the host has behind a code of the link; empty: they stay."""
    if not code:
        return lambda clusters, header: clusters
    # Torch stays out where nothing is decoded.
    from smartpix.link.codes import coded
    from smartpix.link.images import adc_of
    from smartpix.link.learned import load_link

    learned = load_link(code)
    return lambda clusters, header: learned.decoded(coded(clusters, header.detector, adc_of(header)))


def _from_events(
    files: Sequence[Path], region: str, reading: Reading, min_share: float, code: str
) -> Samples:
    decoded = _decoding(code)
    images, targets, truncated, columns = [], [], [], []
    parts: list[tuple[EventFile, int]] = []
    part = None
    for part in event_clusters(files, region, reading):
        target, has = truth_targets(part.clusters, min_share, part.event)
        chosen = has & part.in_region
        clusters, target = part.clusters[chosen], target[chosen]
        if len(clusters) == 0:
            continue
        flat = decoded(flatten(clusters, part.slices), part.opened.header)
        image, origin = windows(flat)
        target[:, :2] -= window_center(origin, flat.module, part.opened.header.detector)
        images.append(image)
        targets.append(target)
        truncated.append(flat.truncated)
        columns.append(
            np.maximum.reduceat(flat.column, flat.first) - np.minimum.reduceat(flat.column, flat.first) + 1
        )
        parts.append((part.opened, len(image)))
    if not images or part is None:
        raise no_clusters(files, region)
    return Samples(
        np.concatenate(images),
        np.concatenate(targets),
        np.concatenate(truncated),
        part.sensor,
        part.slices,
        made_by_all(parts) | ({"code": Path(code).stem} if code else {}),
        count_by_file(parts),
        np.concatenate(columns).astype(np.int64),
    )
