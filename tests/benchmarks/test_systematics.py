"""Studies of systematics, joined by ``benchmarks/systematics.py``."""

import sys

import pytest

from smartpix.schema import InputError
from tests.helpers import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import systematics


def study(pileup, **effects):
    return {
        "sample": {"pileup": pileup},
        "nominal": {"n": pileup},
        "units": dict.fromkeys(effects, "%"),
        "effects": effects,
    }


def test_each_effect_keeps_its_sample():
    both = systematics.joined([study(60, shift={"5": 1}, field={"1": 2}), study(200, shift={"20": 3})])
    assert both["effects"] == {"shift": {"5": 1, "20": 3}, "field": {"1": 2}}
    assert both["sample_of"] == {"shift": {"5": 0, "20": 1}, "field": {"1": 0}}
    assert [n["n"] for n in both["nominal"]] == [60, 200]


def test_a_size_in_two_studies_is_refused():
    with pytest.raises(InputError, match="shift 20 is in two studies"):
        systematics.joined([study(60, shift={"20": 1}), study(200, shift={"20": 2})])
