"""`kill -9` at random moments of each command that writes, then the same command again; writes
benchmarks/results/kill.json.

    python benchmarks/kill.py [--json] [--rounds 20] [--seed 16] [COMMAND ...]

Commands: run, run-dask, simulate, convert, train (all by default); simulate needs `smartpix[acts]`, run-dask
    `smartpix[dask]`.

Of each command the undisturbed result is made first, twice: the first time compiles. Then, until there are as
many kills as rounds, the command is begun in a new folder and killed at a moment drawn evenly from its
duration: in every second round the main process alone, so that its children are
orphans, and else all its processes. What is counted: `kills`, `too_late` (it had ended before: another
moment is drawn, from the shorter duration), `restarts_equal` (the same command then succeeds, and
every file has the bytes of the undisturbed result, but for the times in times.json), `leftovers` (names of
files that the undisturbed command does not leave, in its folder or in the folder for temporary files),
`processes_left` (that live on ten seconds after the kill, or after the end of the restart). A quiet machine
takes a quarter of an hour for 100 kills.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "kill.json"
SMARTPIX = Path(sys.executable).with_name("smartpix")
SAMPLE = ROOT / "data" / "sample.root"
TIMES = "times.json"
"""The one file whose content differs from run to run."""
PATIENCE = 10.0
"""Seconds after which a process that lives on counts as left."""
LONGEST = 600
"""Seconds after which a command hangs."""
MOST_TRIES = 3
"""Times the rounds: so often a command is begun at most."""
WHOSE = "SMARTPIX_KILL_ROUND"

COMMANDS = {
    "run": ["run", str(SAMPLE), "-o", "out", "--events-per-unit", "1", "--write", "tracks.parquet",
    "--write", "tracks.csv"],
    "run-dask": ["run", str(SAMPLE), "-o", "out", "--events-per-unit", "1", "--no-figures", "--dask",
    "local", "--workers", "2"],
    "simulate": ["simulate", "events", "--pileup", "3", "--events", "12", "--seed", "5", "-o", "events.root"],
    "convert": ["convert", str(SAMPLE), "-o", "converted.root"],
    "train": [
        "train", "mdn", "../clusters.parquet", "--region", "barrel", "--epochs", "6", "--batch-size", "256",
        "-o", "w.safetensors",
    ],
}  # fmt: skip


class Round:
    """One folder in which a command is run, and the processes that came of it."""

    def __init__(self, parent: Path, name: str) -> None:
        self.folder, self.temporary = parent / name, parent / f"{name}-tmp"
        self.folder.mkdir()
        self.temporary.mkdir()
        self.mark = uuid.uuid4().hex

    def begin(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own."""
        environment = {**os.environ, WHOSE: self.mark, "TMPDIR": str(self.temporary)}
        return subprocess.Popen(
            [str(SMARTPIX), *command], cwd=self.folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self, command: list[str]) -> str | None:
        """Run it to its end; what it says if it fails."""
        process = self.begin(command)
        try:
            said = process.communicate(timeout=LONGEST)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            process.kill()
            return f"did not end within {LONGEST} s"
        return None if process.returncode == 0 else said[-500:]

    def living(self) -> list[psutil.Process]:
        """Processes that came of it, known by their environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(WHOSE) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def left(self) -> list[psutil.Process]:
        """Those that still live when there was time to end."""
        until = time.monotonic() + PATIENCE
        while (found := self.living()) and time.monotonic() < until:
            time.sleep(0.2)
        return found

    def files(self) -> dict[str, bytes]:
        """Content of all files in its folder."""
        return {
            str(p.relative_to(self.folder)): p.read_bytes()
            for p in sorted(self.folder.rglob("*"))
            if p.is_file()
        }

    def names(self) -> set[str]:
        """Of everything in its folder, and of what lies in the folder for temporary files."""
        inside = {str(p.relative_to(self.folder)) for p in self.folder.rglob("*")}
        return inside | {f"TMPDIR/{p.relative_to(self.temporary)}" for p in self.temporary.rglob("*")}

    def drop(self) -> None:
        """Remove both folders."""
        shutil.rmtree(self.folder)
        shutil.rmtree(self.temporary)


def same(one: dict[str, bytes], two: dict[str, bytes]) -> bool:
    """Whether both have the same files with the same bytes, but for the times."""
    return one.keys() == two.keys() and all(
        one[name] == two[name] for name in one if Path(name).name != TIMES
    )


def measure(parent: Path, name: str, rounds: int, moments: random.Random) -> dict[str, Any]:
    """Kill one command again and again."""
    command = COMMANDS[name]
    undisturbed = Round(parent, f"{name}-whole")
    for _ in range(2):
        undisturbed.drop()
        undisturbed = Round(parent, f"{name}-whole")
        began = time.monotonic()
        if (said := undisturbed.finish(command)) is not None:
            raise SystemExit(f"{name}: failed undisturbed: {said}")
        seconds = time.monotonic() - began
    whole_files, whole_names = undisturbed.files(), undisturbed.names()
    counts: dict[str, Any] = {
        "command": "smartpix " + " ".join(Path(word).name if word == str(SAMPLE) else word for word in command),
        "seconds": round(seconds, 2), "kills": 0, "too_late": 0, "restarts_equal": 0, "leftovers": [],
        "processes_left": 0,
        "failures": [],
    }  # fmt: skip
    for k in range(MOST_TRIES * rounds):
        if counts["kills"] == rounds:
            break
        killed = Round(parent, f"{name}-{k}")
        moment = moments.uniform(0.0, seconds)
        process = killed.begin(command)
        time.sleep(moment)
        if process.poll() is not None:
            # It takes less than this now: the machine was busier when the command was timed.
            seconds = moment
            counts["too_late"] += 1
            process.wait()
            killed.drop()
            continue
        if counts["kills"] % 2:
            # Its session has the number of its first process.
            for one in killed.living():
                if one.pid != process.pid:
                    one.kill()
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts["kills"] += 1
        orphans = killed.left()
        said = killed.finish(command)
        if said is None and same(whole_files, killed.files()):
            counts["restarts_equal"] += 1
        else:
            different = [
                n
                for n, content in killed.files().items()
                if Path(n).name != TIMES and whole_files.get(n) != content
            ]
            counts["failures"].append(
                {"round": counts["kills"], "moment": round(moment, 2), "said": said, "different": different}
            )
        counts["leftovers"] += sorted(killed.names() - whole_names)
        orphans += [one for one in killed.left() if one not in orphans]
        counts["processes_left"] += len(orphans)
        for one in orphans:
            one.kill()
        killed.drop()
        print(
            f"{name} {counts['kills']}/{rounds}: killed at {moment:.2f} of {seconds:.2f} s, {counts['restarts_equal']} "
            f"equal",
            file=sys.stderr,
        )
    undisturbed.drop()
    return counts


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description="kill -9 at random moments, and the same command again")
    parser.add_argument(
        "commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)}; default: all"
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=16, help="of the moments")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="F.json")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    options = parser.parse_args()
    chosen = options.commands or list(COMMANDS)
    if unknown := set(chosen) - set(COMMANDS):
        parser.error(f"unknown: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        parent = Path(name)
        if "train" in chosen:
            made = [
                "simulate",
                "clusters",
                "--dataset",
                "2s",
                "-n",
                "3000",
                "--seed",
                "1",
                "--slices",
                "0",
                "19",
            ]
            subprocess.run(
                [str(SMARTPIX), *made, "-o", str(parent / "clusters.parquet")],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        counts = {
            name: measure(parent, name, options.rounds, random.Random(f"{options.seed} {name}"))
            for name in chosen
        }
    sums = {
        what: sum(one[what] for one in counts.values())
        for what in ("kills", "restarts_equal", "processes_left")
    }
    sums["leftovers"] = sum(len(one["leftovers"]) for one in counts.values())
    result = {
        "rounds": options.rounds, "seed": options.seed, "cores": os.cpu_count(),
        "python": platform.python_version(), **sums,
        "commands": counts,
    }  # fmt: skip
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(result))
    else:
        for name, one in counts.items():
            print(f"{name:10s} {one['kills']} kills, {one['restarts_equal']} restarts equal, "
                  f"{len(one['leftovers'])} leftovers, {one['processes_left']} processes left")  # fmt: skip


if __name__ == "__main__":
    main()
