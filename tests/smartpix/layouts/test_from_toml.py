"""Layouts of one's own: what is read, and that unknown words are answered with the nearest."""

import dataclasses

import numpy as np
import pytest

from smartpix.layouts.checks import colliding
from smartpix.layouts.from_toml import read_layout
from smartpix.layouts.make import make_layout
from smartpix.layouts.named import named_detector
from smartpix.layouts.options import Cylinder, Disk, Plane
from smartpix.schema import InputError
from tests.helpers import REPOSITORY

OWN = """
[sensor]
thickness = 0.15

[material]
support = 0.005

[[cylinder]]
radius = 40
length = 200
module_length = 50

[[cylinder]]
radius = 80
length = 200
module_length = 50

[[disk]]
z = [150, 200.0]
radius = 60
"""


def test_a_layout_is_read_with_defaults_for_what_it_leaves_out(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    layout = read_layout(path)
    assert layout.sensor.thickness == 0.15
    assert layout.cylinder[1] == Cylinder(radius=80, length=200, module_length=50)
    assert layout.disk == (Disk(z=(150, 200.0), radius=(60,)),)
    made = named_detector(path, {"pitch_v": 0.1})
    assert made.material is not None
    assert made.material.support == 0.005
    expected = make_layout(
        dataclasses.replace(layout, sensor=dataclasses.replace(layout.sensor, pitch_v=0.1))
    )
    for name, values in expected.columns.items():
        np.testing.assert_array_equal(made.detector.columns[name], values)
    assert len(made.detector.layers) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[cilinder]]\nradius = 3", "unknown section 'cilinder'. Did you mean 'cylinder'"),
        ("[[cylinder]]\nradus = 3", "cylinder 1: unknown option 'radus'. Did you mean 'radius'"),
        ("[cylinder]\nradius = 3", r"write \[\[cylinder\]\] above each"),
        ("[[cylinder]]\nradius = -3", "cylinder 1: .*radius must be from 0.1"),
        ("[[cylinder]]\nradius = 'x'", "radius must be of type float"),
        ("sensor = 3", r"write \[sensor\] and its options below it"),
        ("[[disk]]\nradius = [50.0, 60.0]\nmodules = [1, 2, 3]", "one value, or one for each of the 2 rings"),
        ("[[plane]]\nz = []", "one or more values"), ("[[plane]\n", "is no TOML"), ("", "has no layers"),
    ],
)  # fmt: skip
def test_mistakes_in_a_layout_are_named(tmp_path, text, message):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        named_detector(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no\.toml"):
        named_detector(tmp_path / "no.toml")
    assert Plane().columns == 1


def test_the_example_is_a_detector_whose_modules_leave_one_another_room():
    made = named_detector(REPOSITORY / "examples/own_detector.toml")
    assert len(made.detector.layers) == 8
    assert len(colliding(made.detector)) == 0
