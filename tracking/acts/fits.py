"""ACTS's Kalman fitter on tracks that were found elsewhere: the reference of our fit. Needs
``smartpix[acts]`` and hits on ACTS's generic detector.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of, run_timed
from seeding.hits import Hits
from smartpix.extras import import_acts
from smartpix.geometry import Detector
from smartpix.schema import PARAMETERS, InputError
from tracking.acts.beam import about_beam, about_z_axis
from tracking.acts.event import (
    fitting_algorithm,
    measurement_sources,
    proto_tracks,
    track_parameters,
    track_rows,
)
from tracking.acts.setup import acts_setup
from tracking.finders.tracks import Parameters, Tracks

__all__ = ["ActsFits", "acts_fits"]

START_SIGMA = (10.0, 10.0, 0.1, 0.1, 1.0)
"""Widths of d0, z0 (mm), phi, theta, qop (1/GeV) that fits start with: far wider than what the hits say, so
that the start does not count."""


@dataclass(frozen=True)
class ActsFits:
    """ACTS's fits of given tracks; of each event one entry, with a row for every track.

    Attributes:
        parameters: of the tracks; NaN where the fit failed, with ndf 0.
        n_fitted: (T,) hits the fit used, 0 where it failed; it leaves out those on modules that it does not
            cross.
        ms: mean time of the fit per event.
    """

    parameters: list[Parameters]
    n_fitted: list[npt.NDArray[np.int64]]
    ms: float


def acts_fits(
    events: Sequence[Hits],
    tracks: Sequence[Tracks],
    start: Sequence[Parameters],
    detector: Detector,
    field: float,
) -> ActsFits:
    """Fit given tracks with ACTS's Kalman filter and smoother: multiple scattering and energy loss of pions,
    on one thread.

    Args:
        tracks: of each event; start: parameters of each event's tracks near which the fit starts, such as
            :class:`tracking.fit.tracks.Helices`; only their values count, they get the widths of
                ``START_SIGMA``.
        detector, field: as for :func:`acts_tracks`.

    Raises:
        InputError: ACTS is not installed, no events, no field, modules that ACTS's generic detector has not,
            or tracks and parameters that are not of the same number as events and tracks.
    """
    acts = import_acts()
    if not len(events):
        raise InputError("ACTS reference: no events")
    setup = acts_setup(acts, detector, field)
    if [len(t) for t in tracks] != [len(s.d0) for s in start] or len(tracks) != len(events):
        raise InputError(
            f"ACTS reference: {len(events)} events, tracks of {len(tracks)} and parameters of {len(start)}, "
            f"or numbers of tracks "
            "that differ; give one of each for every event, and parameters of every track"
        )
    examples, level, frame = acts.examples, acts.logging.FATAL, detector.frame
    parameters: list[Parameters] = []
    n_fitted: list[npt.NDArray[np.int64]] = []

    def propose(event: int) -> tuple[Any]:
        return (proto_tracks(acts, tracks[event]),)

    def take(event: int, fitted: Any) -> tuple[()]:
        rows = [track_rows(acts, track, events[event]) for track in fitted]
        place = _places(rows, tracks[event].rows())
        found = track_parameters(fitted)
        found = found if frame.is_centred else about_beam(found, frame, field)
        parameters.append(_spread(found, place, len(tracks[event])))
        n_fitted.append(np.bincount(place, [len(r) for r in rows], len(tracks[event])).astype(np.int64))
        return ()

    with tempfile.TemporaryDirectory() as folder:
        # Python cannot fill a container of parameters, so they take the way through files; reading is not in
        # the time.
        for event, values in enumerate(start):
            placed = values if frame.is_centred else about_z_axis(values, frame, field)
            _write_start(Path(folder) / f"event{event:09d}-start.csv", placed)
        reader = examples.CsvTrackParameterReader(
            level=level, inputDir=folder, inputStem="start", outputTrackParameters="parameters"
        )
        spent = run_timed(
            acts,
            len(events),
            [
                *measurement_sources(acts, events, detector, setup),
                algorithm_of(acts, "Propose", propose, writes=[("proposed", examples.ProtoTrackContainer)]),
                fitting_algorithm(acts, setup, "proposed", "parameters"),
                algorithm_of(acts, "Sink", take, reads=[("fitted", examples.ConstTrackContainer)]),
            ],
            [reader],
        )  # fmt: skip
    return ActsFits(parameters, n_fitted, float(spent["TrackFittingAlgorithm"].mean()))


def _places(
    fitted: list[npt.NDArray[np.int64]], tracks: list[npt.NDArray[np.int64]]
) -> npt.NDArray[np.int64]:
    """Which of the given tracks each fitted one is: ACTS keeps their order and leaves out those that
    failed.
    """
    places, k = [], 0
    for rows in fitted:
        while not np.isin(rows, tracks[k]).all():
            k += 1
        places.append(k)
        k += 1
    return np.array(places, dtype=np.int64)


def _spread(values: Parameters, place: npt.NDArray[np.int64], n: int) -> Parameters:
    """Parameters of ``n`` tracks of which those at ``place`` are known."""
    spread = {}
    for column in fields(values):
        fitted = getattr(values, column.name)
        spread[column.name] = np.full(
            (n, *fitted.shape[1:]), 0 if fitted.dtype.kind == "i" else np.nan, dtype=fitted.dtype
        )
        spread[column.name][place] = fitted
    return Parameters(**spread)


def _write_start(path: Path, start: Parameters) -> None:
    """Write a table of ACTS's CsvTrackParameterReader."""
    values = np.column_stack([getattr(start, name) for name in PARAMETERS])
    variances = np.broadcast_to(np.square(START_SIGMA), values.shape)
    pairs = [f"cov_{a}{b}" for a in PARAMETERS for b in PARAMETERS if a != b]
    header = ["trackId", *PARAMETERS, *(f"var_{name}" for name in PARAMETERS), *pairs]
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(header)
        for k, row in enumerate(np.column_stack([values, variances]).tolist()):
            table.writerow([k, *row, *[0.0] * len(pairs)])
