"""One side of benchmarks/against.py: the chain of the tree on PYTHONPATH, on some files, as often as asked.

    PYTHONPATH=TREE python benchmarks/against_probe.py EVENTS SETTINGS FILE...

SETTINGS is a JSON object: options of a run, by the name of the setting. Prints one JSON object after a round
of warm-up in each, with sums of what the chain made. Each line of standard input then names a setting, and is
answered by a JSON object with the times of a round. It must run with every revision: names that have moved
have a fallback.
"""

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Iterator

import numpy as np

from smartpix.io import iterate

try:
    from tracking.chain import Chain
except ModuleNotFoundError as error:
    if error.name != "tracking.chain":
        raise
    from tracking.pipeline import Chain  # the same, before it moved
from tracking.options import RunOptions

# The chain reads this clock between its stages. Wall time would count what else the machine does.
time.perf_counter = time.process_time

MOVED = {"scores"}
"""Results that are told apart by their name alone: the class that holds them differs between revisions."""


def numbers(value: object) -> Iterator[tuple[str, bytes]]:
    """Name, as ``Edges.source``, and content of every array and number in nested dataclasses; no times."""
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if dataclasses.is_dataclass(content):
            yield from numbers(content)
        elif isinstance(content, (np.ndarray, int, float)):
            name = field.name if field.name in MOVED else f"{type(value).__name__}.{field.name}"
            array = np.ascontiguousarray(content)
            yield name, repr((array.dtype.str, array.shape)).encode() + array.tobytes()


def one_round(files: list[str], most: int, options: RunOptions) -> tuple[dict[str, float], dict[str, str]]:
    """Processor time in ms by stage, and a sum of each of the chain's results, of all events together."""
    ms: dict[str, float] = {}
    sums: dict[str, hashlib._Hash] = {}
    begin = time.process_time()
    read = [(file, event) for file, events in iterate(files, stop=most) for event in events]
    ms["read"] = 1e3 * (time.process_time() - begin)
    chain = Chain.for_header(read[0][0].header, options, report=lambda line: None)
    for _, event in read:
        begin = time.process_time()
        result = chain.event(int(event["event"]), event["clusters"])
        ms["chain"] = ms.get("chain", 0.0) + 1e3 * (time.process_time() - begin)
        for stage, spent in result.ms.items():
            ms[stage] = ms.get(stage, 0.0) + spent
        for name, content in numbers(result):
            sums.setdefault(name, hashlib.sha256()).update(content)
    return ms, {name: value.hexdigest() for name, value in sums.items()}


def main(most: int, settings: dict[str, dict[str, str]], files: list[str]) -> None:
    """Answer rounds until standard input ends."""
    options = {name: RunOptions(**values) for name, values in settings.items()}
    sums = {name: one_round(files, most, of_setting)[1] for name, of_setting in options.items()}
    home = str(sys.modules[Chain.__module__].__file__)
    print(json.dumps({"home": home, "sums": sums}), flush=True)
    for line in sys.stdin:
        print(json.dumps(one_round(files, most, options[line.strip()])[0]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
