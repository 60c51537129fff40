"""From simulated files to an estimator in one call, as notebooks want it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from smartpix.estimate.base import sensor_of
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.io.events import open_events
from smartpix.train.loop import train_mdn
from smartpix.train.options import TrainMdnOptions

log = logging.getLogger(__name__)

__all__ = ["fit_mdn"]


def fit_mdn(
    files: Sequence[str | Path],
    folder: str | Path,
    options: TrainMdnOptions | None = None,
    report: Callable[[str], None] = log.info,
) -> MdnEstimator:
    """Train a network for each region of the files' detector, save them, and load them.

    The weights are written to ``folder/mdn-REGION.safetensors``.

    Args:
        files: simulated event files of one sensor.
        folder: must exist.
        options: None: the defaults.
        report: called with a line per epoch.

    Raises:
        InputError: as :func:`smartpix.train.loop.train_mdn`.
    """
    header, networks = open_events(files[0]).header, {}
    for region in sensor_of(header.detector, header.field):
        path = Path(folder) / f"mdn-{region}.safetensors"
        train_mdn(files, region, path, options or TrainMdnOptions(), report)
        networks[region] = MdnNetwork.load(str(path))
    return MdnEstimator(networks)
