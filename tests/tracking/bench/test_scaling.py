import json
import os
import subprocess
import sys

import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import REPOSITORY
from tracking.bench import scaling
from tracking.bench.scaling import ScalingOptions, memory_growth, power
from tracking.bench.scaling_table import plot_scaling, scaling_table
from tracking.cli.main import main


def test_a_power_is_found_whatever_its_factor():
    sizes = np.array([5e3, 1.5e4, 5e4, 1e5])
    assert power(sizes, 3e-7 * sizes**1.3) == pytest.approx(1.3, abs=1e-12)
    assert power(sizes, np.full(4, 7.0)) == pytest.approx(0, abs=1e-12)
    # A stage that an event has not, or a memory that the kernel does not tell.
    assert power(sizes, [0.0, 1.0, 2.0, 3.0]) is None
    assert power(sizes, [np.nan, 1.0, 2.0, 3.0]) is None


LEAKING = """
import numpy as np
from smartpix.shipped import data_path
from tracking.bench import scaling

earlier = [np.ones(1_000_000) for _ in range(60)]
del earlier
kept, event = [], scaling.Chain.event

def leaking(chain, number, clusters):
    kept.append(np.ones(1_000_000))
    return event(chain, number, clusters)

scaling.Chain.event = leaking
growth, readings = scaling.memory_growth(data_path("sample.root"), 40)
print(growth, *(n for n, _ in readings))
"""


def test_memory_that_each_event_leaves_behind_is_found():
    """Also by a process that keeps what it freed before: 480 MB, of which the leak would take 320."""
    keeps = {"MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_MMAP_THRESHOLD_": str(1 << 32)}
    done = subprocess.run(
        [sys.executable, "-c", LEAKING], env=os.environ | keeps, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )  # fmt: skip
    growth, *numbers = done.stdout.split()
    assert numbers == ["10", "20", "30", "40"]
    # 8 MB an event.
    assert float(growth) == pytest.approx(7630, rel=0.3)


def test_a_file_without_events_has_no_memory_to_measure(tmp_path):
    opened = open_events(data_path("sample.root"))
    path = tmp_path / "empty.root"
    write_events(path, opened.header, iter(()))
    with pytest.raises(InputError, match="no events"):
        memory_growth(path, 40)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"events": 0}, "events"),
        ({"threads": 0}, "threads"),
        ({"processes": 0}, "processes"),
        ({"memory_events": 20}, "memory_events"),
        ({"pileups": (200,)}, "pileup"),
    ],
)
def test_options_that_measure_nothing_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        ScalingOptions(**options)


def test_a_size_that_cannot_be_is_refused_before_anything_is_simulated():
    pytest.importorskip("acts")
    said = []
    with pytest.raises(InputError, match="gun"):
        scaling.bench_scaling(ScalingOptions(guns=(100, 2_000_000)), said.append)
    assert said == []


def test_every_stage_has_its_time_its_power_and_its_speed(capsys, tmp_path):
    pytest.importorskip("acts")
    arguments = [
        "--pileup",
        "2,8",
        "--gun",
        "20,60",
        "--events",
        "1",
        "--memory-events",
        "30",
        "--seed",
        "9001",
    ]
    assert main(["bench", "scaling", *arguments, "-o", str(tmp_path / "out"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    stages = {"estimate", "split", "hits", "cone", "seed", "graph", "build", "fit", "vertex"}
    assert [point["sample"] for point in result["points"]] == ["pileup 2", "pileup 8", "gun 20", "gun 60"]
    for point in result["points"]:
        assert set(point["ms"]) == stages
        assert min(point["ms"].values()) > 0
        assert point["ms_total"] == pytest.approx(sum(point["ms"].values()))
        assert point["events_per_second"] == pytest.approx(1000 / point["ms_total"])
    hits = [point["hits"] for point in result["points"]]
    assert 0 < hits[0] < hits[1]
    assert 0 < hits[2] < hits[3]
    low, high = result["points"][:2]
    for stage in stages:
        expected = np.log(high["ms"][stage] / low["ms"][stage]) / np.log(hits[1] / hits[0])
        assert result["exponents"][stage] == pytest.approx(expected)
    assert set(result["gun_exponents"]) == set(result["exponents"]) == stages | {"total", "memory"}
    assert set(result["thread_speedup"]) == stages | {"total"}
    rate = high["events_per_second"] * result["process_speedup"] / result["n_processes"]
    assert result["node_events_per_second"]["64"] == pytest.approx(64 * rate)
    assert [n for n, _ in result["memory_mb"]] == [10, 20, 30]
    assert isinstance(result["mb_per_1000_events"], float)
    assert json.loads((tmp_path / "out" / "bench-scaling.json").read_text()) == result
    assert (tmp_path / "out" / "scaling.png").stat().st_size > 10_000
    assert "MB per 1,000 events" in scaling_table(result)


def test_without_a_gun_and_without_the_memory_table_and_figure_say_the_rest(tmp_path):
    stages = ("estimate", "hits")
    point = {"hits": 1000.0, "edges": 10.0, "tracks": 3.0, "ms": dict.fromkeys(stages, 1.0), "ms_total": 2.0,
             "mb": 1.0, "events_per_second": 500.0}  # fmt: skip
    exponents = {"estimate": 1.02, "hits": 0.9, "total": 1.0, "memory": None}
    result = {
        "points": [{"sample": "pileup 20"} | point, {"sample": "pileup 60"} | point | {"hits": 3000.0}],
        "exponents": exponents, "gun_exponents": None, "thread_speedup": dict.fromkeys((*stages, "total"), 1.5),
        "n_threads": 2, "n_processes": 2, "process_speedup": 1.9, "node_events_per_second": {"64": 30_400.0},
        "mb_per_1000_events": None, "memory_mb": None,
    }  # fmt: skip
    text = scaling_table(result)
    assert "1.02" in text
    assert "30,400 on 64 cores" in text
    assert "the gun's" not in text
    plot_scaling(tmp_path / "a.png", result)
    assert (tmp_path / "a.png").stat().st_size > 5_000
