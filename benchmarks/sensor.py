"""Clusters per second and core of the sensor simulation; writes benchmarks/results/sensor.json.

    python benchmarks/sensor.py

Inside the clock: processor time of one process from tracks to noise-free charge in 20 slices, after
compilation and tabulation; median of 5 runs of 5,000 clusters. ``2s`` is data set 2s, type 2 (cot alpha up to
8, path 290 um on average), ``perpendicular`` has |cot alpha| < 0.1.
"""

import json
import platform
import time
from pathlib import Path

import numpy as np

from smartpix.simulate.datasets import DatasetOptions, simulate_dataset

RESULTS = Path(__file__).resolve().parent / "results"
CASES = {
    "2s": DatasetOptions(),
    "2s, full induction": DatasetOptions(induction="full"),
    "perpendicular": DatasetOptions(max_cot_alpha=0.1),
    "2s, slices 0 and 19": DatasetOptions(slices=(0, 19)),
}
N, RUNS = 5000, 5


def main() -> None:
    """Measure all cases."""
    result: dict[str, object] = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "clusters_per_second": {},
    }
    for name, options in CASES.items():
        simulate_dataset(options, 10, 1)
        rates = []
        for run in range(RUNS):
            started = time.process_time()
            simulate_dataset(options, N, run)
            rates.append(N / (time.process_time() - started))
        result["clusters_per_second"][name] = round(float(np.median(rates)))  # type: ignore[index]
        print(f"{name:24s}{np.median(rates):10.0f} clusters / s")
    (RESULTS / "sensor.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
