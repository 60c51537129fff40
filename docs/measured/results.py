"""Files of results, and what all that is made of them shares."""

import functools
import json
from pathlib import Path

from seeding.cones import ConeOptions
from tracking.bench import trkx_table
from tracking.finders.gnn.options import WIDE
from tracking.metrics import share_interval

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
SEARCH, CHAIN = (f"{100 * options.quantile:.6g} %" for options in (ConeOptions(), WIDE))
"""What the cones hold of the search alone, and of the graph network's tracks."""
WORDS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TARGETS = {"x_um": "x", "y_um": "y", "alpha_deg": "alpha", "beta_deg": "beta"}


@functools.cache
def results(name: str) -> dict:
    """One file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def with_interval(rate: float, total: int) -> str:
    """A rate of ``total`` with its 68 % Clopper-Pearson interval.

    Raises:
        ValueError: the rate is not that of a whole number.
    """
    passed = round(rate * total)
    if abs(passed - rate * total) > 1e-6 * total:
        raise ValueError(f"{rate} is no rate of {total}")
    low, high = share_interval(passed, total)
    return f"{rate:.4f} ({low:.4f}-{high:.4f})"


def with_error(value: float | None, error: float | None, digits: int = 4) -> str:
    """A number and its error, or a dash."""
    return trkx_table.with_error(value, error, digits, "±")


def spelled(number: int) -> str:
    """A small number as a word."""
    return WORDS[number]


def number(value: float | None, form: str) -> str:
    """A number, or nothing."""
    return "" if value is None else format(value, form)
