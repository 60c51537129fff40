"""Damaged input for every reader, for options, weights, checkpoints and kept parts of runs.

    python benchmarks/fuzz.py --minutes 20 --json > benchmarks/results/fuzz.json

Each input follows from the seed and its number, so that ``--only TARGET --number K`` repeats one. Inputs are
read in
processes of their own: a crash or a hang costs one input and is counted. ``other``, ``crashes``, ``hangs``
and ``silent`` must be 0. Needs a checkout with ``make test``'s packages (ACTS makes some of the files).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

SEED = 16
HANG = 60.0
"""Seconds an input may take: hundreds of times what it takes on a busy machine."""
PREPARE = 240.0
"""Seconds more for the first of a target, for which good files are made."""
MEMORY = 8 << 30
"""Bytes of address space a process may use, so that an allocation without limit shows."""
KINDS = ("input_errors", "accepted", "other", "silent")


def attempt_one(target: str, seed: int, number: int, attempts: dict[str, Any], home: Path) -> tuple[str, str]:
    """Read one damaged input: what came of it, of :data:`KINDS`, and the last line of what went wrong."""
    from fuzz_attempts import SilentError

    from smartpix.schema import InputError

    folder = Path(tempfile.mkdtemp(dir=home))
    rng = np.random.default_rng([seed, number])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempts[target](rng, folder)
        return "accepted", ""
    except InputError as error:
        # One line, that a terminal can show.
        return (
            ("input_errors", "")
            if "\n" not in str(error)
            else ("other", f"an error of several lines: {error}")
        )
    except SilentError as error:
        return "silent", str(error)
    except BaseException:  # whatever it is, it is what is looked for
        return "other", traceback.format_exc(limit=-4)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def work(pipe: Connection, seed: int) -> None:
    """A process that reads what it is told to."""
    from fuzz_targets import TARGETS

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What is read may write to the terminal; the result must stay one object.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    attempts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        while (message := pipe.recv()) is not None:
            target, number = message
            if target not in attempts:
                (home / target).mkdir()
                try:
                    attempts[target] = TARGETS[target].prepare(home / target)
                except Exception:
                    pipe.send(("unprepared", traceback.format_exc()))
                    return
                pipe.send(("ready", ""))
            pipe.send(attempt_one(target, seed, number, attempts, home))


Work = Callable[[Connection, int], None]


class Worker:
    """A process, what it reads, and since when."""

    def __init__(self, seed: int, work: Work) -> None:
        self.pipe, other = mp.Pipe()
        self.process = mp.get_context("spawn").Process(target=work, args=(other, seed), daemon=True)
        self.process.start()
        other.close()
        self.task: tuple[str, int] | None = None
        self.since = 0.0
        self.prepared: set[str] = set()

    def give(self, task: tuple[str, int]) -> None:
        """Let it read an input."""
        # The first of a target makes good files, for which it gets longer.
        self.since = time.monotonic() + (0 if task[0] in self.prepared else PREPARE)
        self.task = task
        self.pipe.send(task)

    def stop(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run(
    seconds: float,
    most: int | None,
    seed: int,
    processes: int,
    names: list[str],
    work: Work = work,
    hang: float = HANG,
) -> dict[str, Any]:
    """Read damaged inputs until the time or the number is over; the counts, and what went wrong."""
    from fuzz_targets import TARGETS

    shares = np.array([TARGETS[n].share for n in names])
    order = np.random.default_rng(seed)
    counts = {name: Counter[str]() for name in names}
    faults: list[dict[str, Any]] = []
    number = 0
    end = time.monotonic() + seconds
    workers = [Worker(seed, work) for _ in range(processes)]

    def next_task() -> tuple[str, int] | None:
        nonlocal number
        if time.monotonic() > end or (most is not None and number >= most):
            return None
        number += 1
        return names[int(order.choice(len(names), p=shares / shares.sum()))], number

    def note(task: tuple[str, int], kind: str, text: str) -> None:
        counts[task[0]][kind] += 1
        if kind not in ("input_errors", "accepted"):
            faults.append({"target": task[0], "number": task[1], "kind": kind, "error": text[-1500:]})
            print(f"{kind}: {task[0]}, number {task[1]}: {text[-1500:]}", file=sys.stderr, flush=True)

    busy = []
    for worker in workers:
        if (task := next_task()) is not None:
            worker.give(task)
            busy.append(worker)
    while busy:
        wait([w.pipe for w in busy], timeout=1.0)
        for k, worker in enumerate(busy):
            assert worker.task is not None
            kind = None
            if worker.pipe.poll():
                try:
                    kind, text = worker.pipe.recv()
                except EOFError:
                    worker.process.join()
                    kind, text = "crashes", f"exit status {worker.process.exitcode}"
                if kind == "unprepared":
                    raise SystemExit(f"{worker.task[0]}: good files cannot be made or read: {text}")
                if kind == "ready":
                    worker.prepared.add(worker.task[0])
                    worker.since = time.monotonic()
                    continue
            elif time.monotonic() - worker.since > hang:
                kind, text = "hangs", f"no answer within {hang:.0f} s"
            if kind is None:
                continue
            note(worker.task, kind, text)
            if kind in ("crashes", "hangs"):
                worker.stop()
                busy[k] = worker = Worker(seed, work)
            task = next_task()
            if task is None:
                worker.pipe.close()
                worker.task = None
            else:
                worker.give(task)
        for worker in [w for w in busy if w.task is None]:
            worker.stop()
            busy.remove(worker)
    by_target = {name: {"inputs": c.total(), **dict(sorted(c.items()))} for name, c in counts.items()}
    total = sum(counts.values(), Counter[str]())
    return {
        "inputs": total.total(), **{k: total[k] for k in ("input_errors", "accepted", "other", "crashes",
        "hangs", "silent")},
        "seed": seed, "minutes": round(seconds / 60, 2), "processes": processes, "targets": by_target,
        "faults": faults,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure, or repeat one input here."""
    from fuzz_targets import TARGETS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--inputs", type=int, default=None, help="stop after so many")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), default=list(TARGETS), metavar="TARGET")
    parser.add_argument(
        "--number", type=int, default=None, help="repeat one input of one target in this process"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.number is not None:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            attempts = {options.only[0]: TARGETS[options.only[0]].prepare(home)}
            print(*attempt_one(options.only[0], options.seed, options.number, attempts, home), sep="\n")
        return
    result = run(60 * options.minutes, options.inputs, options.seed, options.processes, options.only)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        for name, c in result["targets"].items():
            print(f"{name:20}", "  ".join(f"{k} {v}" for k, v in c.items()))
        print(
            *(
                f"{k} {result[k]}"
                for k in ("inputs", "input_errors", "accepted", "other", "crashes", "hangs", "silent")
            )
        )


if __name__ == "__main__":
    main()
