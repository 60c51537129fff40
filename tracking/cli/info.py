"""``smartpix info``: what a file, a run, weights or a detector hold, in a few lines."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from smartpix.shipped import data_path
from tracking.cli.detector import NAMES
from tracking.cli.output import json_flag
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show

__all__ = ["add_info", "weights_lines"]

MOST = 90
"""Characters of a value that are shown."""
FEW = 6
"""Options and metrics that are shown."""


def add_info(commands: Any) -> None:
    """Add ``info`` to the commands."""
    info = commands.add_parser("info", help="what a file, a run, weights or a detector hold", description=(
        "Show in a few lines what an event file (ROOT) holds, clusters in the layout of the public data sets "
        "(parquet, a file or a folder), weights (safetensors, or shipped ones by name), the folder of a run, or a "
        "detector (by name, or its table). --json prints all there is."
    ))  # fmt: skip
    file: Any = info.add_argument(
        "file",
        type=named_path,
        nargs="?",
        metavar="FILE|NAME",
        help="a file, a run's folder, weights or a detector by name; default: the embedded sample",
    )
    # For shells, beside files.
    file.values = (*NAMES, *sorted(path.stem for path in data_path("weights").glob("*.safetensors")))
    json_flag(info)
    info.set_defaults(command_function=_info)


def _info(options: argparse.Namespace) -> None:
    file = options.file or data_path("sample.root")
    kind, found = _described(file)
    lines = dict(LINES[kind](found))
    width = max(map(len, lines))
    text = "\n".join(f"{name:{width}s}  {value}" for name, value in lines.items())
    print_or_show(options, found, text)


def _described(path: Path) -> tuple[str, dict[str, Any]]:
    """The kind of what a path or name stands for, and all that is known of it.

    Raises:
        InputError: it is nothing of what there is.
    """
    from smartpix.describe import describe_file

    if path.is_dir() and (path / "summary.json").is_file():
        from tracking.runs.compare import read_summary

        return "run", read_summary(path)[1]
    if (str(path) in NAMES and not path.exists()) or path.name.endswith((".csv", ".csv.gz", ".toml", ".xml")):
        return "detector", _detector(str(path))
    found = describe_file(path)
    kinds = {"safetensors": "weights", "parquet": "clusters"}
    return kinds.get(found["container"], "events"), found


def _detector(name: str) -> dict[str, Any]:
    from smartpix.layouts.named import named_detector

    made = named_detector(name, {})
    detector = made.detector
    layers = detector.layers
    return {
        "name": made.name, "n_modules": len(detector), "layers": [layers.name(k) for k in range(len(layers))],
        "pitch_mm": _pairs(detector.pitch_x, detector.pitch_y), "field": made.field,
        "thickness_mm": sorted({round(float(t), 6) for t in detector.thickness}),
    }  # fmt: skip


def _pairs(first: Any, second: Any) -> list[list[float]]:
    pairs = {(round(float(a), 6), round(float(b), 6)) for a, b in zip(first, second, strict=True)}
    return [list(pair) for pair in sorted(pairs)]


def _detector_lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "detector", str(found["name"])
    yield "modules", f"{found['n_modules']:,} on {len(found['layers'])} layers"
    yield "layers", _short(", ".join(found["layers"]))
    yield from _sensor_lines(found)
    yield (
        "more",
        f"smartpix detector {found['name']}: which layer follows which, modules that collide, material",
    )


def _sensor_lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    pitches = ", ".join(f"{1e3 * x:g} x {1e3 * y:g}" for x, y in found["pitch_mm"])
    thickness = ", ".join(f"{1e3 * t:g}" for t in found["thickness_mm"])
    yield "sensor", _short(f"pixels of {pitches} µm; {thickness} µm thick")


def _event_lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    per = max(found["n_events"], 1)
    yield "file", f"{found['file']} ({found['container']}, checksums {found['checksums']})"
    yield "events", f"{found['n_events']:,}"
    yield (
        "clusters",
        f"{found['n_clusters']:,}, {found['n_clusters'] / per:,.0f} an event; {found['n_pixels']:,} pixels; "
        f"{found['n_truncated']:,} reach beyond the window",
    )
    yield "truth", f"yes, {found['n_particles']:,} particles" if found["truth"] else "no"
    yield (
        "detector",
        f"{found['n_modules']:,} modules on {len(found['layers'])} layers, {found['field_T']:g} T",
    )
    yield from _sensor_lines(found)
    yield "slices", ", ".join(map(str, found["slices"]))
    beam = found["beam_spot"]
    yield (
        "beam",
        f"at ({beam['x']:g}, {beam['y']:g}, {beam['z']:g}) mm, widths {beam['sigma_x']:g}, {beam['sigma_y']:g}, "
        f"{beam['sigma_z']:g} mm",
    )
    yield "made by", _made_by(found["made_by"])
    yield "versions", _versions(found["provenance"])


def _cluster_lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        if not isinstance(value, Mapping):
            yield name.replace("_", " "), _short(_plain(value))
        elif name in ("made_by", "data"):
            yield name.replace("_", " "), _made_by(value)
        elif name == "provenance":
            yield "versions", _versions(value)
        else:
            yield name.replace("_", " "), _values(value)


def weights_lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values of ten lines at the most: what network it is, what it was trained on, how good it
    is.
    """
    yield "weights", str(found["file"])
    network = found.get("network", {})
    kind = f", {network['kind']}" if "kind" in network else ""
    parameters = (found.get("metrics") or {}).get("parameters")
    counted = f", {parameters:,} parameters" if isinstance(parameters, int) else ""
    yield "network", f"{found['architecture']}{kind}{counted}, {found['n_values']:,} stored values"
    if "sensor" in found:
        yield "for", _short(_conditions(found))
    yield "options", _options_line(found.get("options", {}))
    if "calibrated_on" in found:
        yield "calibrated on", _made_by(found["calibrated_on"])
    data = found.get("data") or []
    data = [data] if isinstance(data, Mapping) else data
    # More files than one line holds: all of their seeds.
    seeds = ", ".join(dict.fromkeys(str(part["seed"]) for part in data if "seed" in part))
    if data:
        events = sum(part.get("events", part.get("n", 0)) for part in data)
        counted = "events" if any("events" in part for part in data) else "clusters"
        command = data[0].get("command", "data")
        yield "data", f"{command}, {events:,} {counted}, seeds {seeds}" if seeds else command
    yield "metrics", _values(found.get("metrics") or {})
    yield "commit", str(found.get("commit", "not told"))
    yield "versions", _versions(found.get("provenance"))
    yield "more", "--json prints all: calibration, history, every option"


def _conditions(found: Mapping[str, Any]) -> str:
    """Region, sensor and slices that weights are for; those of cluster shapes are for both regions."""
    sensor = found["sensor"]
    by_region = sensor if "pitch_x" not in sensor else {found.get("region", "any region"): sensor}
    sensors = [
        f"{region}: {1e3 * of['pitch_x']:g} x {1e3 * of['pitch_y']:g} x {1e3 * of['thickness']:g} µm"
        for region, of in by_region.items()
    ]
    slices = [f"slices {', '.join(map(str, found['slices']))}"] if "slices" in found else []
    return "; ".join([*sensors, *slices])


def _options_line(options: Mapping[str, Any]) -> str:
    """Those that say how the network was made, of the ones that there are."""
    names = (
        "hidden",
        "passes",
        "blocks",
        "epochs",
        "batch_size",
        "learning_rate",
        "seed",
        "estimates",
        "graph",
    )
    chosen = [
        f"{name} {_plain(options[name])}"
        for name in names
        if name in options and options[name] not in (0, "")
    ]
    return _short(", ".join(chosen)) or "none"


def _run_lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run of", _short(", ".join(found["files"]))
    yield (
        "events",
        f"{found['n_events']:,}" + (f"; {len(found['failed'])} files left out" if found["failed"] else ""),
    )
    per = max(found["n_events"], 1)
    yield (
        "an event",
        f"{found['n_hits'] / per:,.0f} hits, {found['n_edges'] / per:,.0f} edges, "
        + (f"{found['n_tracks'] / per:,.1f} tracks, {found['n_vertices'] / per:,.1f} vertices"),
    )
    for name in ("track_efficiency", "fake_rate", "duplicate_rate"):
        if found.get(name) is not None:
            from tracking.show.numbers import shown

            yield name.replace("_", " "), shown(found[name], found.get("interval", {}).get(name))
    changed = _changed_options(found.get("options", {}))
    yield "options", _short(", ".join(f"{name}={value}" for name, value in changed.items())) or "the defaults"
    yield "written", _short(", ".join(found.get("written", [])))
    yield "versions", _versions(found.get("provenance"))


def _changed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a run that are not the defaults, by full name."""
    import json
    from dataclasses import asdict

    from tracking.options import RunOptions, flat

    # As they are read back: tuples are lists there.
    defaults = dict(flat(json.loads(json.dumps(asdict(RunOptions())))))
    return {name: value for name, value in flat(options) if value != defaults.get(name)}


def _made_by(made_by: Mapping[str, Any]) -> str:
    if not made_by:
        return "not told"
    generate = (
        made_by.get("options", {}).get("generate", {}) if isinstance(made_by.get("options"), Mapping) else {}
    )
    told = [
        f"{name} {generate[name]}" for name in ("pileup", "jets", "gun", "displaced") if generate.get(name)
    ]
    told += [f"{name} {made_by[name]}" for name in ("events", "n", "type", "seed") if name in made_by]
    return _short(", ".join([str(made_by.get("command", made_by.get("format", "not told"))), *told]))


def _versions(provenance: Any) -> str:
    versions = (provenance or {}).get("versions", {})
    return (
        ", ".join(f"{n} {versions[n]}" for n in ("smartpix", "torch", "numpy") if n in versions) or "not told"
    )


def _values(values: Mapping[str, Any]) -> str:
    """The first numbers and texts of a mapping, by full name, but for how many there were of something."""
    from tracking.options import flat

    told = [
        f"{name} {_plain(value)}"
        for name, value in flat(values)
        if isinstance(value, (int, float, str)) and not re.search(r"(^|\.)n(_|$)", name)
    ]
    return _short(", ".join(told[:FEW])) or "none"


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= MOST else f"{text[: MOST - 4]} ..."


LINES = {
    "weights": weights_lines, "events": _event_lines, "clusters": _cluster_lines, "run": _run_lines,
    "detector": _detector_lines,
}  # fmt: skip
"""What is shown, by kind."""
