"""The chain and its training on detectors of few layers and with priors of beams of particles."""

from dataclasses import replace

import pytest

from smartpix.beam import BeamSpot
from smartpix.io.events import Header, open_events
from smartpix.layouts.make import make_layout
from smartpix.layouts.presets import barrel3, telescope
from smartpix.schema import InputError
from tracking.beam_spot import find_beam_spot
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.finders.gnn.options import WIDE, TrainGnnOptions
from tracking.finders.gnn.training_graphs import load_graphs
from tracking.finders.options import BuildOptions
from tracking.options import RunOptions

STANDARD = {"thickness": 0.1, "pitch_u": 0.0125, "pitch_v": 0.05}
"""Of the sensor that the shipped estimates are of."""
SLICES = (2, 19)


def of_standard_sensors(preset):
    """A preset's modules with that sensor."""
    layout = preset()
    return make_layout(replace(layout, sensor=replace(layout.sensor, **STANDARD)))


def test_more_clusters_than_the_detector_has_layers_are_told():
    header = Header(of_standard_sensors(barrel3), 3.8, SLICES)
    told = Chain.for_header(header, RunOptions()).warnings
    assert sum("the detector has 3 layers, findable_layers is 4" in line for line in told) == 1
    three = RunOptions(findable_layers=3, build=BuildOptions(min_hits=3))
    assert not any("layers" in line for line in Chain.for_header(header, three).warnings)


def test_the_chain_searches_about_what_the_prior_says():
    header = Header(of_standard_sensors(telescope), 3.8, SLICES)
    assert Chain.for_header(header, RunOptions()).header.detector.frame == header.beam_spot
    with pytest.raises(InputError, match=r"3\.8 T along the beam of particles"):
        Chain.for_header(header, RunOptions(cone=replace(WIDE, prior="direction")))


def test_a_beam_of_particles_has_no_luminous_region_to_be_found():
    chain = Chain.for_header(Header(of_standard_sensors(barrel3), 3.8, SLICES), RunOptions())
    along = replace(chain, header=replace(chain.header, beam_spot=BeamSpot(distance=1e4)))
    with pytest.raises(InputError, match="has no luminous region"):
        find_beam_spot(along, [])


def test_the_graphs_of_a_training_are_about_what_the_prior_says(tmp_path, capsys):
    path = tmp_path / "beam.root"
    flags = ("--pitch-u", "0.0125", "--pitch-v", "0.05", "--thickness", "0.1", "--field", "3.8")
    beam = ("--set", "generate.beam.particles=4", "--events", "3", "--seed", "3")
    assert main(["simulate", "events", "--detector", "telescope", *flags, *beam, "-o", str(path)]) == 0
    assert open_events(path).header.beam_spot.distance == 0
    with pytest.raises(InputError, match=r"3\.8 T along the beam of particles"):
        load_graphs(path, TrainGnnOptions(cone=replace(WIDE, prior="none")))
