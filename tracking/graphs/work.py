"""The work of an export in units, by this process, by others on this machine, or by dask's workers."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartpix.schema import InputError
from smartpix.siblings import AT_START
from tracking.chain import Chain
from tracking.graphs.columns import event_columns
from tracking.graphs.files import file_name, write_graph
from tracking.runs.sources import Sources
from tracking.runs.units import Unit, check_unchanged
from tracking.runs.workers import chain_of, packed_chain

__all__ = ["GraphTask", "Rows", "on_processes", "task_of", "write_unit"]

Rows = list[dict[str, Any]]
"""Of each event: ``file``, ``event``, ``hits``, ``edges`` and, with truth, ``true_edges``."""
PER_PROCESS = 2
"""Units at a process: one runs and one waits."""


@dataclass(frozen=True)
class GraphTask:
    """What all units of an export share, as it is sent to other processes.

    Attributes:
        chain: of :func:`tracking.runs.workers.packed_chain`.
        folder: for the files; ending: of their names; naming: of their fields.
        first: number of the first event of each source file among the events of all, by absolute path.
    """

    chain: bytes
    folder: str
    ending: str
    naming: str
    first: dict[str, int]


def task_of(chain: Chain, folder: Path, ending: str, naming: str, first: dict[str, int]) -> GraphTask:
    """The task of an export."""
    return GraphTask(packed_chain(chain), str(folder.absolute()), ending, naming, first)


def write_unit(task: GraphTask, unit: Unit) -> Rows:
    """Write the graphs of a unit's events.

    Raises:
        InputError: the file is damaged, not there, or another one than was planned with; or a graph cannot be
            written.
    """
    check_unchanged(unit)
    chain, rows = chain_of(task.chain), []
    with Sources() as sources:
        reader = sources.reader(unit.path)
        has_truth = reader.file.has_truth
        number = task.first[unit.path] + unit.start
        for events in reader.events(len(unit), unit.start, unit.stop):
            for record in events:
                columns, hits, edges = event_columns(chain, record, has_truth, task.naming)
                name = file_name(number, task.ending)
                # The folder was swept when the export began.
                write_graph(Path(task.folder) / name, columns, swept=True)
                row = {"file": name, "event": int(record["event"]), "hits": len(hits), "edges": len(edges)}
                if has_truth:
                    row["true_edges"] = int(columns["y" if "y" in columns else "edge_y"].sum())
                rows.append(row)
                number += 1
    return rows


def on_processes(task: GraphTask, units: Iterable[Unit], jobs: int) -> Iterator[tuple[Unit, Rows]]:
    """Write units in ``jobs`` processes, as they become free; outcomes come as they are ready.

    Raises:
        InputError: as :func:`write_unit`, or a process died.
    """
    if jobs == 1:
        for one in units:
            yield one, write_unit(task, one)
        return
    waiting = iter(units)
    running: dict[Future[Rows], Unit] = {}
    # Processes that share nothing with this one: torch and Numba have threads, which a fork would not copy.
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, start, **AT_START) as pool:
        try:
            while True:
                while len(running) < PER_PROCESS * jobs and (unit := next(waiting, None)) is not None:
                    running[pool.submit(_on_one_thread, task, unit)] = unit
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        except BrokenProcessPool as error:
            raise InputError(
                "export graphs: a process died, perhaps for want of memory; give fewer --jobs, or fewer events a "
                "unit. The same command goes on from where it was"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _on_one_thread(task: GraphTask, unit: Unit) -> Rows:
    """As :func:`write_unit`, on one core of a process of a pool."""
    import torch

    torch.set_num_threads(1)
    return write_unit(task, unit)
