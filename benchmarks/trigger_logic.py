"""Size of the trigger's interaction network in logic against the cycles between two sectors.

    python benchmarks/trigger_logic.py WEIGHTS EVENTS.root [INTERVAL ...]

Each interval is simulated with verilator on 2,000 sectors of the events, and counted with yosys. Writes
benchmarks/results/trigger-logic.json; what is there of other intervals of the same weights stays.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tracking.finders.trigger.dataset import labelled_events, labelled_sectors
from tracking.finders.trigger.logic import LogicOptions, bench_graphs, write_logic
from tracking.finders.trigger.scores import load_trained
from tracking.finders.trigger.whole import FixedInteraction

RESULT = Path(__file__).parent / "results" / "trigger-logic.json"
INTERVALS = (1, 2, 4, 7, 14)
N_SECTORS = 2000


def main(weights: str, file: str, *intervals: str) -> None:
    """Measure the intervals, one after the other."""
    trained = load_trained(weights)
    assert isinstance(trained.network, FixedInteraction), "give weights in whole numbers"
    events = labelled_events(file, trained.graph)
    batches = [labelled_sectors(event, trained.sectors)[1] for event in events]
    graphs = bench_graphs(trained.network, batches, N_SECTORS)
    name = Path(weights).stem
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    rows = kept["rows"] if kept.get("weights") == name else {}
    for interval in map(int, intervals or INTERVALS):
        size = LogicOptions(trained.sectors.nodes, trained.sectors.edges, interval)
        with tempfile.TemporaryDirectory() as folder:
            rows[str(interval)] = write_logic(trained.network, Path(folder) / "rtl", graphs, size, print)
        result = {"weights": name, "bits": trained.network.data.bits, "rows": rows}
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
