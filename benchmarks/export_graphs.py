"""How fast graphs of events are exported, and in how much memory; writes benchmarks/results/export-graphs.json.

    python benchmarks/export_graphs.py F.root [--copies 10] [--jobs 2] [--format npz] [--json]

``F.root`` are simulated events (smartpix simulate events --pileup 60 --events 100 --seed 651001 -o F.root). Each
copy is a file of its own, so that 10 copies of 100 events are 1,000 graphs that are read, made and written one by
one. Events are counted per second of wall time and, since other programs may share the machine, per second of
processor time of all processes: with J jobs on J free cores the rate is J over the processor time of an event.
The memory is the largest resident set of any of the processes over the first and over the second half of the
export.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from smartpix.io.events import open_events
from tracking.graphs import GraphOptions, export_graphs

RESULTS = Path(__file__).resolve().parent / "results" / "export-graphs.json"
EVERY = 0.5
"""Seconds between two looks at the memory."""


def processor_seconds() -> float:
    """Of this process and of all of its children that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


class Memory(threading.Thread):
    """Looks at the largest resident set of this process and its children, and at the number of graphs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.ended, self.seen = folder, threading.Event(), list[tuple[int, float]]()

    def run(self) -> None:
        """Look until :attr:`ended`."""
        me = psutil.Process()
        while not self.ended.wait(EVERY):
            sets = [0]
            for process in (me, *me.children(recursive=True)):
                try:
                    sets.append(process.memory_info().rss)
                except psutil.Error:
                    continue
            self.seen.append((sum(1 for _ in self.folder.glob("event*")), max(sets) / 2**20))


def measure(file: Path, copies: int, jobs: int, form: str) -> dict[str, Any]:
    """Export the copies of a file, and what it took."""
    with tempfile.TemporaryDirectory() as work:
        paths = [Path(work) / f"copy-{k:03d}.root" for k in range(copies)]
        for path in paths:
            shutil.copyfile(file, path)
        folder = Path(work) / "graphs"
        memory = Memory(folder)
        memory.start()
        wall, spent = time.perf_counter(), processor_seconds()
        told = export_graphs(paths, folder, GraphOptions(form), jobs=jobs)
        wall, spent = time.perf_counter() - wall, processor_seconds() - spent
        memory.ended.set()
        memory.join()
        n_bytes = sum(path.stat().st_size for path in folder.glob("event*"))
    n = told["graphs"]
    halves = [
        [mib for done, mib in memory.seen if low <= done < high]
        for low, high in ((n // 4, n // 2), (n // 2, n))
    ]
    return {
        **{name: told[name] for name in ("format", "graph", "graphs")}, "jobs": jobs, "cores": os.cpu_count(),
        "hits_per_event": told["hits"] / n, "edges_per_event": told["edges"] / n,
        "mb_per_graph": n_bytes / n / 1e6, "wall_s": wall, "events_per_s": n / wall, "processor_s": spent,
        "processor_ms_per_event": 1e3 * spent / n, "events_per_s_on_free_cores": jobs * n / spent,
        "load_before": LOAD, "mib_second_quarter": max(halves[0], default=None),
        "mib_second_half": max(halves[1], default=None),
    }  # fmt: skip


LOAD = os.getloadavg()[0]


def main() -> int:
    """Measure and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="simulated events")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--format", default="npz")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    made_by = open_events(options.file).header.made_by
    result = {
        "command": " ".join(["python", "benchmarks/export_graphs.py", options.file.name, *(
            f"--{name} {getattr(options, name)}" for name in ("copies", "jobs", "format"))]),
        "sample": {name: made_by.get(name) for name in ("command", "events", "seed")},
        "pileup": made_by["options"]["generate"]["pileup"],
        **measure(options.file, options.copies, options.jobs, options.format),
    }  # fmt: skip
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=None if options.json else 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
