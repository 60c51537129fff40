"""Our own event files, as far as ``smartpix convert`` takes them: the same events in the other container."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.convert.format import EVENT_FILE, ConvertOptions
from smartpix.convert.hit_tables import Unmatched
from smartpix.io.events import event_numbers, iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError

__all__ = ["change_container", "hits_in_event_file"]


def change_container(path: Path, output: str | Path, options: ConvertOptions) -> dict[str, Any]:
    """Write an event file with the other container, everything else as it is.

    Returns:
        What :func:`smartpix.convert.formats.convert` returns, but for the field, which stays.

    Raises:
        InputError: an option is given for what the file itself says.
    """
    for name in ("detector", "field", "electrons"):
        if getattr(options, name) is not None:
            raise InputError(f"{path}: is an event file, which has its own {name}; leave {name} out")
    opened = open_events(path)
    container = options.container or ("rntuple" if opened.container == "ttree" else "ttree")
    has_truth = opened.has_truth and options.truth
    made_by = dict(opened.header.made_by) if has_truth else {**opened.header.made_by, "truth": False}
    if not options.truth:
        made_by.pop("particles", None)
    n_hits = 0

    def events() -> Iterator[ak.Array]:
        nonlocal n_hits
        for _, part in iterate(path):
            n_hits += int(ak.sum(ak.num(part["clusters"])))
            yield part if has_truth else _without_truth(part, opened.has_particles and options.truth)

    n_events = write_events(output, replace(opened.header, made_by=made_by), events(), container)
    return {
        "kind": EVENT_FILE, "source": str(path), "n_events": n_events, "n_hits": n_hits, "n_left_out": 0,
        **asdict(Unmatched()), "truth": has_truth, "cells": opened.header.has_pixels,
        "particles": opened.has_particles and options.truth, "n_modules": len(opened.header.detector),
        "container": container,
    }  # fmt: skip


def _without_truth(events: ak.Array, has_particles: bool) -> ak.Array:
    """Events with no rows of truth and, unless they stay, no particles, which a file has branches for all the
    same.
    """
    n_clusters = ak.num(events["clusters"])
    empty = ak.zip({n: np.zeros(0, dtype=c.dtype) for n, c in schema.TRUTH.items()})
    truth = ak.unflatten(ak.unflatten(empty, np.zeros(int(ak.sum(n_clusters)), dtype=np.int64)), n_clusters)
    events = ak.with_field(events, truth, ["clusters", "truth"])
    if has_particles:
        return events
    no_particles = ak.zip({n: np.zeros(0, dtype=c.dtype) for n, c in schema.PARTICLES.items()})
    particles = ak.unflatten(no_particles, np.zeros(len(events), dtype=np.int64))
    return ak.with_field(events, particles, "particles")


def hits_in_event_file(path: Path, event: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Ids (H,) and global positions (H, 3) in mm of the hits of one event.

    Raises:
        InputError: there is no such event, or the file cannot be read.
    """
    entry = np.flatnonzero(event_numbers(path) == event)
    if len(entry) == 0:
        raise InputError(f"{path}: has no event {event}")
    _, events = next(iterate(path, step=1, start=int(entry[0])))
    clusters = events["clusters"][0]
    return ak.to_numpy(clusters["hit_id"]), np.column_stack([ak.to_numpy(clusters[n]) for n in "xyz"])
