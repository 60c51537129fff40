"""The cases of ``benchmarks/detectors.py``: seeds differ, and results are of them."""

import json
import shlex
import sys

import pytest

from tests.helpers import REPOSITORY
from tracking.cli.main import parser

sys.path.append(str(REPOSITORY / "benchmarks"))
from detectors import CASES, NUMBERS, made, measured

RESULTS = REPOSITORY / "benchmarks/results/detectors.json"
LIMITS = {
    "odd": (0.985, 0.01),
    "itk": (0.99, 0.11),
    "itk, shipped sensor": (0.985, 0.1),
    "muon-collider": (0.97, 0.02),
    "itk, five hits": (0.98, 0.015),
}
"""Least efficiency and most fakes; of small trainings, the layouts after ITk and of a muon collider are looser."""


def flag(command, name):
    """The word after a flag."""
    words = shlex.split(command)
    return words[words.index(name) + 1] if name in words else None


@pytest.mark.parametrize("name", CASES)
def test_no_two_samples_of_a_case_share_a_seed_and_the_last_command_is_a_run(name):
    for command in CASES[name]:
        parser().parse_args(shlex.split(command)[1:])
    seeds = [seed for command in CASES[name] if (seed := flag(command, "--seed"))]
    assert len(seeds) == len(set(seeds))
    assert all(int(seed) < 700_000 for seed in seeds)
    assert CASES[name][-1].startswith("smartpix run ")


def test_results_are_of_these_commands():
    kept = json.loads(RESULTS.read_text("utf-8"))["cases"]
    assert {name: case["commands"] for name, case in kept.items()} == CASES
    for name, case in kept.items():
        efficiency, fakes = LIMITS.get(name, (0.98, 0.01))
        assert case["track_efficiency"] >= efficiency, name
        assert case["fake_rate"] <= fakes, name


def test_what_is_there_is_not_made_again_and_a_summary_gives_the_numbers(tmp_path):
    (tmp_path / "run-b3").mkdir()
    (tmp_path / "run-b3/summary.json").write_text("{}", "utf-8")
    assert made("smartpix run x.root -o run-b3", tmp_path) == tmp_path / "run-b3/summary.json"
    options = {
        "cone": {"prior": "none", "sigma_slope": 0.1, "quantile": 0.9, "min_pt": 2.0, "skips": False},
        "findable_layers": 3, "build": {"min_hits": 3},
    }  # fmt: skip
    summary = {"options": options, **{name: k for k, name in enumerate(NUMBERS)}}
    (tmp_path / "run-b3/summary.json").write_text(json.dumps(summary), "utf-8")
    case = measured(["smartpix run x.root -o run-b3"], tmp_path)
    assert case["cone"] == {"prior": "none", "sigma_slope": 0.1, "quantile": 0.9, "min_pt": 2.0}
    assert (case["findable"]["layers"], case["min_hits"]) == (3, 3)
    assert [case[name] for name in NUMBERS] == list(range(len(NUMBERS)))
