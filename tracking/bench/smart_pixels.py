"""Smart pixels for trackers: what slices, pitch, thickness, bits and link buy in tracks.

Each sensor and readout has events of its own with the same particles, estimates that are trained for it, and
a run of the whole chain. Only the graph network is the shipped one throughout. For the link the base's events
go through the shipped quantised networks, whose 14 numbers are sent in fewer and fewer bits, and last as
positions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import awkward as ak

from smartpix.io.events import iterate
from smartpix.link.raw import ADDRESS_BITS, COUNT_BITS
from smartpix.schema import REGIONS
from tracking.bench.smart_pixels_options import SmartPixelsOptions
from tracking.metrics import clopper_pearson
from tracking.sequence import Step, run_steps

__all__ = ["BASE", "LEVERS", "LINKS", "smart_pixels_steps", "smart_pixels_study"]

BASE = "base"
EVENTS, TRACKS = "events.root", "tracks"
"""In the folder of a setting."""
LEVERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "slices": {"19": ("--slices", "19"), "2, 19": (), "2, 5, 10, 19": ("--slices", "2", "5", "10", "19")},
    "pitch along r-phi, µm": {"12.5": (), "25": ("--pitch-u", "0.025"), "50": ("--pitch-u", "0.05")},
    "pitch along z, µm": {"25": ("--pitch-v", "0.025"), "50": (), "100": ("--pitch-v", "0.1")},
    "thickness, µm": {"50": ("--thickness", "0.05"), "100": (), "150": ("--thickness", "0.15")},
    "bits of charge": {"2": ("--adc-bits", "2"), "4": (), "8": ("--adc-bits", "8")},
}
"""Flags of the simulation by lever and setting; none: the base, 50 x 12.5 x 100 um, slices 2 and 19, 4
bits.
"""
LINKS: Mapping[str, tuple[str, ...]] = {
    "8 bits a number": ("--set", "estimates=quantised", "--set", "link_bits=8"),
    "6 bits a number": ("--set", "estimates=quantised", "--set", "link_bits=6"),
    "4 bits a number": ("--set", "estimates=quantised", "--set", "link_bits=4"),
    "positions alone": (
        "--set", "estimates=positions", "--set", "graph=window", "--set", "gnn=gnn-window",
    ),
}  # fmt: skip
"""Options of the chain by what the link carries."""
SPLIT = ("--set", "split.mode=off")
"""The networks that count particles know the base's sensor alone."""
N_NUMBERS = 14
RATES = ("edge_efficiency", "reduction", "track_efficiency", "fake_rate", "n_findable", "n_tracks")
RESOLUTIONS = ("resolution_d0_um", "resolution_z0_um", "resolution_qop_rel")


def smart_pixels_steps(folder: Path, options: SmartPixelsOptions) -> dict[str, dict[str, Step]]:
    """Steps by setting, whose names are ``base`` and ``LEVER = SETTING``; those of the base alone are by
    link, too.

    Args:
        folder: that all is written to.
    """
    made = {BASE: _of_sensor(BASE, (), folder, options)}
    for lever, settings in LEVERS.items():
        for label, flags in settings.items():
            if flags:
                name = f"{lever} = {label}"
                made[name] = _of_sensor(name, flags, folder, options)
    events = str(_folder(folder, BASE) / EVENTS)
    for label, flags in LINKS.items():
        name = f"link = {label}"
        run = _folder(folder, name) / TRACKS
        words = ("run", events, *flags, *SPLIT, "--no-figures", "-o", str(run))
        made[name] = {"tracks": Step("tracks", "", words, (run / "summary.json",))}
    return made


def _of_sensor(
    name: str, flags: tuple[str, ...], folder: Path, options: SmartPixelsOptions
) -> dict[str, Step]:
    """Events, training, judgement and run of one sensor and readout."""
    own = _folder(folder, name)
    events, weights, pull, run = own / EVENTS, own / "estimates.safetensors", own / "pull", own / TRACKS
    simulate = (
        "simulate", "events", "--detector", "generic", "--pileup", str(options.pileup),
        "--events", str(options.events), "--seed", str(options.seed), *flags, "-o", str(events),
    )  # fmt: skip
    train = [
        "train", options.estimates, "--detector", str(events), "--crossings", str(options.crossings),
        "--seed", str(options.seed + 1), "-o", str(weights),
    ]  # fmt: skip
    judged, chosen = ["--only", options.estimates], ["--set", f"estimates={options.estimates}"]
    outputs = [weights]
    if options.estimates == "mdn":
        train += ["--epochs", str(options.epochs)]
        outputs = [weights.with_stem(f"{weights.stem}-{region}") for region in REGIONS]
        for region, path in zip(REGIONS, outputs, strict=True):
            judged += [f"--mdn-{region}", str(path)]
            chosen += ["--set", f"mdn_{region}={path}"]
    else:
        judged += ["--shape", str(weights)]
        chosen += ["--set", f"shape={weights}"]
    words = {
        "events": (simulate, (events,)),
        "estimates": (tuple(train), tuple(outputs)),
        "pulls": (("study", "pull", str(events), *judged, "-o", str(pull)), (pull / "pull.json",)),
        "tracks": (
            ("run", str(events), *chosen, *SPLIT, "--no-figures", "-o", str(run)),
            (run / "summary.json",),
        ),
    }
    return {kind: Step(kind, "", command, files) for kind, (command, files) in words.items()}


def _folder(folder: Path, name: str) -> Path:
    """That of a setting; its name has no characters that a shell knows."""
    plain = "".join(c if c.isalnum() or c == "." else "-" for c in name.replace("µ", "u"))
    while "--" in plain:
        plain = plain.replace("--", "-")
    return folder / plain


def smart_pixels_study(
    folder: Path, options: SmartPixelsOptions, report: Callable[[str], object]
) -> dict[str, Any]:
    """Measure all settings; what was measured before with the same options is not measured again.

    Returns:
        ``levers`` by lever and setting, with the base in each, and ``link``. Of each: ``half_width_68`` (68 %
            half widths of the
        estimates in the barrel, x and y in um; not of the link), ``bits_per_cluster`` (pixels with their
        addresses, or 14 numbers; without the place on the module), ``edge_efficiency``, ``reduction``,
        ``track_efficiency`` with ``track_efficiency_interval`` (68 %), ``fake_rate`` and resolutions.
        ``commands``: all of them.

    Raises:
        InputError: a command fails.
    """
    plan = smart_pixels_steps(folder, options)
    found: dict[str, dict[str, Any]] = {}
    for k, (name, of_setting) in enumerate(plan.items()):
        report(f"{name}, {k + 1} of {len(plan)}")
        own = _folder(folder, name)
        own.mkdir(parents=True, exist_ok=True)
        # The link is of the base's events: with others it is measured again.
        about = "" if "events" in of_setting else plan[BASE]["events"].command
        done = run_steps(list(of_setting.values()), own, about, report)
        found[name] = _numbers(done)
        if "events" in of_setting:
            found[name]["bits_per_cluster"] = _pixel_bits(own / EVENTS)
    for label in LINKS:
        bits = label.split()[0]
        if bits.isdigit():
            found[f"link = {label}"]["bits_per_cluster"] = float(N_NUMBERS * int(bits))
    return {
        "options": asdict(options),
        "base": "50 x 12.5 x 100 um, slices 2 and 19, 4 bits",
        "levers": {
            lever: {label: found[f"{lever} = {label}" if flags else BASE] for label, flags in settings.items()}
            for lever, settings in LEVERS.items()
        },
        "link": {"pixels": found[BASE], **{label: found[f"link = {label}"] for label in LINKS}},
        "commands": [step.command for of_setting in plan.values() for step in of_setting.values()],
    }  # fmt: skip


def _numbers(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What is judged of one setting's results."""
    tracks = results["tracks"]
    numbers = {name: tracks[name] for name in (*RATES, *RESOLUTIONS)}
    n = tracks["n_findable"]
    low, high = clopper_pearson(round(tracks["track_efficiency"] * n), n)
    numbers["track_efficiency_interval"] = [float(low), float(high)]
    if "pulls" in results:
        (judged,) = results["pulls"]["barrel"].values()
        numbers["half_width_68"] = judged["half_width_68"]
    return numbers


def _pixel_bits(path: Path) -> float:
    """Mean bits of a cluster's pixels, each with its address and the codes of all slices."""
    pixels = clusters = 0
    bits = 0
    for opened, events in iterate(path):
        readout = opened.header.made_by["options"]["readout"]
        bits = len(opened.header.slices) * readout["adc_bits"]
        of_cluster = ak.flatten(ak.num(events["clusters"]["pixels"], axis=2), axis=None)
        pixels, clusters = pixels + int(ak.sum(of_cluster)), clusters + len(of_cluster)
    return COUNT_BITS + pixels / clusters * (ADDRESS_BITS + bits)
