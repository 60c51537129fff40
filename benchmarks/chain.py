"""The whole chain on the embedded sample, on pile-up 200 and on the TrackML event; writes
benchmarks/results/chain-*.json.

    python benchmarks/chain.py [sample] [pu200] [trackml]

Inside the clock of ms_per_event: one thread, clusters in memory, after one event of warm-up; see
docs/concepts.md. pu200 is simulated first (3 events, seed 7). trackml needs the event's folder at
../shared/data/trackml_event1.
"""

import json
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TRACKML = ROOT.parent / "shared" / "data" / "trackml_event1"
SMARTPIX = Path(sys.executable).with_name("smartpix")


def peak_memory(process: subprocess.Popen[str], out: list[float]) -> None:
    """Largest resident memory of a process in MB, sampled every 50 ms."""
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            out[0] = max(out[0], watched.memory_info().rss / 1e6)
        except psutil.NoSuchProcess:
            return
        time.sleep(0.05)


def smartpix(*arguments: str) -> tuple[dict[str, object], float]:
    """Run a smartpix command with --json: its object and its peak memory in MB."""
    command = [str(SMARTPIX), *arguments, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    peak = [0.0]
    watcher = threading.Thread(target=peak_memory, args=(process, peak))
    watcher.start()
    stdout, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return json.loads(stdout), peak[0]


def main(names: list[str]) -> None:
    """Measure the named inputs."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name == "sample":
                files: list[str] = []
            elif name == "pu200":
                files = [f"{folder}/pu200.root"]
                smartpix(
                    "simulate", "events", "--pileup", "200", "--events", "3", "--seed", "7", "-o", files[0]
                )
            elif name == "trackml":
                if not TRACKML.is_dir():
                    print("trackml: ../shared/data/trackml_event1 is not there, left out", file=sys.stderr)
                    continue
                files = [f"{folder}/trackml.root"]
                smartpix("convert", "trackml", str(TRACKML), "-o", files[0])
            else:
                raise SystemExit(f"unknown input '{name}'; use sample, pu200, trackml")
            result, peak = smartpix("run", *files, "-o", f"{folder}/{name}", "--no-figures")
            result |= {
                "files": name,
                "peak_mb": round(peak),
                "machine": platform.processor() or platform.machine(),
            }
            result["remake"] = f"python benchmarks/chain.py {name}"
            (RESULTS / f"chain-{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:] or ["sample", "pu200", "trackml"])
