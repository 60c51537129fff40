"""The calibration of a detector's files, found with the chain: nothing of it reads truth."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.calibration import Calibration, displaced, fingerprint, nothing_known
from smartpix.estimate.base import calibrated_clusters, same_sensor, sensor_of
from smartpix.estimate.choose import Chosen, kind_of
from smartpix.estimate.conditions import training_differs
from smartpix.geometry import Detector
from smartpix.io.events import Header, iterate, open_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.beam_spot import chain_of_file
from tracking.calibration.align import FEW_SAMPLES, Alignment, find_alignment
from tracking.calibration.offsets import Offsets, offsets
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.response import Response, response
from tracking.calibration.sample import EventTracks, Seen, chosen_tracks, measured_alone, seen, without_worst
from tracking.chain import Chain
from tracking.finders.options import DeadOptions
from tracking.fit.options import BeamOptions
from tracking.options import RunOptions

__all__ = ["FoundCalibration", "calibration_of_files", "find_calibration", "reference_offsets"]

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

FIRST_ERROR = 0.05
"""mm that modules may be off in the first pass: hits that far away still make tracks."""
FAR = 1.2
"""Widths of x and y over FIRST_ERROR above which the first pass is made again with twice of it: it lost most
tracks of modules that are farther off."""
TRIALS, SETTLED, WORST = 4, 1.5, 4.0
"""Of the alignment in a pass, while chi2 over the degrees of freedom is above SETTLED; each leaves out tracks
for which it is above WORST times the median."""
MIN_TRACKS = 100
"""Below, the errors of all that is found are as large as what may be wrong."""


@dataclass(frozen=True)
class FoundCalibration:
    """A calibration, and what it was found from.

    Attributes:
        calibration: for the files' detector table.
        alignment: of the last pass; None: none was asked for.
        offsets: of the last pass, after all corrections of those before; reference: of the embedded sample,
            None: it is of another sensor.
        n_events, n_tracks, n_hits: that the last pass used.
    """

    calibration: Calibration
    alignment: Alignment | None
    offsets: Offsets
    reference: Offsets | None
    n_events: int
    n_tracks: int
    n_hits: int

    def summary(self, detector: Detector) -> dict[str, Any]:
        """Numbers for people and JSON, by layer.

        Args:
            detector: table of the files.
        """
        layers, index = detector.layers, detector.layer_index
        by_layer: dict[str, Any] = {}
        found = self.calibration
        for k in range(len(layers)):
            shift = found.shift[index == k]
            by_layer[layers.name(k)] = {
                "n_hits": int(self.offsets.n_hits[k]),
                "bias_cot_alpha": float(found.bias[k, 2]), "bias_cot_beta": float(found.bias[k, 3]),
                "scale": [float(v) for v in found.scale[k]],
                "mean_shift_um": [float(v) for v in 1000 * shift.mean(axis=0)],
                "rms_shift_um": [float(v) for v in 1000 * shift.std(axis=0)],
                "position_error_um": [
                    float(v) for v in 1000 * np.sqrt((found.position_error[index == k] ** 2).mean(axis=0))
                ],
            }  # fmt: skip
        barrel = [by_layer[layers.name(k)] for k in range(len(layers)) if layers.barrel[k]]
        return {
            "n_events": self.n_events, "n_tracks": self.n_tracks, "n_hits": self.n_hits,
            "charge_scale": found.charge_scale,
            # What the charge drifts too far lengthens clusters as a slope does.
            "lorentz_shift_of_tangent": float(np.mean([v["bias_cot_beta"] for v in barrel])) if barrel else None,
            "modules_aligned": 0 if self.alignment is None else int(np.sum(self.alignment.n_hits > 0)),
            "with_reference": self.reference is not None, "layers": by_layer,
        }  # fmt: skip


def calibration_of_files(
    files: Sequence[str | Path],
    run: RunOptions,
    options: CalibrateOptions,
    report: Callable[[str], object] = log.info,
) -> FoundCalibration:
    """The calibration of the first events of some files of one detector.

    Args:
        run: options of the chain, whose own ``calibration`` must be empty.
        report: called with a line for each pass.

    Raises:
        InputError: no events, files of several detectors, too few tracks, or options that name a calibration.
    """
    if run.calibration:
        raise InputError("calibrate: option 'calibration' is set; leave it out, a new one is to be found")
    header = open_events(files[0]).header
    records: list[ak.Record] = []
    for opened, part in iterate(list(files), step=1):
        if fingerprint(opened.header.detector) != fingerprint(header.detector):
            raise InputError(
                f"{opened.path}: its detector table is not that of {files[0]}; calibrate each alone"
            )
        if len(records) == options.events:
            break
        records.append(part[0])
    if not records:
        raise InputError(f"{files[0]}: has no events to calibrate from; give another file")
    chain, _ = chain_of_file(files[0], header, run)
    if kind_of(chain.estimator) == "positions":
        raise InputError(
            f"{files[0]}: its hits are taken without pixels, which tell neither slope nor charge, so that there is "
            "nothing to calibrate; give files with pixels, and estimates=auto"
        )
    if chain.header.field_map is not None:
        raise InputError(
            f"{files[0]}: has a table of the field, and the alignment takes tracks for helices in a uniform one: what "
            "the field does would become motions of modules; calibrate from events in a uniform field"
        )
    reference = reference_offsets(header, run, options)
    if reference is None:
        report(
            "the embedded sample is of another sensor than the estimates: no charge scale, biases to 0, errors to 1"
        )
    found = find_calibration(chain, records, options, reference, report)
    made_by = {"command": "smartpix calibrate --from-tracks", "files": [Path(f).name for f in files]}
    return replace(found, calibration=replace(found.calibration, made_by=made_by | {"events": len(records)}))


def find_calibration(
    chain: Chain,
    records: Sequence[ak.Record],
    options: CalibrateOptions,
    reference: Offsets | None,
    report: Callable[[str], object] = log.info,
) -> FoundCalibration:
    """The calibration of some events.

    Each pass runs the chain with what those before found, fits the tracks, moves the modules to where chi2 is
    least, and compares the estimates with the tracks. In the first pass, hits have the errors of modules that
    may be anywhere, so that a few wrong ones do not move these; in the others their own alone.
    Where modules are seen to be farther off, the first pass is made again for twice of that. Tracks that fit
    no alignment are left out.

    Args:
        chain: without a calibration.
        reference: the same of events that the estimates were trained for. Biases, errors and charge are
            brought to its. None: biases to 0, errors to 1, and the charge is left alone.

    Raises:
        InputError: too few tracks.
    """
    base = chain.header
    current = _nothing_known(base.detector, 0.0 if options.keep_modules else FIRST_ERROR)
    result: FoundCalibration | None = None
    found: Alignment | None = None
    number = wider = 1
    while number <= options.passes:
        events = _tracks(replace(chain, header=base.calibrated(current)), records, options)
        if found is not None:
            events = [replace(e, hits=measured_alone(e.hits, current)) for e in events]
        n_tracks, n_hits = sum(len(e.tracks) for e in events), sum(len(e.hits) for e in events)
        if n_tracks < MIN_TRACKS:
            raise InputError(
                f"calibrate: {n_tracks} good tracks in {len(records)} events and at least {MIN_TRACKS} are needed; "
                "give more events, or take softer tracks (--min-pt)"
            )
        motion = np.concatenate([current.shift, current.rotation], axis=1)
        if not options.keep_modules:
            # The errors of those before the last only widen the search: few samples tell them.
            of_pass = options if number == options.passes else replace(options, samples=FEW_SAMPLES)
            found, events = _aligned(events, base, chain.options, of_pass, found)
            n_tracks, n_hits = sum(len(e.tracks) for e in events), sum(len(e.hits) for e in events)
            if number == wider == 1 and found.width[:2].max() > FAR * FIRST_ERROR:
                wider, found = 2, None
                current = _nothing_known(base.detector, wider * FIRST_ERROR)
                report(
                    f"modules are off by more than {FIRST_ERROR:g} mm: pass 1 again for {wider * FIRST_ERROR:g} mm"
                )
                continue
            motion = found.motion
        fitted = _look(events, base, chain.options)(motion)
        of_tracks = offsets(events, fitted, base.detector, options)
        current = _improved(current, motion, found, of_tracks, reference, base.detector, number == 1)
        result = FoundCalibration(current, found, of_tracks, reference, len(records), n_tracks, n_hits)
        report(
            f"pass {number} of {options.passes}: {n_tracks} tracks, charge scale {current.charge_scale:.4f}, "
            + ("no alignment" if found is None else f"chi2 {found.chi2[0]:.0f} -> {found.chi2[-1]:.0f}")
        )
        number += 1
    assert result is not None
    return result


def _aligned(
    events: list[EventTracks],
    base: Header,
    run: RunOptions,
    options: CalibrateOptions,
    start: Alignment | None,
) -> tuple[Alignment, list[EventTracks]]:
    """An alignment, and the events less the tracks that were left out because they do not fit any."""
    for more in reversed(range(TRIALS)):
        found = find_alignment(
            _look(events, base, run), _respond(events, base, run), base.detector, options, start
        )
        if more == 0 or found.chi2[-1] <= SETTLED * found.n_freedoms:
            break
        # Far off, a track may have taken a wrong hit: such ones draw modules to them.
        there = displaced(base.detector, found.motion[:, :3], found.motion[:, 3:])
        events = without_worst(events, there, base.field, run.fit, WORST, run.threads)
    return found, events


def _nothing_known(detector: Detector, error: float) -> Calibration:
    """A calibration that changes nothing but the hits' errors: modules may be off by ``error`` mm."""
    nothing = nothing_known(detector)
    return replace(nothing, position_error=np.full_like(nothing.position_error, error))


def _look(events: Sequence[EventTracks], base: Header, run: RunOptions) -> Callable[[Floats], Seen]:
    """What fits say of some events' hits with modules moved by (M, 6)."""

    def look(motion: Floats) -> Seen:
        detector = displaced(base.detector, motion[:, :3], motion[:, 3:])
        return seen(events, detector, base.field, run.fit, run.threads)

    return look


def _respond(events: Sequence[EventTracks], base: Header, run: RunOptions) -> Callable[[Floats], Response]:
    """How chi2 of some events' tracks answers with modules moved by (M, 6)."""

    def respond(motion: Floats) -> Response:
        detector = displaced(base.detector, motion[:, :3], motion[:, 3:])
        return response(events, detector, base.field, run.fit, run.threads)

    return respond


def _tracks(chain: Chain, records: Sequence[ak.Record], options: CalibrateOptions) -> list[EventTracks]:
    events = []
    for record in records:
        result = chain.event(int(record["event"]), record["clusters"])
        flat = calibrated_clusters(record["clusters"], chain.header, chain.estimator)
        charge = flat.outlines.shape[:, 0]
        events.append(chosen_tracks(result.hits, result.tracks, result.helices, charge, options))
    return events


def _improved(
    current: Calibration, motion: Floats, found: Alignment | None, of_tracks: Offsets, reference: Offsets | None,
    detector: Detector, first: bool,
) -> Calibration:  # fmt: skip
    """A calibration with what one more pass found.

    Args:
        first: hits had the errors of the modules' places.
    """
    wanted_bias = np.zeros_like(of_tracks.bias) if reference is None else reference.bias
    wanted_scale = np.ones_like(of_tracks.scale) if reference is None else reference.scale
    wanted_excess = np.zeros_like(of_tracks.excess) if reference is None else reference.excess
    charge = 1.0 if reference is None else of_tracks.charge / reference.charge
    bias, scale = current.bias.copy(), current.scale.copy()
    bias[:, 2:] += of_tracks.bias - wanted_bias
    scale[:, 2:] *= of_tracks.scale / wanted_scale
    # A Lorentz angle that is off by d in its tangent moves the charge's middle by d times half of the thickness.
    # Alignment cannot tell it from modules that lie there, and tracks take up what all layers have. Charge drifts
    # towards -y, so that an angle that is larger than in the training makes y too small and cot beta too large.
    barrel, layer = detector.layers.barrel, detector.layer_index
    half = _by_layer(detector.thickness[:, None], layer) / 2
    bias[:, 1] = np.where(barrel, -half[:, 0] * bias[:, 3], 0.0)
    error = current.position_error
    if found is not None:
        # Tracks that aligned the modules have smaller residuals than others: these can only add to the errors.
        told = of_tracks.excess - wanted_excess
        if first:
            told += _by_layer(error**2, layer)
        more = np.maximum(told - _by_layer(found.error**2, layer), 0.0)
        error = np.sqrt(found.error**2 + more[layer])
    return replace(
        current, shift=motion[:, :3], rotation=motion[:, 3:], position_error=error,
        charge_scale=current.charge_scale * charge, bias=bias, scale=scale,
    )  # fmt: skip


def _by_layer(values: Floats, layer: npt.NDArray[np.int32]) -> Floats:
    """(L, ...) means of the modules' values (M, ...)."""
    count = np.bincount(layer)
    return np.stack([np.bincount(layer, column) for column in values.T], axis=1) / count[:, None]


def reference_offsets(header: Header, run: RunOptions, options: CalibrateOptions) -> Offsets | None:
    """What tracks say of the embedded sample's estimates; None if it is of another sensor or field, or if
    they were trained in conditions far from its own.

    Args:
        run: options of the chain; beam and dead modules are the sample's own.
    """
    path = data_path("sample.root")
    opened = open_events(path)
    own, other = (
        sensor_of(header.detector, header.field),
        sensor_of(opened.header.detector, opened.header.field),
    )
    alike = own.keys() == other.keys() and all(same_sensor(own[k], other[k]) for k in own)
    if not alike or len(header.detector.layers) != len(opened.header.detector.layers):
        return None
    run = replace(run, conditions="ignore", beam=BeamOptions(), dead=DeadOptions())
    chain = Chain.for_header(opened.header, run, report=lambda line: None)
    if training_differs(opened.header, cast(Chosen, chain.estimator), 2):
        return None
    events = _tracks(chain, [part[0] for _, part in iterate(path, step=1)], options)
    base = chain.header
    fitted = _look(events, base, run)(np.zeros((len(base.detector), 6)))
    return offsets(events, fitted, base.detector, options)
