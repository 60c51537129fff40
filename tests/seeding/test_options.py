"""Priors of the search follow the beam spot, where nobody set them."""

from dataclasses import replace

import pytest

from seeding.options import ConeOptions, WindowOptions
from smartpix.beam import CENTRED, BeamSpot

SHORT = BeamSpot(sigma_z=35.0)


def test_the_nominal_beam_changes_nothing():
    cone, window = ConeOptions(), WindowOptions()
    assert cone.at_beam(CENTRED) is cone
    assert window.at_beam(CENTRED) is window
    assert cone.at_beam(replace(CENTRED, x=1.0, sigma_t=180.0)) is cone


def test_the_length_is_that_of_the_beam_unless_it_is_set():
    assert ConeOptions().at_beam(SHORT) == ConeOptions(sigma_z0=35.0)
    assert WindowOptions().at_beam(SHORT) == WindowOptions(max_z0=105.0)
    for options in (ConeOptions(sigma_z0=80.0), WindowOptions(max_z0=200.0)):
        assert options.at_beam(SHORT) is options
    assert ConeOptions().at_beam(BeamSpot(sigma_z=0.0)).sigma_z0 == 1.0


def test_a_wider_beam_widens_the_impact_parameter_and_a_narrower_one_leaves_it():
    wide = ConeOptions().at_beam(BeamSpot(sigma_x=0.1))
    assert wide.sigma_d0**2 == pytest.approx(0.05**2 + 0.1**2 - 0.0125**2)
    narrow = BeamSpot(sigma_x=0.001, sigma_y=0.001)
    assert ConeOptions().at_beam(narrow).sigma_d0 == 0.05
