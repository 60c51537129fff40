"""``smartpix detector``: names, files, checks, figures, and simulations in what it makes."""

import json

import numpy as np

from smartpix.geometry import read_detector
from smartpix.io.events import iterate, open_events
from tests.helpers import REPOSITORY
from tracking.cli.main import main
from tracking.cli.options import read_options
from tracking.options import RunOptions, from_mapping


def result_of(capsys, *words):
    assert main([*map(str, words), "--json"]) in (0, None)
    return json.loads(capsys.readouterr().out)


def test_a_detector_is_made_checked_and_drawn(capsys, tmp_path):
    table, figure = tmp_path / "b.csv", tmp_path / "b.png"
    made = result_of(capsys, "detector", "barrel3", "--pitch-u", 0.025, "-o", table, "--draw", figure)
    assert made["n_layers"] == 3
    assert made["n_colliding"] == 0
    assert made["material"]["pipe_radius"] == 30.0
    assert [row["name"] for row in made["layers"]] == ["B1", "B2", "B3"]
    detector = read_detector(table)
    assert len(detector) == made["n_modules"]
    np.testing.assert_allclose(detector.pitch_y, 0.025)
    assert figure.read_bytes().startswith(b"\x89PNG")
    options = tmp_path / "fit.toml"
    result_of(capsys, "detector", "odd", "--no-checks", "--material", options)
    fit = from_mapping(RunOptions(), read_options(options), "options").fit
    assert fit.pipe_radius == 24.0
    assert len(fit.layers) == 18
    looked_at = result_of(capsys, "detector", table, "--no-checks")
    assert looked_at["n_modules"] == len(detector)
    assert "layers" not in looked_at


def test_a_beam_goes_through_a_telescope(capsys, tmp_path):
    path = tmp_path / "F.root"
    result = result_of(
        capsys, "simulate", "events", "--detector", "telescope", "--field", 0, "--seed", 3, "-o", path, "--pitch-u", 0.025,
        "--set", "generate.beam.particles=8", "--set", "transport.efficiency=0.95",
    )  # fmt: skip
    assert result["transport"] == "own"
    header = open_events(path).header
    assert header.made_by["options"]["transport"]["engine"] == "own"
    assert header.made_by["options"]["transport"]["material"]["support"] == 0.0
    assert len(header.detector) == 6
    np.testing.assert_allclose(header.detector.pitch_y, 0.025)
    ((_, event),) = iterate(path)
    assert len(event["particles"][0]) == 8
    assert 30 <= len(event["clusters"][0]) <= 48


def test_mistakes_are_answered(capsys, tmp_path):
    assert main(["detector", "teleskope"]) == 1
    assert "Did you mean 'telescope'" in capsys.readouterr().err
    assert main(["detector", "barrel3", "--draw", str(tmp_path / "x.nosuch"), "--no-checks"]) == 1
    assert "give one that ends in .png, .pdf, .svg" in capsys.readouterr().err
    table = str(REPOSITORY / "data/detector.csv")
    assert main(["detector", table, "--no-checks", "--material", str(tmp_path / "m.toml")]) == 1
    assert "says nothing of its material" in capsys.readouterr().err
