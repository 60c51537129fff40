"""A run: files to tracks, summary and figures, in this process or on the workers of dask.distributed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from smartpix.convert.formats import Found, detect
from smartpix.files import check_writable, sha256_of, store_text, writing
from smartpix.io.events import EventFile, event_numbers
from smartpix.schema import InputError
from smartpix.staging import staging
from tracking.chain import Chain, EventResult, open_inputs
from tracking.inputs import check_folder, expand, none_usable
from tracking.metrics import EventTruth
from tracking.options import RunOptions
from tracking.runs.advice import advice
from tracking.runs.join import check_events, check_hits, join_tracks, joined_names
from tracking.runs.outputs import csv_name, output_writer
from tracking.runs.progress import progress_bar
from tracking.runs.results import SUMMARY, TIMES, check_in_the_way, old_results, signed, written_before
from tracking.runs.totals import Totals
from tracking.runs.unfinished import (
    WRITTEN,
    Parts,
    alone_in,
    begin,
    clear,
    load_part,
    made_with,
    store_part,
    store_written,
)
from tracking.runs.units import Unit, plan_units, run_events, run_here
from tracking.runs.workers import run_on

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["EVENTS_PER_UNIT", "run"]

log = logging.getLogger(__name__)

EVENTS_PER_UNIT = 10
N_STUDY = 3
"""Events of the cone study."""
UNFINISHED = "unfinished"


def run(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: RunOptions | None = None,
    client: Client | None = None,
    figures: bool = True,
    events_per_unit: int = EVENTS_PER_UNIT,
    join: str | Path | None = None,
) -> dict[str, Any]:
    """Run the chain on event files and write ``tracks.root``, ``summary.json``, ``times.json`` and figures
    into a folder.

    The work is done in units of some events and merged in their order, so that the results do not depend on
    who did it, but for the times. Every finished unit is kept in ``output/unfinished``: the same call after
    an interruption does only the rest. A file that cannot be used, or is damaged in the middle, is left out
    whole and named in the summary; what is done of the others is kept then, so that the same call does only
    the repaired file. Results of an earlier run into the folder are replaced or removed; nothing else in it
    is, and nothing is run where it has the name of a result.

    Args:
        files: paths or patterns (``"pu200-*.root"``).
        output: folder, made if it is not there.
        options: None: the defaults.
        client: of dask.distributed; its workers do the work, need smartpix and see the files under the same
            paths. None: this process does.
        figures: whether to draw them.
        events_per_unit: events that are run, sent and kept together.
        join: what the files were converted from: the results are also written per hit of it
            (:mod:`tracking.runs.join`).

    Returns:
        The summary: ``files`` that are in the results, ``failed`` (what is wrong, by path), ``warnings``, the
        names of the files ``written`` into the folder, and the numbers of docs/numbers.md.

    Raises:
        InputError: options that cannot be used, files of different detectors, no usable file, event numbers
            that repeat where ``join`` or ``tracks.csv`` know events by them, events or hits that ``join``
            does not have or has elsewhere, an unfinished run with other options in the folder, another run
            that is writing into it, or a file there that has the name of a result and is none, or was changed
            since.
    """
    options = RunOptions() if options is None else options
    if not isinstance(options, RunOptions):
        raise InputError(f"run: options must be RunOptions(...) and are {options!r}")
    if isinstance(client, str):
        raise InputError(
            f"run: client must be one of dask.distributed and is '{client}'; give Client('{client}')"
        )
    original = None if join is None else detect(join)
    opened, failed = open_inputs(expand(files))
    numbers: list[int] = []
    if original is not None or "tracks.csv" in options.write:
        numbers = _numbers(opened)
        if original is not None:
            check_events(numbers, original)
            for file in opened:
                check_hits(file, original)
    units = plan_units(opened, events_per_unit)
    chain = Chain.for_header(opened[0].header, options)
    output = _folder(output)
    for reason in failed.values():
        log.error("left out: %s", reason)
    names = {str(file.path.absolute()): str(file.path) for file in opened}
    with alone_in(output):
        unfinished = output / UNFINISHED
        before = written_before(output / SUMMARY, output / TIMES, unfinished / WRITTEN)
        check_in_the_way(output, _names(options, figures, opened[0].has_truth, numbers, original), before)
        parts = begin(unfinished, made_with(options, events_per_unit))
        todo = [unit for unit in units if load_part(parts, unit) is None]
        if len(todo) < len(units):
            log.info("%d of %d units are done already, in %s", len(units) - len(todo), len(units), unfinished)
        # Those of a file that failed are not begun any more.
        wanted = (unit for unit in todo if names[unit.path] not in failed)
        outcomes = run_here(chain, wanted) if client is None else run_on(client, chain, wanted)
        try:
            with progress_bar("tracking", sum(map(len, units))) as step:
                step(sum(map(len, units)) - sum(map(len, todo)))
                for unit, outcome in outcomes:
                    name = names[unit.path]
                    if not isinstance(outcome, InputError):
                        store_part(parts, unit, outcome)
                    elif name not in failed:
                        # Units go by absolute paths; people by those that they gave.
                        failed[name] = str(outcome).replace(unit.path, name, 1)
                        if len(names) > 1:
                            log.error("left out: %s", failed[name])
                    step(len(unit))
        except KeyboardInterrupt:
            log.info("what is done is kept in %s; the same command goes on from there", unfinished)
            raise
        used = [unit for unit in units if names[unit.path] not in failed]
        files_used = [name for name in names.values() if name not in failed]
        if not files_used:
            raise none_usable(failed)
        summary = _write(
            output, before, parts, chain, used, files_used, failed, opened[0].has_truth, figures, original
        )
        if not failed:
            clear(unfinished)
        return summary


def _numbers(files: Sequence[EventFile]) -> list[int]:
    """Numbers of all events, each there once."""
    seen: dict[int, Path] = {}
    for file in files:
        try:
            numbers = event_numbers(file.path).tolist()
        except InputError:
            # It is left out, with the reason, when it is run.
            continue
        for number in numbers:
            if number in seen:
                where = "there twice" if seen[number] == file.path else f"in {seen[number]} too"
                raise InputError(
                    f"{file.path}: event {number} is {where}, and --join and tracks.csv know events by their "
                    f"number alone; "
                    "run the files one by one, into folders of their own, or without these"
                )
            seen[number] = file.path
    return list(seen)


def _names(
    options: RunOptions, figures: bool, has_truth: bool, numbers: Sequence[int], original: Found | None
) -> set[str]:
    """Names of the files that a run can write."""
    names = {"tracks.root", SUMMARY, TIMES, *options.write} - {"tracks.csv"}
    if "tracks.csv" in options.write:
        names.update(map(csv_name, numbers))
    if figures:
        from tracking.runs.figures import FIGURES, FIGURES_OF_TRUTH

        names.update(FIGURES, FIGURES_OF_TRUTH if has_truth else ())
    if original is not None:
        names.update(joined_names(original, numbers))
    return names


def _folder(output: str | Path) -> Path:
    output = Path(output)
    check_folder(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{output}: the folder cannot be made ({error.strerror}); give another with -o"
        ) from error
    check_writable(output / SUMMARY)
    return output


def _write(
    output: Path, before: Mapping[str, set[str]], parts: Parts, chain: Chain, units: Sequence[Unit],
    files: list[str],
    failed: dict[str, str], has_truth: bool, figures: bool, original: Found | None,
) -> dict[str, Any]:  # fmt: skip
    """Merge the parts of the units in their order and write the results; gives the summary."""
    options = asdict(chain.options)
    totals = Totals(truth=has_truth)
    number = {str(Path(name).absolute()): k for k, name in enumerate(files)}
    shown: tuple[Unit, int] | None = None
    has_tracks = False
    # Everything is written beside and moved at the end, so that results of two runs never mix.
    with writing(output / SUMMARY), staging(output) as folder:
        beside = folder / "results"
        beside.mkdir()
        metadata = {"files": files, "options": options}
        with output_writer(beside, chain.options.write, has_truth, metadata) as write:
            for unit in units:
                part = load_part(parts, unit)
                if part is None:
                    raise InputError(
                        f"{parts.folder}: was changed while the run went on; the same command does the rest "
                        f"anew"
                    )
                totals.merge(part.totals)
                write(part.outputs, number[unit.path])
                if not has_tracks:
                    filled = np.flatnonzero(ak.num(part.outputs["tracks.root"]["track"]))
                    has_tracks = len(filled) > 0
                    shown = unit, int(filled[0]) if has_tracks else len(unit) - 1
        summary = {"files": files, "failed": failed, **totals.summary()}
        if original is not None:
            summary["joined"] = join_tracks(beside / "tracks.root", original, beside)
        new = advice(summary, chain.options, len(chain.header.detector.layers))
        for line in new:
            log.warning(line)
        summary["warnings"] = [*chain.warnings, *new]
        if figures:
            _draw(beside, chain, totals, units, shown)
        sums = {path.name: sha256_of(path) for path in sorted(beside.iterdir())}
        # Either of the two tells the next run what is ours, should the other be moved away.
        store_text(beside / TIMES, signed(TIMES, {"ms_per_event": summary["ms_per_event"], "sha256": sums}))
        results = sorted(beside.iterdir())
        summary["written"] = sorted([*(path.name for path in results), SUMMARY])
        # Without the times, so that the same command gives the same bytes.
        told = {name: value for name, value in summary.items() if name != "ms_per_event"} | {
            "options": options
        }
        told["sha256"] = sums
        store_text(beside / SUMMARY, signed(SUMMARY, told))
        # What came into the way while the run went on; its parts are kept.
        check_in_the_way(output, summary["written"], before)
        store_written(parts, {name: sha256_of(beside / name) for name in summary["written"]})
        for path in results:
            path.replace(output / path.name)
        for name in old_results(output, before) - set(summary["written"]):
            (output / name).unlink()
        # Last, since the old one knows the old files.
        (beside / SUMMARY).replace(output / SUMMARY)
    return summary


def _draw(
    folder: Path, chain: Chain, totals: Totals, units: Sequence[Unit], shown: tuple[Unit, int] | None
) -> None:
    """Write the figures: of all events from the sums, of a few from running them again."""
    from tracking.runs import figures

    def again(unit: Unit, entry: int) -> tuple[EventResult, EventTruth | None]:
        start = unit.start + entry
        result, _, truth, _ = next(run_events(chain, unit.path, Totals(), start, start + 1))
        return result, truth

    first = [(unit, entry) for unit in units[:N_STUDY] for entry in range(len(unit))][:N_STUDY]
    study = [(result, truth) for result, truth in (again(*place) for place in first) if truth is not None]
    figures.write_figures(folder, chain, totals, again(*shown) if shown else None, study)
