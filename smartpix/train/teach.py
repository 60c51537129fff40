"""Teachers: a float network that sees more gives a smaller one its estimates of the same clusters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from smartpix.estimate.base import same_sensor, sensor_words
from smartpix.estimate.mdn import MdnNetwork
from smartpix.io.parquet import is_cluster_file, read_clusters
from smartpix.samples import Samples, from_clusters
from smartpix.schema import TARGET_SCALE, InputError

log = logging.getLogger(__name__)

__all__ = ["Lesson", "lesson_of"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Report = Callable[[str], None]

TAUGHT = 20_000
"""Clusters shown to a teacher at a time."""


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of clusters.

    Attributes:
        teacher: its name.
        mean: (N, 4) in the frame of the samples' targets.
        cholesky: (N, 4, 4).
    """

    teacher: str
    mean: Floats
    cholesky: Floats

    def scaled(self, rows: Rows) -> torch.Tensor:
        """(N, 4, 5) means and factors in scaled units."""
        both = (
            np.concatenate([self.mean[rows][..., None], self.cholesky[rows]], axis=2)
            / np.array(TARGET_SCALE)[:, None]
        )
        return torch.from_numpy(both.astype(np.float32))


def lesson_of(
    teacher: str | Path, files: Sequence[str | Path], samples: Samples, region: str, report: Report = log.info
) -> Lesson:
    """Ask a float network about the clusters of data sets.

    It sees them in its own slices, without noise and threshold.

    Raises:
        InputError: event files, which have no more than was read out, slices that are not there, or a network
            of another region or sensor, or of whole numbers.
    """
    if not all(is_cluster_file(f) for f in files):
        raise InputError(
            f"{files[0]}: a teacher needs data sets (parquet), which have clusters before the readout"
        )
    network = MdnNetwork.load(str(teacher))
    description = network.description
    if (
        network.on_chip
        or description["region"] != region
        or not same_sensor(description["sensor"], samples.sensor)
    ):
        raise InputError(
            f"{teacher}: cannot teach {region} clusters of {sensor_words(samples.sensor)}; give a float "
            f"network of that region "
            "and sensor"
        )
    report(f"asking {teacher} about {len(samples)} clusters")
    mean, cholesky = np.empty((len(samples), 4)), np.empty((len(samples), 4, 4))
    for low in range(0, len(samples), TAUGHT):
        part = slice(low, low + TAUGHT)
        clusters = read_clusters(
            list(files), tuple(network.description["slices"]), low, min(low + TAUGHT, len(samples)),
            thickness=samples.sensor["thickness"],
        )  # fmt: skip
        seen = from_clusters(clusters, None, samples.sensor, {})
        # Without a threshold induced charge reaches the border of the array; that cuts off nothing of these
        # clusters.
        answer, cholesky[part] = network.predict_images(seen.images)
        # Its window may lie elsewhere: what it is off by is the same in every frame.
        mean[part] = samples.targets[part] + answer - seen.targets
    return Lesson(Path(teacher).name, mean, cholesky)
