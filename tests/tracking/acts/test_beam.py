"""Track parameters about the z axis and about the beam line are of the same helix; ACTS about a beam."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.beam import BeamSpot
from smartpix.geometry import read_detector
from smartpix.io.write import write_events
from smartpix.schema import PARAMETERS
from smartpix.shipped import data_path
from smartpix.simulate.events import header, simulate
from smartpix.simulate.options import STANDARD_BEAM, GenerateOptions, SimulateOptions
from tracking.acts.beam import about_beam, about_z_axis
from tracking.acts.reference import acts_tracks
from tracking.bench.events import load_sample
from tracking.bench.finding import run_finder
from tracking.bench.judgement import judge, rates
from tracking.finder_table import finder_maker
from tracking.finders.tracks import Parameters
from tracking.fit.resolution import true_parameters

BEAM = BeamSpot(x=1.2, y=-0.8, z=12.0, slope_x=1e-3, slope_y=-2e-3)
FIELD = 3.8


def particles(n=200):
    rng = np.random.default_rng(5)
    phi, cot, pt = rng.uniform(-np.pi, np.pi, n), rng.uniform(-3, 3, n), rng.uniform(0.4, 5.0, n)
    momentum = pt[:, None] * np.column_stack([np.cos(phi), np.sin(phi), cot])
    return rng.normal(0, [1.0, 1.0, 50.0], (n, 3)), momentum, rng.choice([-1.0, 1.0], n)


def parameters_of(columns):
    n = len(columns)
    rng = np.random.default_rng(6)
    root = rng.normal(0, 1, (n, 5, 5)) * np.array([0.02, 0.05, 1e-3, 1e-3, 1e-2])[:, None]
    values = dict(zip(PARAMETERS, columns.T, strict=True))
    return Parameters(
        **values, covariance=root @ root.transpose(0, 2, 1), chi2=np.ones(n), ndf=np.ones(n, int)
    )


def columns_of(parameters):
    return np.stack([getattr(parameters, name) for name in PARAMETERS], axis=1)


def test_parameters_are_those_of_the_moved_particle():
    vertex, momentum, charge = particles()
    given = parameters_of(true_parameters(vertex, momentum, charge, FIELD))
    expected = true_parameters(BEAM.to_beam(vertex), BEAM.direction_to_beam(momentum), charge, FIELD)
    found = columns_of(about_beam(given, BEAM, FIELD))
    # The field is along z: about the beam line it is so but for the slope, over the way between both.
    assert found == pytest.approx(expected, abs=2e-4)


def test_there_and_back_is_where_one_was():
    shift = BeamSpot(x=1.2, y=-0.8, z=12.0)
    given = parameters_of(true_parameters(*particles(), FIELD))
    back = about_z_axis(about_beam(given, shift, FIELD), shift, FIELD)
    assert columns_of(back) == pytest.approx(columns_of(given), abs=1e-9)
    assert back.covariance == pytest.approx(given.covariance, rel=1e-5, abs=1e-9)


def test_the_covariance_is_that_of_drawn_parameters():
    one = parameters_of(true_parameters(*particles(), FIELD)[:1])
    rng = np.random.default_rng(7)
    drawn = rng.multivariate_normal(columns_of(one)[0], 1e-2 * one.covariance[0], 20_000)
    n = len(drawn)
    many = Parameters(
        **dict(zip(PARAMETERS, drawn.T, strict=True)), covariance=np.zeros((n, 5, 5)), chi2=np.ones(n),
        ndf=np.ones(n, int),
    )  # fmt: skip
    spread = np.cov(columns_of(about_beam(many, BEAM, FIELD)).T)
    expected = 1e-2 * about_beam(one, BEAM, FIELD).covariance[0]
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert spread / scale == pytest.approx(expected / scale, abs=0.05)


def test_acts_about_a_beam_gives_parameters_about_it(sample, reference):
    """Its seeds are those of a beam that is 0.3 mm off, its tracks still lie where they did."""
    hits, _, _, header = sample
    beam = BeamSpot(x=0.3, z=5.0)
    moved = [replace(h, position=beam.to_beam(h.position)) for h in hits]
    found = acts_tracks(moved, header.detector.at_beam(beam), header.field)
    for one, other in zip(reference, found, strict=True):
        place = {tuple(sorted(row)): k for k, row in enumerate(one.rows())}
        same = [(place[key], k) for k, row in enumerate(other.rows()) if (key := tuple(sorted(row))) in place]
        assert len(same) > 0.9 * len(one)
        before, after = np.array(same).T
        expected = about_beam(one.parameters, beam, header.field)
        for name, close in (("d0", 5e-3), ("z0", 5e-3), ("phi", 1e-3), ("theta", 1e-3)):
            differs = getattr(other.parameters, name)[after] - getattr(expected, name)[before]
            assert np.median(np.abs(differs)) < close / 10
            assert np.mean(np.abs(differs) < close) > 0.9


def test_distances_are_those_from_the_beam_line(tmp_path):
    """A selector of ACTS would cut on those from the z axis, and lose most tracks of a beam 1 mm off."""
    pytest.importorskip("acts")
    detector = read_detector(data_path("detector.csv"))
    options = SimulateOptions(
        generate=GenerateOptions(pileup=0, gun=150, gun_pt=(1.0, 10.0), max_eta=2.0),
        beam_spot=replace(STANDARD_BEAM, x=1.0),
    )
    path = tmp_path / "gun.root"
    write_events(path, header(detector, options, 1, 11), simulate(detector, options, 1, 11))
    sample = load_sample(path, 1)
    found = run_finder("acts", finder_maker("acts-balanced")(sample.header), sample).tracks
    assert rates(judge(sample.events, found))["efficiency"] > 0.95
    assert np.abs(found[0].parameters.d0).max() <= 0.5
