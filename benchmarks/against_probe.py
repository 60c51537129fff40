"""One side of benchmarks/against.py: the chain of the tree on PYTHONPATH, on some files, as often as asked.

    PYTHONPATH=TREE python benchmarks/against_probe.py EVENTS FILE...

Prints one JSON object after a round of warm-up, with sums of what the chain made, and one with times for each
line of standard input. It must run with every revision: names that have moved have a fallback.
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


def one_round(files: list[str], most: int) -> tuple[dict[str, float], dict[str, str]]:
    """Processor time in ms by stage, and a sum of each of the chain's results, of all events together."""
    ms: dict[str, float] = {}
    sums: dict[str, hashlib._Hash] = {}
    begin = time.process_time()
    read = [(file, event) for file, events in iterate(files, stop=most) for event in events]
    ms["read"] = 1e3 * (time.process_time() - begin)
    chain = Chain.for_header(read[0][0].header, RunOptions(), report=lambda line: None)
    for _, event in read:
        begin = time.process_time()
        result = chain.event(int(event["event"]), event["clusters"])
        ms["chain"] = ms.get("chain", 0.0) + 1e3 * (time.process_time() - begin)
        for stage, spent in result.ms.items():
            ms[stage] = ms.get(stage, 0.0) + spent
        for name, content in numbers(result):
            sums.setdefault(name, hashlib.sha256()).update(content)
    return ms, {name: value.hexdigest() for name, value in sums.items()}


def main(most: int, files: list[str]) -> None:
    """Answer rounds until standard input ends."""
    _, sums = one_round(files, most)
    home = str(sys.modules[Chain.__module__].__file__)
    print(json.dumps({"home": home, "sums": sums}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(one_round(files, most)[0]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
