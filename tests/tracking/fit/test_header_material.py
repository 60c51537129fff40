"""The fit's material against that of the simulation."""

from dataclasses import asdict, replace

import pytest

from smartpix.io.events import Header
from smartpix.material import Material
from tests.helpers import one_module_detector
from tracking.fit.header_material import other_material
from tracking.fit.options import FitOptions

THIN = Material(sensor=0.002, support=0.0, pipe=0.0)


def header(material, engine="own"):
    options = {"transport": {"engine": engine, "material": asdict(material)}}
    return Header(one_module_detector(), 2.0, (0,), {"options": options})


def test_other_material_is_told_with_what_to_set():
    line = other_material(header(THIN), FitOptions())
    assert "--set fit.sensor=0.002 --set fit.support=0 --set fit.pipe=0" in line
    assert "\n" not in line
    layers = replace(THIN, layers=(0.01, 0.02))
    assert "--set fit.layers=[0.01, 0.02]" in other_material(header(layers), FitOptions())
    # Whole numbers, as JSON or a user may have them.
    whole = header(replace(THIN, support=0, pipe=0))
    assert "--set fit.support=0 --set fit.pipe=0" in other_material(whole, FitOptions())


@pytest.mark.parametrize(
    ("made", "fit"),
    [
        (header(Material()), FitOptions()),
        (header(THIN), FitOptions(sensor=0.002, support=0.0, pipe=0.0)),
        # Where there is no pipe, its radius does not matter.
        (header(replace(THIN, pipe_radius=50.0)), FitOptions(sensor=0.002, support=0.0, pipe=0.0)),
        # As the line prints it.
        (
            header(replace(THIN, sensor=0.0005224660397)),
            FitOptions(sensor=0.000522466, support=0.0, pipe=0.0),
        ),
        # Fatras has the generic detector's.
        (header(THIN, "fatras"), FitOptions()),
        (Header(one_module_detector(), 2.0, (0,)), FitOptions()),
    ],
)
def test_the_same_material_and_headers_that_do_not_say_are_silent(made, fit):
    assert other_material(made, fit) is None
    assert (other_material(header(THIN, "fatras"), FitOptions(sensor=0.002)) is None) is False
