"""Supports and beam pipe as surfaces, and the material of each layer."""

import numpy as np
import pytest

from smartpix.layouts.make import Layout, make_layout
from smartpix.layouts.options import Cylinder, Disk
from smartpix.material import Material, surfaces
from smartpix.schema import InputError
from tracking.fit.options import FitOptions

DETECTOR = make_layout(
    Layout(
        cylinder=tuple(Cylinder(radius=r, length=200, module_length=50) for r in (40.0, 80.0)), disk=(Disk(),)
    )
)
"""Layers in the order of volume and layer: disk at -600, two cylinders, disk at 600."""


def test_supports_lie_around_cylinders_and_in_disks():
    cylinders, disks = surfaces(
        DETECTOR, Material(support=0.02, support_gap=1.0, pipe=0.003, pipe_radius=25.0)
    )
    layers = DETECTOR.layers
    np.testing.assert_allclose(cylinders[0], [25.0, -np.inf, np.inf, 0.003])
    np.testing.assert_allclose(cylinders[1:, 0], layers.r_max[layers.barrel] + 1.0)
    np.testing.assert_allclose(cylinders[1:, 1:], [[-101.0, 101.0, 0.02]] * 2)
    np.testing.assert_allclose(disks[:, 0], [-600.0, 600.0], atol=3)
    assert np.all(disks[:, 3] == 0.02)


def test_each_layer_may_have_its_own_and_the_fit_takes_the_same():
    for options in (Material(layers=(0.1, 0.2, 0.0, 0.4)), FitOptions(layers=(0.1, 0.2, 0.0, 0.4))):
        cylinders, disks = surfaces(DETECTOR, options)
        # What has no material is left out.
        assert sorted(cylinders[:, 3]) == pytest.approx(sorted([options.pipe, 0.2]))
        np.testing.assert_allclose(disks[:, 3], [0.1, 0.4])
    with pytest.raises(InputError, match="layers has 1 values and the detector 4 layers"):
        surfaces(DETECTOR, Material(layers=(0.1,)))
    with pytest.raises(InputError, match="fit: layers must be from 0 to 10 radiation lengths and has -1"):
        FitOptions(layers=(-1.0,))
    with pytest.raises(InputError, match="material: pipe must be"):
        Material(pipe=20.0)
