"""The study of systematics on the embedded sample, and its effects, table and figure."""

import json

import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.shipped import data_path
from smartpix.simulate.options import SimulateOptions
from tracking.bench.conditions import believed_header
from tracking.bench.systematics import JUDGED
from tracking.bench.systematics_effects import EFFECTS, chosen_effects, simulation_of
from tracking.bench.systematics_plots import plot_systematics
from tracking.bench.systematics_table import systematics_table
from tracking.cli.main import main

ARGUMENTS = [
    "study",
    "systematics",
    str(data_path("sample.root")),
    "--calibrate-events",
    "2",
    "--events",
    "1",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("systematics")


@pytest.fixture(scope="module")
def study(folder):
    """One size of one effect, from the command line."""
    assert main([*ARGUMENTS, "--effects", "dead=40", "--passes", "1", "-o", str(folder), "--json"]) == 0
    return json.loads((folder / "systematics.json").read_text())


def test_the_command_writes_the_keys_that_are_promised(study, folder):
    found = study["effects"]["dead"]["40"]
    for key in JUDGED:
        assert set(found[key]) == {"before", "after", "regained"}
    assert set(study["nominal"]) >= {*JUDGED, "pulls", "found"}
    assert {"edge_efficiency", "reduction", "d0_um", "pull_x", "bias_y"} <= set(found["lost"])
    assert study["units"] == {"dead": "%"}
    assert study["sample"]["events"] == 1
    assert (folder / "systematics.png").stat().st_size > 10_000
    # Without 40 % of the modules most particles cross fewer than four layers that live, and few edges are left.
    assert found["track_efficiency"]["before"] < study["nominal"]["track_efficiency"]["before"]


def test_nominal_events_have_the_pulls_that_the_estimates_promise(study):
    pulls = study["nominal"]["pulls"]
    for when in ("before", "after"):
        assert pulls[when]["barrel"]["cot_alpha"] == pytest.approx(1.0, abs=0.1)
    assert study["nominal"]["edge_efficiency"]["before"] > 0.99
    assert study["nominal"]["found"]["charge_scale"] == pytest.approx(1.0, abs=0.02)


def test_table_and_figure_have_a_line_for_each_size(study, folder):
    lines = systematics_table(study).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("dead 40 %")
    plot_systematics(folder / "again.png", study)
    assert (folder / "again.png").exists()


def test_what_is_wrong_with_the_detector_is_wrong_in_its_header():
    header = open_events(data_path("sample.root")).header
    center = believed_header(header, "shift", 20).detector.center - header.detector.center
    assert np.std(center) == pytest.approx(0.02, rel=0.03)
    turned = believed_header(header, "tilt", 1).detector
    np.testing.assert_array_equal(turned.center, header.detector.center)
    cosine = np.einsum("mi,mi->m", turned.axes[:, :, 2], header.detector.axes[:, :, 2])
    assert np.sqrt(np.mean(np.arccos(np.clip(cosine, -1, 1)) ** 2)) == pytest.approx(
        np.sqrt(2) * 1e-3, rel=0.05
    )
    assert believed_header(header, "field", 1).field == pytest.approx(1.01 * header.field)
    assert believed_header(header, "lorentz", -10) is header


def test_effects_of_the_simulation_change_one_option_each():
    base = SimulateOptions()
    changed = {name: simulation_of(name, 10, base) for name in EFFECTS}
    assert {name for name, options in changed.items() if options is None} == {
        "shift",
        "tilt",
        "field",
        "dead",
    }
    assert changed["lorentz"].lorentz_scale == pytest.approx(1.1)
    assert changed["charge"].charge_scale == pytest.approx(1.1)
    assert changed["noise"].readout.noise == pytest.approx(1.1 * base.readout.noise)
    assert changed["threshold"].readout.threshold == pytest.approx(1.1 * base.readout.threshold)
    assert changed["pileup"].generate.pileup == 10


def test_effects_are_chosen_by_name_and_size():
    assert chosen_effects([]) == {name: effect.sizes for name, effect in EFFECTS.items()}
    assert set(chosen_effects([], simulated=False)) == {"shift", "tilt", "field", "dead"}
    assert chosen_effects(["shift=20,50", "dead"]) == {"shift": (20.0, 50.0), "dead": (2, 5, 10)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--effects", "shifts"], "unknown effect. Did you mean 'shift'?"),
        (["--effects", "shift=much"], "sizes must be numbers, as in shift=10,20"),
        (["--effects", "lorentz"], "lorentz needs events of its own; leave the files out"),
        (["--events", "100"], "there are 10 events and 102 are needed"),
        (["--events", "0"], "events must be from 1 to 10000"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, words, tmp_path, capsys):
    assert main([*ARGUMENTS, "-o", str(tmp_path / "out"), *arguments]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
