"""Targets of benchmarks/fuzz.py: options of all commands, and kept parts of runs."""

from __future__ import annotations

from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path

import awkward as ak
import numpy as np
from fuzz_attempts import Attempt, SilentError
from fuzz_changes import (
    Random,
    bytes_changed,
    options_changed,
    pick,
    text_changed,
)

from smartpix.chip.compress import CompressOptions
from smartpix.chip.options import QuantizedOptions
from smartpix.convert.formats import ConvertOptions
from smartpix.estimate.shape import TrainShapeOptions
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.write import write_events
from smartpix.networks.options import NetworkOptions
from smartpix.shipped import data_path
from smartpix.simulate.datasets import DatasetOptions
from smartpix.simulate.events import SimulateOptions
from smartpix.simulate.options import GenerateOptions
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train.options import TrainMdnOptions
from tracking import RunOptions
from tracking.chain import Chain
from tracking.cli.options import read_options, set_option
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.options import from_mapping


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
