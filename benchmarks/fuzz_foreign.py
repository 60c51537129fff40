"""Targets of benchmarks/fuzz.py: files of others, and tables of modules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzz_attempts import Attempt, SilentError
from fuzz_changes import (
    Random,
    as_json,
    bytes_changed,
    cells_changed,
    json_changed,
    pick,
    text_changed,
)

from smartpix.convert.formats import ConvertOptions, convert, detect
from smartpix.geometry import read_detector, write_detector
from smartpix.io.events import iterate, open_events
from tests.acts_files import write_acts, write_acts_root
from tests.helpers import embedded_detector, part_of
from tests.smartpix.convert.trackml_files import write_event


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
