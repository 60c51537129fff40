"""The export of graphs: files in, a folder of graphs and its manifest out; goes on from where it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartpix.files import check_writable, store_text, writing
from smartpix.schema import InputError, check
from smartpix.staging import staging
from tracking.chain import WINDOW
from tracking.graphs.columns import FIELDS, OF_TRUTH
from tracking.graphs.manifest import MANIFEST, VERSION, read_manifest
from tracking.graphs.options import GraphOptions
from tracking.graphs.work import GraphTask, Rows, on_processes, task_of, write_unit
from tracking.inputs import check_folder, event_slice, range_of
from tracking.options import RunOptions
from tracking.provenance import chain_provenance
from tracking.runs.lock import run_lock
from tracking.runs.plan import Plan, plan_run
from tracking.runs.progress import progress_bar
from tracking.runs.sources import Sources
from tracking.runs.units import Unit

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["EVENTS_PER_UNIT", "export_graphs", "with_window"]

log = logging.getLogger(__name__)

EVENTS_PER_UNIT = 20
EVENT_FILES = "event?????????.*"
"""Names of graphs, :func:`tracking.graphs.files.file_name`."""
JOURNAL = ".unfinished.jsonl"
"""Of an export that goes on: what it makes, then a line for each unit that is done."""


def export_graphs(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: GraphOptions | None = None,
    run: RunOptions | None = None,
    jobs: int = 1,
    client: Client | None = None,
    events_per_unit: int = EVENTS_PER_UNIT,
) -> dict[str, Any]:
    """Write the graphs of event files into a folder, one file an event, and ``graphs.json`` that tells of
    them.

    Of the chain only estimates, hits and edges run; no network, fit or vertices. The same call after an
    interruption does only the rest, and nothing where all is there. Graphs do not depend on the number of
    processes.

    Args:
        files: paths or patterns.
        output: folder, made if it is not there.
        run: options of estimates, cones and window; ``graph`` chooses the edges (:func:`with_window`).
        jobs: processes on this machine; the memory of each holds one unit's events.
        client: of dask.distributed, whose workers do the work instead; they need smartpix and see files and
            folder under the same paths.
        events_per_unit: events that are read, sent and noted as done together.

    Returns:
        ``folder``, ``format``, ``naming``, ``graph``, numbers of ``graphs``, ``hits``, ``edges`` and, with
        truth, ``true_edges``; ``written``, how many of the graphs this call wrote.

    Raises:
        InputError: no usable file, files of different detectors, options that cannot be, no event in the
            range, a folder with graphs of other files or options, or another export that writes there.
    """
    run, options = run or RunOptions(), options or GraphOptions()
    check("export graphs", "jobs", jobs, type(jobs) is int and 1 <= jobs <= 1024, "whole, 1 to 1024")
    output = Path(output)
    check_folder(output)
    with Sources() as sources:
        plan = plan_run(sources, files, run, None, events_per_unit, None)
    if plan.refused:
        raise InputError(next(iter(plan.refused.values())))
    units, first = _chosen(plan, options.events)
    with writing(output / MANIFEST):
        output.mkdir(parents=True, exist_ok=True)
    check_writable(output / MANIFEST)
    made_of = _made_of(plan, options, units)
    with run_lock(output):
        done = _done_before(output, made_of)
        if done is None:
            return _summary(output, read_manifest(output), 0)
        with staging(output):
            # What dead programs left in the folder is removed once, not by each graph.
            pass
        task = task_of(plan.chain, output, options.format, options.naming, first)
        left = [unit for unit in units if unit.key not in done]
        _run(output, left, _outcomes(task, left, jobs, client), done)
        rows = [row for unit in units for row in done[unit.key]]
        manifest = made_of | {"fields": _fields(options.naming, plan.has_truth), "graphs": rows}
        store_text(output / f"{MANIFEST}.new", json.dumps(manifest, indent=1) + "\n")
        (output / f"{MANIFEST}.new").replace(output / MANIFEST)
        (output / JOURNAL).unlink(missing_ok=True)
    return _summary(output, manifest, sum(map(len, left)))


def with_window(run: RunOptions) -> RunOptions:
    """The same options with the edges of the reference window."""
    return replace(run, graph=WINDOW.graph, gnn=WINDOW.gnn if run.gnn == RunOptions.gnn else run.gnn)


def _chosen(plan: Plan, events: str) -> tuple[list[Unit], dict[str, int]]:
    """The units of a range of events, and by file the number of its first event among those of all."""
    first, n = dict[str, int](), 0
    for file in plan.files:
        first[str(file.path.absolute())] = n
        n += file.n_events
    chosen = range_of(event_slice(events) if events else None, n)
    units = []
    for unit in plan.units:
        at = first[unit.path]
        low, high = max(unit.start, chosen.start - at), min(unit.stop, chosen.stop - at)
        if low < high:
            units.append(replace(unit, start=low, stop=high))
    return units, first


def _made_of(plan: Plan, options: GraphOptions, units: Sequence[Unit]) -> dict[str, Any]:
    """All that decides what the graphs hold, as JSON gives it back."""
    names = [plan.names[path] for path in dict.fromkeys(unit.path for unit in units)]
    record = {
        "kind": "smartpix graphs", "version": VERSION, **asdict(options), "graph": plan.options.graph,
        "sources": [
            {"file": str(file.path), "first": number, "events": file.n_events}
            for file, number in zip(plan.files, _starts(plan), strict=True)
        ],
        "beam_spot": plan.beam_spot(),
        "provenance": chain_provenance("smartpix export graphs", names, plan.options),
    }  # fmt: skip
    return dict(json.loads(json.dumps(record)))


def _starts(plan: Plan) -> Iterator[int]:
    n = 0
    for file in plan.files:
        yield n
        n += file.n_events


def _done_before(output: Path, made_of: Mapping[str, Any]) -> dict[str, Rows] | None:
    """What an earlier call of the same export has done, by unit; None: all.

    Raises:
        InputError: the folder has graphs of another export, or a journal that is none.
    """
    other = f"{output}: holds graphs of other files, options or another version; give another folder, or remove it"
    if (output / MANIFEST).exists():
        found = read_manifest(output)
        if {name: found.get(name) for name in made_of} != made_of:
            raise InputError(other)
        if all((output / row["file"]).is_file() for row in found["graphs"]):
            return None
        (output / JOURNAL).unlink(missing_ok=True)
    journal = output / JOURNAL
    if not journal.exists():
        if any(output.glob(EVENT_FILES)) and not (output / MANIFEST).exists():
            raise InputError(other)
        store_text(journal, json.dumps(made_of) + "\n")
        return {}
    # What is damaged is no JSON, whatever its bytes.
    head, *lines = journal.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    with suppress(ValueError):
        if json.loads(head) == made_of:
            return _units_of(output, lines)
    raise InputError(other)


def _units_of(output: Path, lines: Iterable[str]) -> dict[str, Rows]:
    done = {}
    for line in lines:
        # The last line may have been cut off where the export ended.
        with suppress(ValueError, KeyError, TypeError):
            unit = json.loads(line)
            if all((output / row["file"]).is_file() for row in unit["rows"]):
                done[unit["unit"]] = unit["rows"]
    return done


def _outcomes(
    task: GraphTask, units: Sequence[Unit], jobs: int, client: Client | None
) -> Iterator[tuple[Unit, Rows | InputError]]:
    if client is None:
        yield from on_processes(task, units, jobs)
        return
    from tracking.runs.workers import on_workers

    yield from on_workers(client, partial(_on_worker, task), units)


def _on_worker(task: GraphTask, unit: Unit, expected: str) -> Rows:
    from tracking.runs.workers import check_worker

    check_worker(unit, expected)
    return write_unit(task, unit)


def _run(
    output: Path,
    units: Sequence[Unit],
    outcomes: Iterable[tuple[Unit, Rows | InputError]],
    done: dict[str, Rows],
) -> None:
    """Take what is done, and note it in the journal.

    Raises:
        InputError: of the first unit that failed.
    """
    step: Callable[..., None]
    with (
        writing(output / JOURNAL),
        (output / JOURNAL).open("a", encoding="utf-8") as journal,
        progress_bar("graphs", sum(map(len, units))) as step,
    ):
        for unit, rows in outcomes:
            if isinstance(rows, InputError):
                raise rows
            done[unit.key] = rows
            journal.write(json.dumps({"unit": unit.key, "rows": rows}) + "\n")
            journal.flush()
            step(len(unit))


def _fields(naming: str, has_truth: bool) -> dict[str, str]:
    return {name: text for name, text in FIELDS[naming].items() if has_truth or name not in OF_TRUTH}


def _summary(output: Path, manifest: Mapping[str, Any], written: int) -> dict[str, Any]:
    rows = manifest["graphs"]
    sums = {
        name: sum(row[name] for row in rows) for name in ("hits", "edges", "true_edges") if name in rows[0]
    }
    kept = {name: manifest[name] for name in ("format", "naming", "graph")}
    return {"folder": str(output), **kept, "graphs": len(rows), "written": written, **sums}
