"""Dead modules of a file: what its header, its events and the options say of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np

from smartpix.dead_modules import find_dead_modules
from smartpix.io.events import Header, iterate
from smartpix.schema import InputError
from tracking.finders.options import DeadOptions

__all__ = ["with_dead_of_file", "with_known_dead"]

log = logging.getLogger(__name__)


def with_known_dead(header: Header, options: DeadOptions) -> Header:
    """A header whose detector knows the dead modules that the options let it know, without a look at data.

    Raises:
        InputError: modules that the detector does not have.
    """
    detector = header.detector
    if options.source == "none":
        return replace(header, detector=replace(detector, dead=()))
    return replace(header, detector=detector.with_dead(options.modules))


def with_dead_of_file(path: str | Path, header: Header, options: DeadOptions) -> Header:
    """A header whose detector knows the dead modules that the first events of a file tell of besides, where
    the options ask for it.

    Raises:
        InputError: modules that the detector does not have, or no events to find them in.
    """
    header = with_known_dead(header, options)
    if options.source != "data":
        return header
    counts = np.zeros(len(header.detector), dtype=np.int64)
    n_events = 0
    for _, events in iterate(path, step=1, stop=options.events):
        module = ak.to_numpy(ak.flatten(events["clusters"]["module_index"], axis=None))
        counts += np.bincount(module, minlength=len(counts))
        n_events += len(events)
    if not n_events:
        raise InputError(
            f"{path}: has no events to find dead modules in; give another file, or dead.source=header"
        )
    found = header.detector.with_dead(find_dead_modules(counts, header.detector, options.chance))
    log.info(
        "dead modules: %d known, %d more found in %d events",
        len(header.detector.dead), len(found.dead) - len(header.detector.dead), n_events,
    )  # fmt: skip
    return replace(header, detector=found)
