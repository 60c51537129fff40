"""The conditions of ``benchmarks/robustness.py`` and ``benchmarks/working_point.py``."""

import sys
from dataclasses import asdict

import pytest

from smartpix.simulate.options import SimulateOptions
from tests.helpers import REPOSITORY
from tracking.options import from_mapping

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import robustness
import working_point


def differences(made, standard):
    """Options that differ, by their full names."""
    names = []
    for key, value in asdict(made).items():
        before = asdict(standard)[key]
        if isinstance(value, dict):
            names += [f"{key}.{name}" for name in value if value[name] != before[name]]
        elif value != before:
            names.append(key)
    return names


@pytest.mark.parametrize("name", robustness.CONDITIONS)
def test_each_condition_differs_in_one_thing(name):
    condition = robustness.CONDITIONS[name]
    made = from_mapping(robustness.STANDARD, condition.simulation, "condition")
    changed = differences(made, robustness.STANDARD)
    elsewhere = bool(condition.dead_modules)
    assert len(changed) + elsewhere == (name != "standard")


def test_relative_conditions_are_ten_per_cent_off():
    for name in ("bias", "temperature", "Lorentz angle", "charge"):
        for sign, scale in (("+", 1.1), ("-", 0.9)):
            (value,) = robustness.CONDITIONS[f"{name} {sign} 10 %"].simulation.items()
            assert value[1] / getattr(robustness.STANDARD, value[0]) == pytest.approx(scale)


def test_points_say_threshold_and_slices():
    made = working_point.simulation("450/3,19", 200)
    assert (made.readout.threshold, made.readout.slices, made.generate.pileup) == (450.0, (3, 19), 200)
    assert differences(made, SimulateOptions()) == ["readout.threshold", "readout.slices"]
    assert working_point.simulation("400/2,19", 200) == SimulateOptions()
    ideal = working_point.simulation("ideal", 0)
    assert (ideal.readout.clock, ideal.readout.threshold_dispersion, ideal.beam_spot.sigma_t) == (
        "crossing",
        0.0,
        0.0,
    )
