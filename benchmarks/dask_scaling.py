"""Two workers of a dask cluster on this machine against one, on the same events; writes
benchmarks/results/dask.json.

    python benchmarks/dask_scaling.py [F.root]

Without a file, 48 events of pile-up 200 (seed 2013) are simulated first (needs ACTS). In units of four
events.
Inside the clock: the whole call of tracking.run, from opening the file to the summary, without figures; not
the start of the workers, which have run the file once before (imports, compiled code, first touch of the
file). One and two in turn, medians. Each worker is in a session of its own, as a batch system starts it:
Linux shares a busy machine by sessions. ``ceiling`` is what two plain processes that only count make of the
machine against one, in turn with the rest: 2 on a quiet machine of two cores, less where others use them.
``ratio_cpu`` is the ratio by CPU seconds, which leaves the others out: those of the one worker over those of
the busier of two, the CPU seconds of this process (scheduler, merging) added to both.
``memory_given_back_ratio``: the time of one worker that gives freed memory back at once, as dask sets it,
    over the time of one.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from distributed import Client, LocalCluster

from smartpix.io.events import open_events
from tracking import RunOptions, run
from tracking.chain import Chain
from tracking.runs.outputs import output_writer
from tracking.runs.sources import Sources
from tracking.runs.totals import Totals
from tracking.runs.unfinished import Parts, load_part, store_part
from tracking.runs.units import packed, plan_units, run_unit

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "dask.json"
ROUNDS = 3
# Any but dask's own value, which the workers would change.
GIVEN_BACK = "65537"
UNIT = 4
SIMULATE = ("simulate", "events", "--pileup", "200", "--events", "48", "--seed", "2013")
COUNT = "import sys, time; s = time.perf_counter(); sum(range(20_000_000)); print(time.perf_counter() - s)"


def cpu_seconds() -> float:
    """Of the process that asks."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def counting(n: int) -> float:
    """Counts per second of ``n`` plain processes side by side."""
    command = [sys.executable, "-c", COUNT]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True)
        for _ in range(n)
    ]
    return sum(1 / float(process.communicate()[0]) for process in processes)


@contextmanager
def cluster(n_workers: int, **environment: str) -> Iterator[Client]:
    """A scheduler in this process, and workers of one thread each, with these variables besides."""
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as scheduler,
        tempfile.TemporaryDirectory() as folder,
    ):
        command = [
            sys.executable,
            "-m",
            "dask",
            "worker",
            scheduler.scheduler_address,
            "--nthreads",
            "1",
            "--no-dashboard",
        ]
        command += ["--local-directory", folder]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": os.environ | environment}
        workers = [subprocess.Popen(command, start_new_session=True, **quiet) for _ in range(n_workers)]
        try:
            with Client(scheduler) as client:
                client.wait_for_workers(n_workers)
                yield client
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()


def alone(file: str) -> dict[str, float]:
    """CPU seconds an event in this process, of a unit of all events and of keeping, merging and writing it;
    its MB an event.
    """
    opened = open_events(file)
    (unit,) = plan_units([opened], opened.n_events)
    chain = Chain.for_header(opened.header, RunOptions())
    with Sources() as sources:
        run_unit(chain, unit, sources)
        start = cpu_seconds()
        content = packed(run_unit(chain, unit, sources))
        done = cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        parts = Parts(Path(folder), "")
        store_part(parts, unit, content)
        found, totals = load_part(parts, unit), Totals()
        size = sum(f.stat().st_size for f in Path(folder).iterdir())
        totals.merge(found.totals)
        with output_writer(Path(folder), (), opened.has_truth, {}) as write:
            write(found.outputs, 0)
    seconds = {"cpu_s_unit": done - start, "cpu_s_merge": cpu_seconds() - done, "part_mb": size / 1e6}
    return {f"{name}_per_event": value / opened.n_events for name, value in seconds.items()}


def giving_back(file: str) -> float:
    """Median seconds of one worker that gives freed memory back at once."""
    seconds = []
    with cluster(1, MALLOC_TRIM_THRESHOLD_=GIVEN_BACK) as client, tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS + 1):
            start = time.perf_counter()
            run(file, folder, client=client, figures=False, events_per_unit=UNIT)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def measure(file: str) -> dict[str, object]:
    """Seconds of wall time and of CPU by number of workers, and what the machine gave meanwhile."""
    n_events = open_events(file).n_events
    wall: dict[int, list[float]] = {1: [], 2: []}
    busiest: dict[int, list[float]] = {1: [], 2: []}
    workers: dict[int, list[float]] = {1: [], 2: []}
    local_seconds: dict[int, list[float]] = {1: [], 2: []}
    memory: list[float] = []
    ceiling: list[float] = []
    load: list[float] = []
    summaries = set()
    with cluster(1) as one, cluster(2) as two, tempfile.TemporaryDirectory() as folder:
        clients = {1: one, 2: two}
        for k, client in clients.items():
            run(file, f"{folder}/warm-{k}", client=client, figures=False, events_per_unit=UNIT)
        for _ in range(ROUNDS):
            for k, client in clients.items():
                before, before_here = client.run(cpu_seconds), cpu_seconds()
                start = time.perf_counter()
                summary = run(file, f"{folder}/{k}", client=client, figures=False, events_per_unit=UNIT)
                wall[k].append(time.perf_counter() - start)
                local_seconds[k].append(cpu_seconds() - before_here)
                used = [after - before[worker] for worker, after in client.run(cpu_seconds).items()]
                busiest[k].append(max(used))
                workers[k].append(sum(used))
                summaries.add(json.dumps({n: v for n, v in summary.items() if n != "ms_per_event"}))
            memory.append(max(client.run(lambda: psutil.Process().memory_info().rss / 1e6).values()))
            ceiling.append(counting(2) / counting(1))
            load.append(os.getloadavg()[0])
        tracks = (Path(folder) / "1" / "tracks.root").stat().st_size / 1e6 / n_events
    serial = {k: statistics.median(local_seconds[k]) for k in local_seconds}
    longest = {k: statistics.median(busiest[k]) for k in busiest}
    ratios = [a / b for a, b in zip(wall[1], wall[2], strict=True)]
    return {
        "n_events": n_events,
        "n_hits": json.loads(next(iter(summaries)))["n_hits"],
        "same_numbers": len(summaries) == 1,
        "s_one": statistics.median(wall[1]),
        "s_two": statistics.median(wall[2]),
        "ratio": statistics.median(wall[1]) / statistics.median(wall[2]),
        "ratio_by_round": [min(ratios), statistics.median(ratios), max(ratios)],
        "ratio_cpu": (longest[1] + serial[1]) / (longest[2] + serial[2]),
        "cpu_s_workers": {"one": statistics.median(workers[1]), "two": statistics.median(workers[2])},
        "cpu_s_busiest": {"one": longest[1], "two": longest[2]},
        "cpu_s_here": {"one": serial[1], "two": serial[2]},
        "ceiling": statistics.median(ceiling),
        "load": [min(load), statistics.median(load), max(load)],
        "cores": os.cpu_count(),
        "worker_mb": max(memory),
        "tracks_mb_per_event": tracks,
        **alone(file),
        "input_mb_per_event": Path(file).stat().st_size / 1e6 / n_events,
        "cpu_s_worker_per_event": statistics.median(workers[1]) / n_events,
        "memory_given_back_ratio": giving_back(file) / statistics.median(wall[1]),
        "all_s": {"one": wall[1], "two": wall[2]},
        "machine": platform.processor() or platform.machine(),
    }


def main() -> None:
    """Measure, write and print."""
    with tempfile.TemporaryDirectory() as folder:
        file = sys.argv[1] if len(sys.argv) > 1 else f"{folder}/pu200.root"
        if len(sys.argv) == 1:
            subprocess.run(
                [str(Path(sys.executable).with_name("smartpix")), *SIMULATE, "-o", file],
                check=True,
                stdout=sys.stderr,
            )
        result = measure(file) | {
            "remake": "python benchmarks/dask_scaling.py",
            "made_by": dict(open_events(file).header.made_by),
        }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
