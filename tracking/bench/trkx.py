"""Behind ``smartpix study trkx``: what each idea of HEP.TrkX is worth, on its toys, on the RAMP challenge and
on our own events.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from smartpix.rules import fields, nullable, optional, parse_checked
from smartpix.schema import InputError
from smartpix.simulate.options import GenerateOptions
from tracking.bench.events import simulated_as
from tracking.bench.next_layer import next_layer_study
from tracking.bench.ramp import PUBLISHED, check_ramp_seed, ramp_bounds, ramp_scores
from tracking.bench.trkx_models import model_numbers, weights_by_name, with_errors
from tracking.bench.trkx_options import PARTS, TrkxStudyOptions
from tracking.bench.trkx_reference import line_accuracy
from tracking.finders.trkx.filters import OptimalInputs, has_filters, optimal_inputs
from tracking.finders.trkx.metrics import MULTIPLICITIES, SHARE, exactly
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.trained import load_network

__all__ = ["REFERENCE_TOYS", "SAMPLES", "trkx_study", "with_parts_of"]

log = logging.getLogger(__name__)

Report = Callable[[str], None]

REFERENCE_TOYS = ("2d-noise", "2d-tracks", "2d-conv", "variable", "3d")
"""Kinds of toys that a straight line is followed through, beside the networks."""
SAMPLES = {
    "pileup-200": GenerateOptions(pileup=200),
    "pileup-200-pions": GenerateOptions(pileup=200, jets=300, jet_particles=(1,), gun_pt=(0.3, 10.0)),
}
"""For the learned cone: collisions alone, and with single pions on top, since few particles of collisions are
stiff.
"""
KEYS = {
    "models": ("models", "references"), "ramp": ("ramp", "ramp_bounds", "ramp_published", "n_ramp_events"),
    "next-layer": ("next_layer",),
}  # fmt: skip
"""What each part gives."""
WHOLE = ("models", "references", "ramp", "ramp_bounds", "next_layer")
"""Of these, what is an object or null."""


def trkx_study(
    options: TrkxStudyOptions,
    weights: Path | None = None,
    trained: Path | None = None,
    files: Sequence[Path] = (),
    report: Report = log.info,
) -> tuple[dict[str, Any], dict[str, list[OptimalInputs]]]:
    """The parts of the study that the options name.

    Args:
        weights: folder of networks of HEP.TrkX, beside those that ship.
        trained: folder of results of trainings whose weights are not at hand.
        files: event files for the learned cone; none: those of :data:`SAMPLES` are simulated,
            which needs ``smartpix[acts]``.

    Returns:
        The results, of each part that was asked for and None for others: ``measured``, the ``seed`` and
            ``date`` of
        each part, where the seed of files is None; ``models``
        (:func:`tracking.bench.trkx_models.model_numbers`), ``references`` by kind of toys (
        :func:`tracking.bench.trkx_reference.line_accuracy`); ``ramp``
        (:func:`tracking.bench.ramp.ramp_scores`), ``ramp_bounds``, ``ramp_published``, ``n_ramp_events``;
        ``next_layer`` ( :func:`tracking.bench.next_layer.next_layer_study`). And by name of the network the
        inputs that its filters respond most to.

    Raises:
        InputError: unusable weights, results or files, or something was trained on events of this seed.
    """
    for folder in (weights, trained):
        if folder is not None and not folder.is_dir():
            raise InputError(f"study trkx: {folder} is no folder; give one that has weights, or results")
    if "ramp" in options.parts:
        # Before the networks, which take minutes.
        check_ramp_seed(options.seed)
    now = {"seed": options.seed, "date": date.today().isoformat()}
    result: dict[str, Any] = {"measured": {part: now for part in PARTS if part in options.parts}}
    if files and "next-layer" in options.parts:
        # The seeds of their events are in ``next_layer``.
        result["measured"]["next-layer"] = now | {"seed": None}
    result |= {key: None for keys in KEYS.values() for key in keys}
    filters: dict[str, list[OptimalInputs]] = {}
    if "models" in options.parts:
        result["models"] = model_numbers(options, weights, trained, report)
        report(f"straight lines on {options.events} toys of each kind")
        result["references"] = {kind: _reference(kind, options) for kind in REFERENCE_TOYS}
        filters = _filters(weights, options, report)
    if "ramp" in options.parts:
        report(f"RAMP challenge: {options.ramp_events} events with 10 tracks, and as many with 20")
        result["ramp"] = ramp_scores(options.ramp_events, options.seed)
        result["ramp_bounds"] = ramp_bounds(options.ramp_events, options.seed)
        result["ramp_published"] = PUBLISHED
        result["n_ramp_events"] = options.ramp_events
    if "next-layer" in options.parts:
        result["next_layer"] = _next_layer(files, options, report)
    return result, filters


def earlier_study(path: Path) -> dict[str, Any]:
    """Results of an earlier study.

    Raises:
        InputError: the file is not there or is no result of a study.
    """
    fix = "give the folder of an earlier study with -o, or leave out --keep"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {fix}") from error
    anything = fields({}, more=True)
    told = fields({part: optional(anything) for part in PARTS})
    rule = fields({"measured": told, **{key: nullable(anything) for key in WHOLE}}, more=True)
    found: dict[str, Any] = parse_checked(content, rule, path, fix)
    return found


def with_parts_of(result: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """Results, and for parts that were not measured those of :func:`earlier_study`."""
    kept = [part for part in earlier["measured"] if part not in result["measured"]]
    made = result | {key: earlier.get(key) for part in kept for key in KEYS[part]}
    measured = earlier["measured"] | result["measured"]
    return made | {"measured": {part: measured[part] for part in PARTS if part in measured}}


def _reference(kind: str, options: TrkxStudyOptions) -> dict[str, Any]:
    """The straight line on a kind of toys; on square planes also by the number of background tracks."""
    toy, n = toy_options(kind), options.events
    made: dict[str, Any] = with_errors(line_accuracy(toy, n, options.seed), n) | {"n_events": n}
    if kind == "3d":
        fewer = max(n // SHARE, 1)
        made["multiplicity"] = {
            str(k): with_errors(line_accuracy(exactly(toy, k), fewer, options.seed), fewer)
            | {"n_events": fewer}
            for k in MULTIPLICITIES
        }
    return made


def _filters(
    weights: Path | None, options: TrkxStudyOptions, report: Report
) -> dict[str, list[OptimalInputs]]:
    """What the filters of all convolutional networks with weights look for."""
    found = {}
    for name, path in weights_by_name(weights).items() if options.steps else ():
        network, toy = load_network(path)
        if has_filters(network):
            report(f"{name}: {options.steps} steps to what its filters look for")
            shape = (toy.n_planes, *toy.plane_shape)
            found[name] = optimal_inputs(network, shape, options.steps, options.seed)
    return found


def _next_layer(files: Sequence[Path], options: TrkxStudyOptions, report: Report) -> dict[str, Any]:
    """The learned cone beside the Kalman filter's, on files or on events that are simulated."""
    if files:
        return next_layer_study(files) | {"sample": [path.name for path in files]}
    n = options.pileup_events
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for k, (name, generate) in enumerate(SAMPLES.items()):
            report(f"simulating {n} events of {name}")
            paths.append(simulated_as(generate, Path(folder) / f"{name}.root", n, options.seed + k))
        return next_layer_study(paths) | {"sample": list(SAMPLES), "n_events": n * len(SAMPLES)}
