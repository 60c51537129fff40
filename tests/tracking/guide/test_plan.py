"""The sequence for a new detector: its commands are those of the command line, and fit the detector."""

import shlex
from dataclasses import replace

import pytest

from smartpix.geometry import Detector
from smartpix.layouts.named import NamedDetector, named_detector
from smartpix.schema import InputError
from tests.helpers import embedded_detector
from tracking.cli.main import parser
from tracking.cli.parser import parse
from tracking.guide import QUICK, GuideOptions, decided, planned

NETWORK = GuideOptions(particles="gun")


def steps_of(name, folder, options):
    made = named_detector(name)
    return {step.name: step for step in planned(made, folder, decided(made.detector, options)[0])}


@pytest.mark.parametrize("name", ["telescope", "barrel3", "muon-collider"])
@pytest.mark.parametrize(
    "options", [QUICK, NETWORK, GuideOptions(particles="collisions", graph_epochs=0, field=(2.0,))]
)
def test_each_command_is_one_of_the_command_line(name, options, tmp_path):
    for step in steps_of(name, tmp_path, options).values():
        words = shlex.split(step.command)
        assert words[0] == "smartpix"
        parsed, wrong = parse(parser(), words[1:])
        assert wrong is None
        assert parsed.command_function is not None


def test_particles_are_a_beam_where_planes_stand_across_it(tmp_path):
    telescope = named_detector("telescope").detector
    assert decided(telescope, GuideOptions())[0].particles == "beam"
    assert decided(embedded_detector(), GuideOptions())[0].particles in ("collisions", "gun")
    assert decided(telescope, GuideOptions(particles="gun"))[0].particles == "gun"
    steps = steps_of("telescope", tmp_path, QUICK)
    assert "generate.beam.particles=30" in steps["events-test"].words
    # The estimates are trained and judged in the same range of slopes.
    for name in ("shape", "crossings"):
        assert "--cot-alpha" in steps[name].words


def test_weights_and_layers_are_those_of_the_detector(tmp_path):
    steps = steps_of("barrel3", tmp_path, NETWORK)
    assert steps["mdn"].outputs == (tmp_path / "mdn-barrel.safetensors",)
    run = steps["tracks"].words
    assert {
        "findable_layers=3",
        "build.min_hits=3",
        f"mdn_barrel={tmp_path / 'mdn-barrel.safetensors'}",
    } < set(run)
    assert not any("mdn_endcap" in word for word in run)
    assert "--cot-alpha" not in steps["shape"].words
    assert steps["graph"].words[:2] == ("train", "gnn")
    without = steps_of("barrel3", tmp_path, replace(NETWORK, graph_epochs=0))
    assert "graph" not in without
    assert not any(word.startswith("gnn=") for word in without["tracks"].words)


def test_samples_have_seeds_of_their_own(tmp_path):
    steps = steps_of("barrel3", tmp_path, replace(NETWORK, seed=100))
    seeds = [w[w.index("--seed") + 1] for s in steps.values() if "--seed" in (w := s.words)]
    assert sorted(seeds) == ["100", "101", "102", "103", "104"]


def test_a_table_says_no_material_and_two_layers_make_no_tracks(tmp_path):
    detector = embedded_detector()
    made = NamedDetector("own.csv", detector)
    steps = planned(made, tmp_path, NETWORK)
    assert "--material" not in steps[0].words
    assert "--options" not in steps[-1].words
    inner = detector.layer_index < 2
    two = Detector({name: column[inner] for name, column in detector.columns.items()})
    with pytest.raises(InputError, match="has 2 layers"):
        decided(two, NETWORK)


def test_the_field_that_is_asked_for_is_that_of_all_samples(tmp_path):
    steps = steps_of("barrel3", tmp_path, replace(NETWORK, field=(2.0,)))
    for name in ("shape", "mdn", "crossings", "events-train", "events-test"):
        words = steps[name].words
        assert words[words.index("--field") + 1] == "2"
    assert not any("--field" in step.words for step in steps_of("barrel3", tmp_path, NETWORK).values())
    with pytest.raises(InputError, match="one value in T"):
        GuideOptions(field=(1.0, 2.0))
