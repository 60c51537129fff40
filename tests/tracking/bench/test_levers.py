"""The studies of ``smartpix study``: their numbers against straight loops, their figures and what they
print.
"""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.estimate.base import truth_targets
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.estimate.shape import ShapeEstimator
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.write import write_events
from smartpix.networks.options import NetworkOptions
from smartpix.samples import from_clusters
from smartpix.schema import InputError
from smartpix.shipped import data_path
from smartpix.simulate import datasets
from smartpix.simulate.datasets import SENSOR_TYPES, DatasetOptions, simulate_dataset
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from tests.helpers import (
    detector_of,
    embedded_detector,
    module_row,
    one_module_detector,
    part_of,
    random_events,
)
from tests.tracking.cli.command_line import refused
from tracking.bench import levers as studies
from tracking.bench import mdn
from tracking.bench.clusters import TEST_SEED
from tracking.bench.levers import LEVERS, Setting, StudyOptions, angle_pt_study, lever_study, pull_study
from tracking.cli.main import main

WEIGHTS = (("mdn-barrel", "mdn-endcap"), "shape-50x12.5x100")
ESTIMATORS = ("mdn", "shape")
PNG = b"\x89PNG"


@pytest.fixture
def study(capsys, tmp_path):
    """Runs ``smartpix study``: exit code, stdout, stderr; results are in ``tmp_path / "out"``."""

    def call(*arguments):
        code = main(["study", *map(str, arguments), "-o", str(tmp_path / "out")])
        return (code, *capsys.readouterr())

    return call


# Levers


TINY = {
    "network": {"columns, 2,178": Setting(), "narrow": Setting(network=NetworkOptions(filters=1, hidden=4))},
    "which two slices": {"0 and 19": Setting(), "19 and 19": Setting(slices=(19,))},
}


@pytest.fixture(scope="module")
def levers():
    """Of 5000 clusters and one epoch: what was simulated and trained, what was reported, and the results."""
    made, trained, lines = [], [], []

    def simulated(options, n, seed):
        made.append((options, n, seed))
        return simulate_dataset(options, n, seed)

    train_on = studies.train_on

    def recorded(samples, region, *more):
        trained.append((samples.slices, samples.images.shape, region, samples.made_by["readout"]))
        return train_on(samples, region, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies, "LEVERS", TINY)
        patch.setattr(studies, "simulate_dataset", simulated)
        patch.setattr(studies, "train_on", recorded)
        result = lever_study(list(TINY), StudyOptions(5000, 1), lines.append)
    return made, trained, lines, result


def test_every_setting_is_trained_once_on_one_sample_a_sensor(levers):
    made, trained, lines, result = levers
    assert [(m[0].slices, m[0].dataset, m[1], m[2]) for m in made] == [
        ((0, 19), "2s", 5000, studies.STUDY_SEED)
    ]
    # The base is in both levers and trained once.
    assert len(trained) == 3
    assert {t[0] for t in trained} == {(0, 19), (19,)}
    assert all(t[2] == "barrel" and t[3]["threshold"] == 300 for t in trained)
    assert len(lines) == 4
    assert {k: list(v) for k, v in result["levers"].items()} == {k: list(v) for k, v in TINY.items()}
    assert result["levers"]["network"]["columns, 2,178"] == result["levers"]["which two slices"]["0 and 19"]
    assert result["options"]["clusters"] == 5000


def test_levers_have_the_promised_numbers(levers):
    result = levers[-1]
    for settings in result["levers"].values():
        for r in settings.values():
            assert set(r) == {
                "half_width_68",
                "half_width_68_central",
                "nll",
                "coverage68",
                "parameters",
                "truncated",
            }
            assert np.all(
                np.isfinite([*r["half_width_68"].values(), *r["half_width_68_central"].values(), r["nll"]])
            )
            assert 0 < r["coverage68"] < 1
    assert result["levers"]["network"]["columns, 2,178"]["parameters"] == 2178
    assert result["levers"]["network"]["narrow"]["parameters"] < 600
    json.dumps(result)


def test_settings_of_other_sensors_get_samples_of_their_own(monkeypatch):
    made, trained = [], []
    metrics = {
        "half_width_68": {},
        "half_width_68_central": {"cot_alpha": 1.0},
        "nll": 0,
        "coverage68": 0,
        "parameters": 0,
    }

    def simulated(options, n, seed):
        made.append((options.sensor, options.induction, options.slices))

    def not_trained(setting, clusters, options):
        trained.append((setting.sensor, setting.induction))
        return metrics

    monkeypatch.setattr(studies, "simulate_dataset", simulated)
    monkeypatch.setattr(studies, "_train", not_trained)
    lever_study(["geometry", "which two slices", "induction followed to"], StudyOptions(), lambda line: None)
    # One after the other, never one twice: only one is in memory.
    assert len(made) == len(set(made)) == 8
    assert [k for k, _ in itertools.groupby(trained)] == [m[:2] for m in made]
    (slices,) = [m[2] for m in made if m[:2] == (SENSOR_TYPES[2], "pixelav")]
    assert slices == (0, 1, 2, 3, 4, 5, 6, 9, 19)


def test_the_base_is_among_the_settings_of_every_lever():
    assert all(
        sum(setting == Setting() for setting in settings.values()) == 1 for settings in LEVERS.values()
    )


def test_unknown_lever_and_senseless_options_are_refused():
    with pytest.raises(InputError, match=r"lever 'nois \[e\]' is unknown\. Did you mean 'noise \[e\]'\?"):
        lever_study(["nois [e]"], StudyOptions())
    with pytest.raises(InputError, match="study: clusters must be at least 5000"):
        StudyOptions(4999)
    with pytest.raises(InputError, match="study: epochs must be at least 1"):
        StudyOptions(epochs=0)


@pytest.mark.parametrize("name", ["slices", "levers"])
def test_study_of_levers_from_the_command_line(study, levers, monkeypatch, tmp_path, name):
    """The trainings are those of the fixture."""
    asked = []
    result = levers[-1]
    shown = {
        "which two slices": result["levers"]["which two slices"],
        "number of slices": result["levers"]["network"],
    }

    def recorded(names, options, report):
        asked.append((names, options))
        report("trained")
        return {"options": dataclasses.asdict(options), "levers": shown}

    monkeypatch.setattr(studies, "lever_study", recorded)
    code, out, err = study(name, "--clusters", 6000, "--epochs", 2, "--json")
    assert code == 0
    assert out.count("\n") == 1
    assert json.loads(out, parse_constant=pytest.fail)["levers"] == shown
    assert err == "trained\n"
    wanted = ["which two slices", "number of slices"] if name == "slices" else list(LEVERS)
    assert asked == [(wanted, StudyOptions(6000, 2))]
    figures = [name, "slices-targets"] if name == "slices" else [name]
    files = {f"{name}.json", *(f"{figure}{end}" for figure in figures for end in (".png", "-data.csv"))}
    assert {p.name for p in (tmp_path / "out").iterdir()} == files
    assert all((tmp_path / "out" / f).read_bytes().startswith(PNG) for f in files if f.endswith("png"))
    assert json.loads((tmp_path / "out" / f"{name}.json").read_text()) == json.loads(out)
    code, out, _ = study(name)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "which",
        "0",
        "19",
        "number",
        "columns,",
        "narrow",
        "written",
    ]


# Pulls


@pytest.fixture(scope="module")
def crossings(tmp_path_factory):
    """Two events of 300 crossings on 24 modules of the barrel and 24 of the end-caps."""
    barrel = embedded_detector().barrel
    rows = np.concatenate([np.flatnonzero(barrel)[::101][:24], np.flatnonzero(~barrel)[::57][:24]])
    detector, options = part_of(embedded_detector(), rows), SimulateOptions()
    path = tmp_path_factory.mktemp("study") / "crossings.root"
    write_events(path, header(detector, options, 2, 1), simulate_crossings(detector, options, 2, 300, 1))
    return path


@pytest.fixture(scope="module")
def pulls(crossings):
    return pull_study([crossings], *WEIGHTS)


def test_pulls_are_those_of_the_estimates_cluster_by_cluster(pulls, crossings):
    estimators = dict(
        zip(ESTIMATORS, (MdnEstimator.load(*WEIGHTS[0]), ShapeEstimator.load(WEIGHTS[1])), strict=True)
    )
    detector = open_events(crossings).header.detector
    wanted = {}
    for _, events in iterate(crossings, step=1):
        clusters = events["clusters"][0]
        target, has = truth_targets(clusters, 0.95)
        estimates = {name: e.predict(flatten(clusters, e.slices), detector) for name, e in estimators.items()}
        for i in np.flatnonzero(has):
            region = "barrel" if detector.barrel[clusters["module_index"][i]] else "endcap"
            for name, e in estimates.items():
                row = (e.mean[i], e.cholesky[i], target[i], clusters["truncated"][i])
                wanted.setdefault((region, name), []).append(row)
    assert len(wanted) == 4
    for (region, name), rows in wanted.items():
        mean, cholesky, target, truncated = (np.array(column) for column in zip(*rows, strict=True))
        assert truncated.sum() > 2
        again = quality(mean, cholesky, target, truncated)
        assert (pulls[region][name]["n"], pulls[region][name]["truncated"]) == (
            again["n"],
            again["truncated"],
        )
        for key in ("half_width_68", "standard_deviation", "pull_mean", "pull_sigma"):
            assert pulls[region][name][key] == pytest.approx(again[key], rel=1e-6)
        residual = (target - mean)[~truncated]
        sigma = np.sqrt(np.diagonal(cholesky @ cholesky.transpose(0, 2, 1), axis1=1, axis2=2))[~truncated]
        np.testing.assert_allclose(pulls["arrays"][(region, name)][0], residual, atol=1e-12)
        np.testing.assert_allclose(pulls["arrays"][(region, name)][1], residual / sigma, rtol=1e-6, atol=1e-9)


def test_both_estimates_are_judged_on_the_same_clusters(pulls):
    for region in ("barrel", "endcap"):
        one, two = (pulls[region][name] for name in ESTIMATORS)
        assert (one["n"], one["truncated"]) == (two["n"], two["truncated"])
        assert one["truncated"] > 0
        for name in ("abs_eta", "columns", "rows"):
            shares = [[b["n"] for b in r["pulls_by"][name]] for r in (one, two)]
            assert shares[0] == shares[1]
            assert 0.8 * one["n"] < sum(shares[0]) <= one["n"]
        truth = [low_high["low"] for low_high in one["by_cot_alpha"]["truth"]]
        assert truth == [low_high["low"] for low_high in two["by_cot_alpha"]["truth"]]


def other_file(path, sensor=None, field=3.8, slices=(2, 19)):
    row = module_row((32.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, 1)
    detector = detector_of([row | (sensor or {})])
    options = SimulateOptions(
        field=field, readout=dataclasses.replace(SimulateOptions().readout, slices=slices)
    )
    write_events(path, header(detector, options, 1, 1), simulate_crossings(detector, options, 1, 5, 1))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"sensor": {"pitch_u": 0.025}},
            r"the barrel is of the sensor 50 x 25 x 100 µm in 3\.8 T and the mdn weights are for 50 x 12\.5 x 100 µm in 3\.8 T",
        ),
        ({"field": 2.0}, r"the barrel is of the sensor 50 x 12\.5 x 100 µm in 2 T"),
        ({"slices": (2, 9)}, r"lacks the slices \[19\] that the estimates need"),
    ],
)
def test_every_file_must_be_of_the_weights_sensor_and_slices(crossings, tmp_path, change, words):
    other = other_file(tmp_path / "other.root", **change)
    with pytest.raises(InputError, match=r"other\.root: " + words):
        pull_study([crossings, other], *WEIGHTS)


def test_file_without_truth_is_refused(crossings, tmp_path):
    write_events(
        tmp_path / "d.root",
        Header(one_module_detector(), 3.8, (0, 19), {"truth": False}),
        [random_events(1, [3])],
    )
    with pytest.raises(InputError, match=r"d\.root: has no truth; give simulated files"):
        pull_study([crossings, tmp_path / "d.root"], *WEIGHTS)


def test_study_pull_from_the_command_line(study, crossings, pulls, tmp_path):
    code, out, err = study("pull", crossings, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    told = json.loads(out, parse_constant=pytest.fail)
    assert told == json.loads(json.dumps({k: v for k, v in pulls.items() if k != "arrays"}))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "pull.json", "estimate-pulls.png", "estimate-pulls-data.csv", "estimate-residuals.png", "estimate-residuals-data.csv",
    }  # fmt: skip
    assert all(p.read_bytes().startswith(PNG) for p in (tmp_path / "out").glob("*.png"))
    assert json.loads((tmp_path / "out" / "pull.json").read_text()) == told


def test_study_pull_takes_the_embedded_sample_by_default(study, pulls, monkeypatch):
    asked = []
    monkeypatch.setattr(studies, "pull_study", lambda *arguments: asked.append(arguments) or pulls)
    assert study("pull")[0] == 0
    assert asked == [([data_path("sample.root")], *WEIGHTS)]


# Angle and pT


@pytest.fixture
def small_angles(monkeypatch, tiny_variants):
    monkeypatch.setattr(mdn, "VARIANTS", tiny_variants)
    monkeypatch.setattr(studies, "VARIANTS", tiny_variants)
    return tiny_variants


def test_bend_is_that_of_a_straight_loop(small_angles):
    found = angle_pt_study("columns-tiny", 1500)
    clusters = simulate_dataset(DatasetOptions(slices=(0, 19)), 1500, TEST_SEED + 1)
    variant = small_angles["columns-tiny"]
    samples = from_clusters(clusters, variant.readout, DatasetOptions().described(), {}, TEST_SEED)
    mean, _ = MdnNetwork.load(variant.weights).predict_images(samples.images)
    rows = []
    for i in np.flatnonzero(~samples.truncated):
        pt, y = clusters.labels["pt"][i], clusters.labels["y-local"][i]
        # Radius of a track in m: pT / (0.3 B); it turns by half of the angle whose chord is the layer's
        # radius.
        true = np.arcsin(0.030 / 2 / (pt / (0.3 * 3.8)))
        beta = np.arctan2(1, mean[i, 3])
        rows.append((1 / pt, true, np.pi / 2 - beta - np.arctan(y / 30.0)))
    for got, wanted in zip(found["arrays"], np.array(rows).T, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-9)
    _, true, measured = np.array(rows).T
    assert found["n"] == len(rows) < 1500
    assert found["mrad_gev"] == pytest.approx(17.1)
    assert found["slope"] == pytest.approx(np.linalg.lstsq(true[:, None], measured, rcond=None)[0][0])
    sigma = np.percentile(np.abs(measured - true), 68.27)
    assert found["sigma_beta_deg"] == pytest.approx(np.degrees(sigma))
    # A track of that pT turns by one sigma.
    assert np.arcsin(0.3 * 3.8 * 0.030 / 2 / found["pt_of_one_sigma_gev"]) == pytest.approx(sigma)
    pt = 1 / np.array(rows)[:, 0]
    assert sum(b["n"] for b in found["by_pt"]) <= len(rows)
    for b in found["by_pt"]:
        inside = [(m, p) for m, p in zip(measured, pt, strict=True) if b["low"] <= abs(p) < b["high"]]
        assert b["n"] == len(inside)
        assert b["right_charge"] == pytest.approx(sum(m * p > 0 for m, p in inside) / len(inside))


def test_study_angle_pt_from_the_command_line(study, small_angles, tmp_path):
    code, out, err = study("angle-pt", "--variant", "columns-tiny", "--clusters", 1000, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    told = json.loads(out, parse_constant=pytest.fail)
    assert told["variant"] == "columns-tiny"
    assert "arrays" not in told
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "angle-pt.json", "angle-pt.png", "angle-pt-data.csv",
    }  # fmt: skip
    assert (tmp_path / "out" / "angle-pt.png").read_bytes().startswith(PNG)
    assert json.loads((tmp_path / "out" / "angle-pt.json").read_text()) == told


def test_bad_flags_are_one_line_and_code_1(study, small_angles, tmp_path):
    refused(
        study("angle-pt", "--variant", "colums-tiny"),
        "'colums-tiny' is unknown",
        "Did you mean 'columns-tiny'?",
    )
    refused(study("levers", "--clusters", 10), "study: clusters must be at least 5000")
    refused(study("levers", "--threads", 0), "threads must be at least 1")
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("")
    refused(study("pull"), "out: cannot be made", "give another folder with -o")


def test_data_set_of_every_region_is_known():
    assert set(datasets.REGION) == set(datasets.DATASETS)
