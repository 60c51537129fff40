"""Targets of benchmarks/fuzz.py: our own files, of events, clusters, weights and checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from fuzz_attempts import Attempt, damage_file, unless_same
from fuzz_changes import (
    Random,
    arrays_changed,
    as_json,
    json_changed,
    pick,
    text_changed,
)

from smartpix.describe import describe_file
from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.shape import ShapeEstimator
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.parquet import read_clusters, write_clusters
from smartpix.io.write import write_events
from smartpix.networks.weights import load_weights, save_weights
from smartpix.shipped import data_path
from tests.helpers import SENSOR, one_module_detector, random_events
from tests.smartpix.io.event_files import rewritten
from tracking.finders.gnn.fused import fuse_network
from tracking.finders.gnn.network import load_network


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
        moments = {f"{k}.{n}": np.array(v) for k, moment in state["state"].items() for n, v in moment.items()}
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
