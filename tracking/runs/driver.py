"""A run: files to tracks, summary and figures, in this process or on the workers of dask.distributed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartpix.estimate.choose import kind_of
from smartpix.files import check_writable, sha256_of, store_text, writing
from smartpix.schema import InputError
from smartpix.staging import staging
from tracking.citations import cited_by_run
from tracking.inputs import check_folder, none_usable
from tracking.options import RunOptions
from tracking.runs.advice import advice
from tracking.runs.join import join_tracks
from tracking.runs.kept_events import KeptEvents
from tracking.runs.lock import run_lock
from tracking.runs.merge import Merge
from tracking.runs.plan import Plan, plan_run
from tracking.runs.progress import progress_bar
from tracking.runs.results import SUMMARY, TIMES, check_in_the_way, old_results, signed, written_before
from tracking.runs.sources import Sources
from tracking.runs.unfinished import (
    WRITTEN,
    Parts,
    dependencies,
    is_stored,
    load_part,
    open_parts,
    remove_parts,
    store_part,
    store_written,
)
from tracking.runs.units import Unit, run_here
from tracking.runs.workers import run_on
from tracking.show.formats import FORMATS, sample_words

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["EVENTS_PER_UNIT", "run"]

log = logging.getLogger(__name__)

EVENTS_PER_UNIT = 10
UNFINISHED = "unfinished"


def run(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: RunOptions | None = None,
    client: Client | None = None,
    figures: bool | str = True,
    events_per_unit: int = EVENTS_PER_UNIT,
    join: str | Path | None = None,
    events: slice | None = None,
) -> dict[str, Any]:
    """Run the chain on event files and write ``tracks.root``, ``summary.json``, ``times.json`` and figures
    into a folder.

    The work is done in units of some events, which are merged in their order. Except for timings, results do
    not depend on which process ran a unit. Every finished unit is kept in ``output/unfinished``: the same
    call after an interruption does only the rest.

    A file that cannot be used, or is damaged in the middle, is left out whole and named in the summary. Then
    the units of the others are kept, so that the same call does only the repaired file.

    Results of an earlier run into the folder are replaced or removed, and nothing else in it. The run does
    not begin where something else has the name of a result.

    Args:
        files: paths or patterns (``"pu200-*.root"``).
        output: folder, made if it is not there.
        options: None: the defaults.
        client: of dask.distributed; its workers do the work, need smartpix and see the files under the same
            paths. None: this process does.
        figures: whether to draw them; or their format: ``png``, ``pdf`` or ``svg``.
        events_per_unit: events that are run, sent and kept together.
        join: what the files were converted from: the results are also written per hit of it
            (:mod:`tracking.runs.join`).
        events: those of all files together that are run, ``slice(0, 100)`` the first hundred; None: all.

    Returns:
        The summary: ``files`` that are in the results, ``failed`` (what is wrong, by path), ``warnings``, the
        names of the files ``written`` into the folder, and the numbers of docs/numbers.md.

    Raises:
        InputError: options that cannot be used, files of different detectors, no usable file, event numbers
            that repeat where ``join`` or ``tracks.csv`` know events by them, events or hits that ``join``
            does not have or has elsewhere, ``events`` that the files do not have, an unfinished run with
            other options in the folder, another run that is writing into it, or a file there that has the
            name of a result and is none, or was changed since.
    """
    options = _checked_options(options, client)
    kind = _figure_format(figures)
    with Sources() as sources:
        plan = plan_run(sources, files, options, kind, events_per_unit, join, events)
        output = _folder(output)
        for reason in plan.refused.values():
            log.error("left out: %s", reason)
        with run_lock(output):
            unfinished = output / UNFINISHED
            before = written_before(output / SUMMARY, output / TIMES, unfinished / WRITTEN)
            check_in_the_way(output, plan.written(), before)
            header = plan.chain.header
            parts = open_parts(
                unfinished, dependencies(options, events_per_unit, header.beam_spot, header.detector.dead)
            )
            # All is written beside and moved at the end, so that results of two runs never mix.
            with writing(output / SUMMARY), staging(output) as folder:
                results, kept = folder / "results", KeptEvents()
                with Merge(plan, parts, results) as merge:
                    failed = _run_units(plan, sources, parts, merge, kept, client)
                    merge.finish(failed)
                summary = _summarise(plan, merge, failed, results)
                if kind:
                    _draw(plan, sources, merge, kept, results, sample_words(plan.files_but(failed)), kind)
                _publish(output, results, summary, merge, parts, before)
            if not failed:
                remove_parts(unfinished)
            return summary


def _figure_format(figures: bool | str) -> str | None:
    """What the figures are written as; None: there are none."""
    if isinstance(figures, bool):
        return FORMATS[0] if figures else None
    if figures not in FORMATS:
        raise InputError(
            f"run: figures: {figures!r} is no format of figures; give one of {', '.join(FORMATS)}"
        )
    return figures


def _checked_options(options: RunOptions | None, client: Client | None) -> RunOptions:
    if options is None:
        options = RunOptions()
    if not isinstance(options, RunOptions):
        raise InputError(f"run: options must be RunOptions(...) and are {options!r}")
    if isinstance(client, str):
        raise InputError(
            f"run: client must be one of dask.distributed and is '{client}'; give Client('{client}')"
        )
    return options


def _folder(output: str | Path) -> Path:
    """The output folder, made if it is not there."""
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


def _run_units(
    plan: Plan, sources: Sources, parts: Parts, merge: Merge, kept: KeptEvents, client: Client | None
) -> dict[str, str]:
    """Run the units whose parts are not there yet, keep their parts, and merge what comes in its turn.

    Returns:
        What is wrong with the files that cannot be used, by path.

    Raises:
        InputError: no file can be used.
    """
    failed = dict(plan.refused)
    n_done = sum(is_stored(parts, unit) for unit in plan.units)
    if n_done:
        log.info("%d of %d units are done already, in %s", n_done, len(plan.units), parts.folder)
    with progress_bar("tracking", sum(map(len, plan.units))) as step:

        def units_to_run() -> Iterator[Unit]:
            for unit in plan.units:
                # Those of a file that failed are not begun any more.
                if plan.names[unit.path] in failed:
                    continue
                part = load_part(parts, unit)
                if part is None:
                    yield unit
                else:
                    merge.take(unit, part)
                    step(len(unit))

        if client is None:
            outcomes = run_here(plan.chain, units_to_run(), sources, kept.watch if plan.figures else None)
        else:
            outcomes = run_on(client, plan.chain, units_to_run())
        try:
            for unit, outcome in outcomes:
                if isinstance(outcome, InputError):
                    _leave_out(plan, unit, outcome, failed)
                    kept.leave_out(unit.path)
                else:
                    store_part(parts, unit, outcome if isinstance(outcome, bytes) else outcome.content)
                    merge.take(unit, outcome if isinstance(outcome, bytes) else outcome.part)
                step(len(unit))
        except KeyboardInterrupt:
            log.info("what is done is kept in %s; the same command goes on from there", parts.folder)
            raise
    if not plan.files_but(failed):
        raise none_usable(failed)
    return failed


def _leave_out(plan: Plan, unit: Unit, error: InputError, failed: dict[str, str]) -> None:
    """Note what is wrong with a unit's file, once."""
    name = plan.names[unit.path]
    if name in failed:
        return
    # Units go by absolute paths; people by those that they gave.
    failed[name] = str(error).replace(unit.path, name, 1)
    if len(plan.names) > 1:
        log.error("left out: %s", failed[name])


def _summarise(plan: Plan, merge: Merge, failed: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """The summary of the run, after the results were joined to what the files were converted from."""
    summary = {"files": merge.files, "failed": dict(failed), **merge.merged.totals.summary()}
    if plan.original is not None:
        summary["joined"] = join_tracks(folder / "tracks.root", plan.original, folder, merge.record)
    detector = plan.chain.header.detector
    warnings = advice(summary, plan.options, len(detector.layers))
    for line in warnings:
        log.warning(line)
    if "n_findable" in summary:
        # What the numbers are of is printed with them.
        summary |= {name: getattr(plan.options, name) for name in ("findable_layers", "findable_pt")}
    if plan.events is not None:
        summary["event_range"] = list(plan.events)
    summary["beam_spot"] = plan.beam_spot()
    summary["detector"] = {
        "modules": len(detector),
        "layers": len(detector.layers),
        "sha256": detector.fingerprint(),
    }
    summary["warnings"] = [*plan.chain.warnings, *warnings]
    summary["cite"] = cited_by_run(kind_of(plan.chain.estimator))
    return summary


def _draw(
    plan: Plan, sources: Sources, merge: Merge, kept: KeptEvents, folder: Path, sample: str, kind: str
) -> None:
    """Write the figures."""
    from tracking.runs.figures import write_figures

    place = merge.merged.shown
    shown = None if place is None else kept.event(plan, sources, place)
    study = kept.study(plan, sources, merge.units)
    write_figures(folder, plan.chain, merge.merged.totals, shown, study, sample, kind)


def _publish(
    output: Path,
    folder: Path,
    summary: dict[str, Any],
    merge: Merge,
    parts: Parts,
    before: Mapping[str, set[str]],
) -> None:
    """Sign the results with their checksums and move them to their places."""
    sums = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    # Either of the two tells the next run what is ours, should the other be moved away.
    store_text(folder / TIMES, signed(TIMES, {"ms_per_event": summary["ms_per_event"], "sha256": sums}))
    results = sorted(folder.iterdir())
    summary["written"] = sorted([*(path.name for path in results), SUMMARY])
    # Without the times, so that the same command gives the same bytes.
    content = {name: value for name, value in summary.items() if name != "ms_per_event"}
    content |= {"options": merge.record["options"], "provenance": merge.record, "sha256": sums}
    store_text(folder / SUMMARY, signed(SUMMARY, content))
    # What came into the way while the run went on; its parts are kept.
    check_in_the_way(output, summary["written"], before)
    store_written(parts, {name: sha256_of(folder / name) for name in summary["written"]})
    for path in results:
        path.replace(output / path.name)
    for name in old_results(output, before) - set(summary["written"]):
        (output / name).unlink()
    # Last, since the old one knows the old files.
    (folder / SUMMARY).replace(output / SUMMARY)
