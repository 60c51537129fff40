"""The figure and the page of an event of a telescope: planes across a beam of particles."""

import csv

import numpy as np
import pytest

from smartpix.io.events import iterate
from smartpix.merged.options import SplitOptions
from tests.tracking.show.pages import data_of
from tracking.beam_spot import chain_of_file
from tracking.cli.main import main
from tracking.options import RunOptions
from tracking.runs.event_display import event_display
from tracking.show.display import display_event

PLANES = 6


@pytest.fixture(scope="module")
def beam(tmp_path_factory):
    """A file of particles through the telescope."""
    path = tmp_path_factory.mktemp("telescope") / "beam.root"
    beam = ("--set", "generate.beam.particles=220", "--events", "4", "--seed", "651009", "-o", str(path))
    assert main(["simulate", "events", "--detector", "telescope", *beam]) == 0
    return path


@pytest.fixture(scope="module")
def options(beam):
    """Of a chain with estimates for that telescope, from its own clusters."""
    weights = beam.with_name("shape.safetensors")
    assert main(["train", "shape", str(beam), "-o", str(weights), "--json"]) == 0
    return RunOptions(estimates="shape", shape=str(weights), split=SplitOptions(mode="off"))


def test_planes_are_drawn_from_two_sides_along_the_beam(beam, options, tmp_path):
    ((file, events),) = iterate(beam, step=1, stop=1)
    chain, _ = chain_of_file(beam, file.header, options)
    result = chain.event(0, events[0]["clusters"])
    assert chain.header.detector.frame.distance > 0
    event_display(tmp_path / "e.pdf", "simulation", chain, result)
    text = (tmp_path / "e-data.csv").read_text().splitlines()
    assert "# panel 1: x: distance along the beam [mm]; y: y of the beam's frame [mm]" in text
    rows = list(csv.DictReader(line for line in text if line[0] != "#"))
    start = chain.header.detector.layers.radius.min()
    for panel, k in (("1", 1), ("2", 2)):
        clusters = [
            (float(r["x"]), float(r["y"])) for r in rows if (r["panel"], r["series"]) == (panel, "clusters")
        ]
        expected = result.hits.position[:, [0, k]] - [start, 0]
        np.testing.assert_allclose(clusters, expected, atol=1e-4)
        tracks = [r for r in rows if r["panel"] == panel and r["series"].endswith(("tracks", "most hits"))]
        assert len({(r["series"], r["part"]) for r in tracks}) == len(result.tracks) > 0
        # From the first plane to the last, and not from the beam's beginning far upstream.
        along = [float(r["x"]) for r in tracks]
        assert -1 < min(along) < max(along) < 1 + expected[:, 0].max()


def test_the_page_of_planes_has_what_it_draws_them_by(beam, options, tmp_path):
    told = display_event(beam, None, tmp_path / "e.html", options)
    data = data_of(tmp_path / "e.html")
    assert data["distance"] > 0
    assert data["layers"]["low"].shape == data["layers"]["high"].shape == (PLANES, 2)
    assert np.all(data["layers"]["low"] < data["layers"]["high"])
    line = data["tracks"]["line"]
    assert len(line) == told["n_tracks"]
    assert line[..., 0].min() >= data["layers"]["radius"].min() - 1
    assert len(data["missed"]["pt"]) == told["n_findable"] - told["n_found"]
