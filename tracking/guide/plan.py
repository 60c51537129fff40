"""The commands that lead from a detector's modules to tracks, in their order."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from smartpix.geometry import Detector
from smartpix.layouts.named import NamedDetector
from smartpix.schema import InputError
from tracking.guide.options import GuideOptions
from tracking.sequence import Step

__all__ = ["decided", "planned"]

FEWEST_LAYERS = 3
ENOUGH_LAYERS = 4
"""Of a findable particle, by default."""
BEAM_MOMENTUM = 120.0
"""GeV, of ``generate.beam``; the fit of straight tracks takes it for the momentum."""
SLOPES = ("--cot-alpha", "-0.3", "0.3", "--cot-beta", "-0.3", "0.3")
"""Of crossings by a beam: far wider than its divergence, and far from the slopes of collisions."""
PER_EVENT = 5000
"""Crossings of an entry of the sample that estimates are judged on, by default of smartpix simulate
crossings.
"""
JUDGED = 4
"""Its entries."""
SCREENING = 6
"""Epochs of the graph network's screening, as of the trainings of docs/detectors.md."""


def decided(detector: Detector, options: GuideOptions) -> tuple[GuideOptions, str]:
    """The options with their particles chosen, and why.

    Raises:
        InputError: fewer than three layers, of which no tracks can be built.
    """
    n = len(detector.layers)
    if n < FEWEST_LAYERS:
        raise InputError(
            f"new-detector: the detector has {n} layers, and a track needs {FEWEST_LAYERS}; add layers"
        )
    if options.particles != "auto":
        return options, "as asked for"
    if _across_the_beam(detector):
        return replace(options, particles="beam"), "all layers stand across the beam line"
    if find_spec("chromo") is not None:
        return replace(options, particles="collisions"), "chromo is installed"
    return replace(options, particles="gun"), "chromo, which makes collisions, is not installed"


def _across_the_beam(detector: Detector) -> bool:
    """Whether the beam line goes through each layer."""
    corners = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    x, y = corners[:, :1] * detector.half_x, corners[:, 1:] * detector.half_y
    at = detector.center + x[..., None] * detector.axes[:, :, 0] + y[..., None] * detector.axes[:, :, 1]
    around = np.all((at[..., :2].min(axis=0) <= 0) & (at[..., :2].max(axis=0) >= 0), axis=1)
    return all(around[detector.layer_index == k].any() for k in range(len(detector.layers)))


def planned(made: NamedDetector, folder: Path, options: GuideOptions) -> tuple[Step, ...]:
    """The steps.

    Args:
        made: the detector, whose name is that of every command.
        folder: that all is written to.
        options: with the particles of :func:`decided`.
    """
    name, seed = made.name, options.seed
    layout = ["detector", name, "-o", str(folder / "detector.csv"), "--draw", str(folder / "detector.png")]
    fit: list[str] = []
    written = [folder / "detector.csv", folder / "detector.png"]
    if made.material is not None:
        written.append(folder / "fit.toml")
        layout += ["--material", str(written[-1])]
        fit = ["--options", str(written[-1])]
    steps = [
        Step("layout", "The table of modules is made, checked and drawn.", tuple(layout), tuple(written))
    ]
    steps += _training(name, made.detector, folder, options)
    events = ["simulate", "events", "--detector", name, *_particles(options), *_field(options)]
    events += ["--events", str(options.events)]
    for sample, k, why in (
        ("train", 3, "Events on which the graph network is trained."),
        ("test", 4, "Events on which the chain is judged, of another seed."),
    ):
        path = folder / f"{sample}.root"
        words = (*events, "--seed", str(seed + k), "-o", str(path))
        steps.append(Step(f"events-{sample}", why, words, (path,)))
    steps += _judged(made, folder, options, fit)
    return tuple(steps)


def _training(name: str, detector: Detector, folder: Path, options: GuideOptions) -> list[Step]:
    """Estimates of position and direction for its sensors."""
    made_in = (*_slopes(options), *_field(options))
    sample = ["--detector", name, *made_in, "--crossings", str(options.crossings)]
    path = folder / "shape.safetensors"
    words = ("train", "shape", *sample, "--seed", str(options.seed), "-o", str(path))
    steps = [Step("shape", "Cluster shapes learn position and direction.", words, (path,))]
    if options.estimates == "mdn":
        words = ("train", "mdn", *sample, "--seed", str(options.seed + 1), "--epochs", str(options.epochs))
        path = folder / "mdn.safetensors"
        outputs = tuple(folder / f"mdn-{region}.safetensors" for region in _regions(detector))
        why = "A network learns position, direction and covariance, and is calibrated."
        steps.append(Step("mdn", why, (*words, "-o", str(path)), outputs))
    path = folder / "crossings.root"
    words = ("simulate", "crossings", "--detector", name, *made_in, "--events", str(JUDGED))
    why = f"{JUDGED * PER_EVENT:,} crossings on which the estimates are judged, of another seed."
    steps.append(Step("crossings", why, (*words, "--seed", str(options.seed + 2), "-o", str(path)), (path,)))
    return steps


def _field(options: GuideOptions) -> tuple[str, ...]:
    return ("--field", f"{options.field[0]:g}") if options.field else ()


def _slopes(options: GuideOptions) -> tuple[str, ...]:
    return SLOPES if options.particles == "beam" else ()


def _judged(made: NamedDetector, folder: Path, options: GuideOptions, fit: list[str]) -> list[Step]:
    """Check of the estimates, graph network, tracks."""
    test, pull, tracks = folder / "test.root", folder / "pull", folder / "tracks"
    crossings = folder / "crossings.root"
    regions = _regions(made.detector) if options.estimates == "mdn" else ()
    judged = ["study", "pull", str(crossings), "--shape", str(folder / "shape.safetensors")]
    chosen = ["--set", f"estimates={options.estimates}", "--set", "split.mode=off"]
    for region in regions:
        judged += [f"--mdn-{region}", str(folder / f"mdn-{region}.safetensors")]
        chosen += ["--set", f"mdn_{region}={folder / f'mdn-{region}.safetensors'}"]
    if options.estimates == "shape":
        judged += ["--only", "shape"]
        chosen += ["--set", f"shape={folder / 'shape.safetensors'}"]
    why = "The estimates are compared with the truth: their pulls must be one wide."
    steps = [Step("check", why, (*judged, "-o", str(pull)), (pull / "pull.json",))]
    layers = len(made.detector.layers)
    enough = ["--set", f"findable_layers={layers}", "--set", f"build.min_hits={layers}"]
    few = enough if layers < ENOUGH_LAYERS else []
    if options.graph_epochs:
        path = folder / "gnn.safetensors"
        words = ["train", "gnn", str(folder / "train.root"), *chosen]
        if (screening := min(SCREENING, options.graph_epochs - 1)) > 0:
            words += ["--screen-epochs", str(screening)]
        why = "The graph network learns which edges belong to particles."
        words += ["--epochs", str(options.graph_epochs), "-o", str(path)]
        steps.append(Step("graph", why, tuple(words), (path,)))
        chosen += ["--set", f"gnn={path}"]
    if options.particles == "beam":
        chosen += ["--set", f"fit.straight_momentum={BEAM_MOMENTUM:g}"]
    words = ["run", str(test), *fit, *chosen, *few, "-o", str(tracks)]
    why = "The whole chain, from clusters to tracks."
    steps.append(Step("tracks", why, tuple(words), (tracks / "summary.json",)))
    return steps


def _regions(detector: Detector) -> list[str]:
    barrel = detector.barrel
    return ["barrel"] * bool(barrel.any()) + ["endcap"] * bool((~barrel).any())


def _particles(options: GuideOptions) -> list[str]:
    """Flags of the events' particles."""
    if options.particles == "collisions":
        return ["--pileup", str(options.pileup)]
    if options.particles == "gun":
        return ["--gun", str(options.gun)]
    return ["--set", f"generate.beam.particles={options.beam}", "--set", "generate.beam.divergence=0.001"]
