"""Which options a simulation gets from the command line."""

import json
import re

import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.io.parquet import describe_clusters, read_clusters
from smartpix.simulate import events
from tracking.cli.main import main


class Stopped(Exception):  # noqa: N818
    """The simulation has its options."""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], (200, 0)),
        (["--pileup", "20"], (20, 0)),
        (["--gun", "5"], (0, 5)),
        (["--set", "generate.gun=5"], (0, 5)),
        (["--gun", "5", "--set", "generate.pileup=0"], (0, 5)),
    ],
)
def test_there_is_no_pileup_beside_a_gun(monkeypatch, tmp_path, flags, expected):
    found = []

    def simulate(detector, options, *numbers):
        found.append((options.generate.pileup, options.generate.gun))
        raise Stopped

    monkeypatch.setattr(events, "simulate", simulate)
    with pytest.raises(Stopped):
        main(["simulate", "events", *flags, "--seed", "1", "-o", str(tmp_path / "F.root")])
    assert found == [expected]


@pytest.mark.parametrize(
    ("flags", "name", "expected"),
    [
        ("--jet-particles 10", "jet_particles", (10,)), ("--jet-particles 15 30", "jet_particles", (15, 30)),
        ("--jets 2 --jet-pt 500 2000", "jet_pt", (500.0, 2000.0)), ("--jet-radius 0.03", "jet_radius", 0.03),
        ("--conversions 7", "conversions", 7), ("--set generate.jet_particles=[3,4]", "jet_particles", (3, 4)),
    ],
)  # fmt: skip
def test_jets_have_flags(monkeypatch, tmp_path, flags, name, expected):
    found = []

    def simulate(detector, options, *numbers):
        found.append(getattr(options.generate, name))
        raise Stopped

    monkeypatch.setattr(events, "simulate", simulate)
    with pytest.raises(Stopped):
        main(["simulate", "events", *flags.split(), "--seed", "1", "-o", str(tmp_path / "F.root")])
    assert found == [expected]


def test_crossings_come_in_groups(tmp_path, capsys):
    path = tmp_path / "F.root"
    flags = "--together 2 3 --distance 0.1 0.5 --events 1 --per-event 40 --seed 52906 --json"
    assert main(["simulate", "crossings", *flags.split(), "-o", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["n_events"] == 1
    groups = open_events(path).header.made_by["options"]["groups"]
    assert groups == {"together": [2, 3], "distance": [0.1, 0.5], "law": "logarithm"}
    assert main(["simulate", "crossings", "--together", "4", "--seed", "1", "-o", str(path)]) == 1
    assert "together must be one or more of 1, 2, 3" in capsys.readouterr().err


@pytest.mark.parametrize("flags", ["--distance 0.05 3", "--set groups.distance=[0.05,3.0]"])
def test_a_distance_without_groups_is_refused_though_it_is_the_default(tmp_path, capsys, flags):
    command = ["simulate", "crossings", *flags.split(), "--seed", "1", "-o", str(tmp_path / "F.root")]
    assert main([*command, "--events", "1", "--per-event", "40"]) == 1
    assert "--distance is given and each crossing is alone; give --together" in capsys.readouterr().err
    assert not (tmp_path / "F.root").exists()


def test_one_value_in_place_of_a_list_is_told(tmp_path, capsys):
    command = ["simulate", "crossings", "--set", "groups.together=3", "--seed", "1"]
    assert main([*command, "-o", str(tmp_path / "F.root")]) == 1
    assert "'groups.together' must be a list and is 3; write [3]" in capsys.readouterr().err


def test_windows_of_several_particles_are_written(tmp_path, capsys):
    path = tmp_path / "F.parquet"
    flags = "--dataset merged --together 3 --distance 0.2 0.2 -n 6 --slices 19 --seed 52907 --json"
    assert main(["simulate", "clusters", *flags.split(), "-o", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["n_clusters"] == 6
    clusters = read_clusters(path)
    assert clusters.labels["n_particles"].tolist() == [3] * 6
    first, third = clusters.targets(), clusters.targets(3)
    width = np.array([0.05, 0.0125]) + 0.1 * np.abs(first[:, 2:])
    np.testing.assert_allclose(np.hypot(*((third - first)[:, :2] / width).T), 0.2)


@pytest.mark.parametrize(
    ("flags", "fluence", "bias", "said"),
    [
        ("--fluence 5e15", 5e15, 450.0, "a bias of 450 V for 5e+15 neq/cm2"),
        ("--fluence 5e15 --bias 600", 5e15, 600.0, ""), ("--bias 600", 0.0, 600.0, ""), ("", 0.0, 100.0, ""),
        ("--luminosity 150", 1e15, 200.0, "a bias of 200 V for 1e+15 neq/cm2"),
        ("--luminosity 0", 0.0, 100.0, ""), ("--set fluence=1e16", 1e16, 600.0, "a bias of 600 V"),
    ],
)  # fmt: skip
def test_the_bias_is_raised_with_the_fluence_and_the_log_says_so(
    monkeypatch, tmp_path, capsys, flags, fluence, bias, said
):
    found = []

    def simulate(detector, options, *numbers):
        found.append((options.fluence, options.bias))
        raise Stopped

    monkeypatch.setattr(events, "simulate", simulate)
    with pytest.raises(Stopped):
        main(["simulate", "events", *flags.split(), "--seed", "1", "-o", str(tmp_path / "F.root")])
    assert found == [(pytest.approx(fluence), pytest.approx(bias))]
    assert (said in capsys.readouterr().err) if said else ("bias" not in capsys.readouterr().err)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--fluence 1e15 --luminosity 100", "--fluence and --luminosity say the same"),
        ("--luminosity 4000", "luminosity must be from 0 to 3000 fb-1 and is 4000"),
        ("--luminosity -1", "luminosity must be from 0"),
        ("--fluence 5e16", r"fluence must be from 0 to 2e\+16 neq/cm2"),
    ],
)
@pytest.mark.parametrize("what", ["crossings", "clusters"])
def test_fluences_that_are_none_are_refused(tmp_path, capsys, what, flags, message):
    name = "F.root" if what == "crossings" else "F.parquet"
    more = [] if what == "crossings" else ["--dataset", "2s", "-n", "10"]
    assert main(["simulate", what, *more, *flags.split(), "--seed", "1", "-o", str(tmp_path / name)]) != 0
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / name).exists()


def test_clusters_after_a_luminosity_tell_fluence_and_bias(tmp_path):
    path = tmp_path / "F.parquet"
    flags = "--dataset 2s --type 7 --slices 19 -n 20 --luminosity 370 --seed 1 -o"
    assert main(["simulate", "clusters", *flags.split(), str(path)]) == 0
    sensor = describe_clusters(path)["made_by"]["options"]["sensor"]
    assert sensor["fluence"] == pytest.approx(370 * 2e16 / 3000)
    # 292 V for 100 um, on 150 um at the field of type 7.
    assert sensor["bias"] == pytest.approx(175 * 2.917, rel=1e-3)
