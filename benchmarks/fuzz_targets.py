"""What benchmarks/fuzz.py damages and reads: every format, weights, checkpoints, kept parts of runs, options.

A target makes good files once and reads them. For each input it damages a copy and reads that. Our own
formats carry
checksums: what is accepted there must be what was written (else :class:`SilentError`). Where the checksums
are made anew, or a foreign format has none, other content may be right; reading it must not crash, hang or
end in a traceback.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from fuzz_changes import (
    Random,
    arrays_changed,
    as_json,
    bytes_changed,
    cells_changed,
    json_changed,
    options_changed,
    pick,
    text_changed,
)

from smartpix.chip.compress import CompressOptions
from smartpix.chip.options import QuantizedOptions
from smartpix.convert.formats import ConvertOptions, convert, detect
from smartpix.describe import describe_file
from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.shape import ShapeEstimator, TrainShapeOptions
from smartpix.geometry import read_detector, write_detector
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.parquet import read_clusters, write_clusters
from smartpix.io.write import write_events
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights, save_weights
from smartpix.shipped import data_path
from smartpix.simulate.datasets import DatasetOptions
from smartpix.simulate.events import SimulateOptions
from smartpix.simulate.generate import GenerateOptions
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train.options import TrainMdnOptions
from tests.acts_files import write_acts, write_acts_root
from tests.helpers import SENSOR, embedded_detector, one_module_detector, part_of, random_events
from tests.smartpix.convert.test_trackml import write_event
from tests.smartpix.io.test_events import rewritten
from tracking import RunOptions
from tracking.chain import Chain
from tracking.cli.options import read_options, set_option
from tracking.finders.gnn.fused import fuse_network
from tracking.finders.gnn.network import load_network
from tracking.finders.gnn.train import TrainGnnOptions
from tracking.options import from_mapping

__all__ = ["TARGETS", "SilentError", "Target"]

Attempt = Callable[[Random, Path], None]
"""Damage and read one input in an empty folder. Raises InputError where it is refused."""


class SilentError(Exception):
    """Damage went through: what was read is not what was written."""


@dataclass(frozen=True)
class Target:
    """Something that is read.

    Attributes:
        prepare: makes good files in a folder, checks that they are read, and gives the attempt.
        share: how many inputs it gets, relative to others.
    """

    prepare: Callable[[Path], Attempt]
    share: float = 1.0


def same(a: Any, b: Any) -> bool:
    """Whether two things read are the same: arrays by value and type, mappings by their items."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, ak.Array):
        return isinstance(b, ak.Array) and a.type == b.type and bool(ak.array_equal(a, b, equal_nan=True))
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and (a == b or a != a)


def damage_file(path: Path, rng: Random) -> None:
    """Change a file's bytes."""
    path.write_bytes(bytes_changed(path.read_bytes(), rng))


def unless_same(good: Any, read: Callable[[], Any]) -> None:
    """Read; raises SilentError where something else than the good content comes."""
    if not same(good, read()):
        raise SilentError("accepted, with other content")


# Event files


def events_content(path: Path) -> Any:
    """All that an event file holds."""
    opened = open_events(path)
    header = opened.header
    events = [part for _, part in iterate(path, step=2)]
    columns = {n: np.asarray(v) for n, v in header.detector.columns.items()}
    return [
        columns,
        header.field,
        header.slices,
        dict(header.made_by),
        opened.has_truth,
        opened.n_events,
        events,
    ]


def event_file(container: str) -> Callable[[Path], Attempt]:
    """Bytes of an event file."""

    def prepare(folder: Path) -> Attempt:
        path = folder / "events.root"
        header = Header(one_module_detector(), 3.8, (0, 19), {"command": "fuzz"})
        write_events(path, header, [random_events(1, [6, 3])], container)  # type: ignore[arg-type]
        good = events_content(path)

        def attempt(rng: Random, folder: Path) -> None:
            shutil.copy(path, folder)
            damage_file(folder / path.name, rng)
            unless_same(good, lambda: events_content(folder / path.name))

        return attempt

    return prepare


def event_branches(folder: Path) -> Attempt:
    """Branches of an event file that somebody else writes: missing, of other types, with other numbers."""
    path = folder / "events.root"
    write_events(
        path,
        Header(one_module_detector(), 3.8, (0, 19), {"command": "fuzz"}),
        [random_events(1, [6, 3])],
        "ttree",
    )
    kinds = ("float32", "float64", "int8", "int64", "uint64", "bool")

    def change(branches: dict[str, Any], rng: Random) -> dict[str, Any]:
        name = pick(rng, sorted(branches))
        values = branches[name]
        kind = int(rng.integers(5))
        if kind == 0:
            return {n: v for n, v in branches.items() if n != name}
        if kind == 1:
            with np.errstate(all="ignore"):
                return branches | {name: ak.values_astype(values, pick(rng, kinds))}
        if kind == 2:
            flat = values.ndim == 1
            return branches | {name: ak.unflatten(values, 1) if flat else ak.fill_none(ak.firsts(values), 0)}
        if kind == 3 and values.ndim > 1:
            return branches | {name: values[:, :-1]}
        numbers = np.array(ak.to_numpy(ak.flatten(values, axis=None)))
        with np.errstate(all="ignore"):
            value = np.float64(pick(rng, (0, 1, -1, 1e-30, 1e9, 1e30, np.nan, np.inf, 2**31, 2**53))).astype(
                numbers.dtype
            )
        if len(numbers):
            numbers[int(rng.integers(len(numbers)))] = value
        return branches | {
            name: ak.unflatten(numbers, ak.num(values)) if values.ndim > 1 else ak.Array(numbers)
        }

    def attempt(rng: Random, folder: Path) -> None:
        shutil.copy(path, folder)
        metadata = (lambda m: json_changed(m, rng)) if rng.random() < 0.3 else None
        changed = rewritten(
            folder / path.name, (lambda b: b) if metadata else (lambda b: change(b, rng)), metadata
        )
        describe_file(changed)

    return attempt


# Clusters of data sets


def cluster_set(rng: Random, n: int = 12) -> ClusterSet:
    """Clusters of random numbers."""
    charge = (rng.random((n, 2, 13, 21)) < 0.05) * rng.uniform(300, 9000, (n, 2, 13, 21))
    direction = rng.normal(0, 0.3, (n, 2))
    labels = {
        "x-midplane": rng.uniform(-20, 20, n), "y-midplane": rng.uniform(-5, 5, n), "cotAlpha": direction[:,
        0],
        "cotBeta": direction[:, 1],
    }  # fmt: skip
    return ClusterSet(charge.astype(np.float32), labels, (0, 19))


def clusters_content(path: Path) -> Any:
    """All that a table of clusters holds."""
    read = read_clusters(path)
    return [
        read.charge,
        dict(read.labels),
        list(read.slices),
        {k: v for k, v in describe_file(path).items() if k != "file"},
    ]


def clusters(folder: Path) -> Attempt:
    """Bytes of a parquet table."""
    path = folder / "clusters.parquet"
    write_clusters(path, cluster_set(np.random.default_rng(1)), {"command": "fuzz"}, SENSOR)
    good = clusters_content(path)

    def attempt(rng: Random, folder: Path) -> None:
        shutil.copy(path, folder)
        damage_file(folder / path.name, rng)
        unless_same(good, lambda: clusters_content(folder / path.name))

    return attempt


# Weights


def use_weights(path: Path, architecture: str) -> Any:
    """Load weights as the part of the chain does that they were made for, and use them once; gives their
    content.
    """
    describe_file(path)
    if architecture.startswith("interaction"):
        fuse_network(load_network(str(path), "cone"))
    elif architecture.startswith("shape"):
        ShapeEstimator.load(str(path))
    else:
        network = MdnNetwork.load(str(path))
        images = cluster_set(np.random.default_rng(2), 3).charge
        network.predict_images(images)
    arrays, description = load_weights(path, architecture)
    return [dict(sorted(arrays.items())), description]


SHIPPED = (
    "mdn-barrel",
    "fixed-barrel",
    "gnn",
    "shape-50x12.5x100",
    "mdn-2s-conv-2t-chip",
    "mdn-2s-mlp-2t-2bit",
)


def copied_weights(name: str, folder: Path) -> Path:
    """A copy of shipped weights, with their JSON."""
    for ending in ("safetensors", "json"):
        shutil.copy(data_path(f"weights/{name}.{ending}"), folder / f"weights.{ending}")
    return folder / "weights.safetensors"


def architecture_of(path: Path) -> str:
    """What good weights are of."""
    return str(json.loads(path.with_suffix(".json").read_bytes())["architecture"])


def weights_bytes(folder: Path) -> Attempt:
    """Bytes of weights or of their JSON."""
    good = {}
    for name in SHIPPED:
        path = copied_weights(name, folder)
        architecture = architecture_of(path)
        good[name] = architecture, use_weights(path, architecture)

    def attempt(rng: Random, folder: Path) -> None:
        name = pick(rng, SHIPPED)
        path = copied_weights(name, folder)
        if rng.random() < 0.5:
            damage_file(path, rng)
        else:
            beside = path.with_suffix(".json")
            beside.write_bytes(text_changed(beside.read_bytes(), rng))
        architecture, content = good[name]
        unless_same(content, lambda: use_weights(path, architecture))

    return attempt


def weights_content(folder: Path) -> Attempt:
    """Arrays and descriptions that somebody changed and saved again, with checksums that fit."""
    loaded = {}
    for name in SHIPPED:
        path = copied_weights(name, folder)
        loaded[name] = architecture_of(path), *load_weights(path, architecture_of(path))

    def attempt(rng: Random, folder: Path) -> None:
        architecture, arrays, description = loaded[pick(rng, SHIPPED)]
        if rng.random() < 0.5:
            arrays = arrays_changed(arrays, rng)
        else:
            description = json_changed(description, rng)
        path = folder / "weights.safetensors"
        save_weights(path, arrays, description if isinstance(description, dict) else {})
        if not isinstance(description, dict):
            path.with_suffix(".json").write_bytes(as_json(description))
        use_weights(path, architecture)

    return attempt


def checkpoint(folder: Path) -> Attempt:
    """Bytes of the checkpoint of a training."""
    import torch

    from smartpix.train.checkpoint import resume, save_checkpoint

    def fresh() -> tuple[Any, Any]:
        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))
        return model, torch.optim.Adam(model.parameters(), 1e-3)

    made_with = {"options": {"epochs": 3, "rate": 0.1}, "data": "abc"}
    model, optimizer = fresh()
    model(torch.ones(3, 4)).sum().backward()
    optimizer.step()
    path = folder / "a.checkpoint"
    save_checkpoint(path, made_with, 2, model, optimizer, {"history": [1.0, 2.0]})

    def content(path: Path) -> Any:
        model, optimizer = fresh()
        more: dict[str, Any] = {}
        epoch = resume(path, made_with, model, optimizer, more)
        state = optimizer.state_dict()
        moments = {f"{k}.{n}": np.array(v) for k, own in state["state"].items() for n, v in own.items()}
        return [
            epoch,
            more,
            {k: v.numpy() for k, v in model.state_dict().items()},
            moments,
            state["param_groups"],
        ]

    good = content(path)

    def attempt(rng: Random, folder: Path) -> None:
        shutil.copy(path, folder)
        damage_file(folder / path.name, rng)
        unless_same(good, lambda: content(folder / path.name))

    return attempt


# Files of others


def converted(source: Path, output: Path, field: float | None) -> None:
    """Convert and read back; nothing is left of what fails."""
    try:
        convert(detect(source), output, ConvertOptions(field=field))
    except BaseException:
        if output.exists():
            raise SilentError("a file is left of a conversion that failed") from None
        raise
    list(iterate(output))


def folder_of(
    made: Path, names: list[str], field: float | None, change: Callable[[bytes, Random], bytes]
) -> Attempt:
    """One file of a folder damaged."""
    converted(made, made.parent / "good.root", field)

    def attempt(rng: Random, folder: Path) -> None:
        copy = folder / "copy"
        shutil.copytree(made, copy)
        path = copy / pick(rng, names)
        path.write_bytes(change(path.read_bytes(), rng))
        converted(copy, folder / "e.root", field)

    return attempt


def cells_or_bytes(content: bytes, rng: Random) -> bytes:
    """Mostly the table, sometimes its bytes."""
    return cells_changed(content, rng) if rng.random() < 0.7 else bytes_changed(content, rng)


def trackml(folder: Path) -> Attempt:
    """TrackML's tables."""
    made = write_event(folder / "trackml")
    return folder_of(made, sorted(p.name for p in made.glob("*.csv")), None, cells_or_bytes)


def acts_small(folder: Path) -> Path:
    """One ACTS event, with the modules that it has hits on alone."""
    write_acts(folder / "whole", n_events=1, n_particles=6)
    made = folder / "acts"
    made.mkdir()
    for path in [folder / "whole" / "digi.json", *(folder / "whole").glob("event000000000-*.csv")]:
        shutil.copy(path, made)
    used = {
        line.split(",")[1]
        for line in (made / "event000000000-measurements.csv").read_text(encoding="utf-8").splitlines()[1:]
    }
    head, *lines = (folder / "whole" / "detectors.csv").read_text(encoding="utf-8").splitlines()
    text = "\n".join([head, *(line for line in lines if line.split(",")[0] in used)]) + "\n"
    (made / "detectors.csv").write_text(text, encoding="utf-8")
    return made


def acts_csv(folder: Path) -> Attempt:
    """ACTS's tables."""
    tables = ("measurements", "cells", "hits", "measurement-simhit-map", "particles_simulated")
    return folder_of(
        acts_small(folder), ["detectors.csv", *(f"event000000000-{t}.csv" for t in tables)], 3.8,
        cells_or_bytes
    )  # fmt: skip


def acts_digitisation(folder: Path) -> Attempt:
    """ACTS's JSON of the pixels."""
    return folder_of(acts_small(folder), ["digi.json"], 3.8, lambda c,
    rng: as_json(json_changed(json.loads(c), rng))
                     if rng.random() < 0.6 else text_changed(c, rng))  # fmt: skip


def acts_root(folder: Path) -> Attempt:
    """ACTS's ROOT files."""
    csv = acts_small(folder)
    made = write_acts_root(csv, folder / "root", "clusters")
    converted(csv, folder / "e.root", 3.8)
    write_detector(open_events(folder / "e.root").header.detector, made / "detectors.csv")
    return folder_of(
        made, [f"{t}.root" for t in ("measurements", "clusters", "hits", "particles")], 3.8, bytes_changed
    )


def detector_table(folder: Path) -> Attempt:
    """A table of modules, and the search that is set up for it."""
    from seeding.table import layer_grid
    from smartpix.layers import layer_pairs

    path = folder / "detector.csv"
    write_detector(part_of(embedded_detector(), np.arange(0, 4004, 190)), path)

    def attempt(rng: Random, folder: Path) -> None:
        content = path.read_bytes().replace(b'"', b"")
        (folder / path.name).write_bytes(cells_or_bytes(content, rng))
        detector = read_detector(folder / path.name)
        layer_pairs(detector)
        layer_grid(detector)

    return attempt


# Options


def wedge() -> tuple[Header, ak.Array]:
    """A small event: the first of the sample, a sixteenth of its azimuth."""
    path = data_path("sample.root")
    _, events = next(iterate(path, step=1, stop=1))
    clusters = events["clusters"]
    near = np.abs(np.arctan2(clusters["y"], clusters["x"])) < np.pi / 16
    return open_events(path).header, ak.with_field(events, clusters[near], "clusters")


def run_options(folder: Path) -> Attempt:
    """Options of a run; where they are accepted, the chain runs with them."""
    header, events = wedge()
    clusters = events["clusters"][0]
    Chain.for_header(header, RunOptions()).event(1, clusters)

    def attempt(rng: Random, folder: Path) -> None:
        # threads by the thousand are the system's to refuse, not ours.
        values = {k: v for k, v in options_changed(RunOptions, rng).items() if k != "threads"}
        options = from_mapping(RunOptions(), values, "options")
        with redirect_stderr(StringIO()):
            Chain.for_header(header, options).event(1, clusters)

    return attempt


def options_of_commands(folder: Path) -> Attempt:
    """Options of simulation, training and conversion: construction alone."""
    kinds = (
        CompressOptions, ConvertOptions, DatasetOptions, GenerateOptions, NetworkOptions, QuantizedOptions,
        ReadoutOptions,
        SimulateOptions, TrainGnnOptions, TrainMdnOptions, TrainShapeOptions,
    )  # fmt: skip

    def attempt(rng: Random, folder: Path) -> None:
        kind = pick(rng, kinds)
        from_mapping(kind(), options_changed(kind, rng), "options")

    return attempt


def options_text(folder: Path) -> Attempt:
    """Files of options and ``--set``."""
    text = (
        b'estimates = "mdn"\nthreads = 1\nwrite = ["tracks.csv"]\n\n[cone]\nquantile = 0.999\nmin_pt = 0.5\n\n'
        b"[build]\nmin_hits = 3\n"
    )

    def attempt(rng: Random, folder: Path) -> None:
        path = folder / "options.toml"
        path.write_bytes(text_changed(text, rng))
        values = read_options(path)
        name = pick(
            rng, ("cone.quantile", "cone", "threads", "a.b.c", "", ".", "write", "cone.cone", "quantile")
        )
        set_option(
            values,
            f"{name}{pick(rng, ('=', '=', '', '=='))}{text_changed(b'[1, 2]', rng).decode(errors='replace')}",
        )
        from_mapping(RunOptions(), values, str(path))

    return attempt


def kept_parts(folder: Path) -> Attempt:
    """Bytes of the finished parts of a run that was stopped."""
    from tracking.runs.part import packed, unpacked
    from tracking.runs.sources import Sources
    from tracking.runs.units import plan_units, run_unit

    path = folder / "e.root"
    header, events = wedge()
    write_events(path, header, [events], "ttree")
    chain = Chain.for_header(
        header, replace(RunOptions(), write=("edges.root", "tracks.parquet", "tracks.csv"))
    )
    opened = open_events(path)
    with Sources() as sources:
        content = packed(run_unit(chain, plan_units([opened], 10)[0], sources))

    def attempt(rng: Random, folder: Path) -> None:
        changed = bytes_changed(content, rng)
        try:
            part = unpacked(changed)
        except ValueError as error:
            from smartpix.schema import InputError

            raise InputError(str(error)) from error
        if packed(part) != content:
            raise SilentError("a part is accepted, with other content")

    return attempt


TARGETS: dict[str, Target] = {
    "events-ttree": Target(event_file("ttree"), 3),
    "events-rntuple": Target(event_file("rntuple"), 2),
    "event-branches": Target(event_branches, 1),
    "clusters": Target(clusters, 2),
    "weights-bytes": Target(weights_bytes, 2),
    "weights-content": Target(weights_content, 2),
    "checkpoint": Target(checkpoint, 1),
    "parts": Target(kept_parts, 1),
    "trackml": Target(trackml, 2),
    "acts-csv": Target(acts_csv, 1),
    "acts-digitisation": Target(acts_digitisation, 0.5),
    "acts-root": Target(acts_root, 1),
    "detector": Target(detector_table, 2),
    "run-options": Target(run_options, 2),
    "other-options": Target(options_of_commands, 2),
    "options-text": Target(options_text, 2),
}
